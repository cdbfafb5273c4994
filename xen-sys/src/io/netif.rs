//! `io/netif.h`: network front end and back end.

pub const TXF_CSUM_BLANK: u16 = 1 << 0;
pub const TXF_DATA_VALIDATED: u16 = 1 << 1;
pub const TXF_MORE_DATA: u16 = 1 << 2;
pub const TXF_EXTRA_INFO: u16 = 1 << 3;

pub const RXF_DATA_VALIDATED: u16 = 1 << 0;
pub const RXF_CSUM_BLANK: u16 = 1 << 1;
pub const RXF_MORE_DATA: u16 = 1 << 2;
pub const RXF_EXTRA_INFO: u16 = 1 << 3;
pub const RXF_GSO_PREFIX: u16 = 1 << 4;

pub const RSP_DROPPED: i16 = -2;
pub const RSP_ERROR: i16 = -1;
pub const RSP_OKAY: i16 = 0;
pub const RSP_NULL: i16 = 1;

pub const EXTRA_TYPE_GSO: u8 = 1;
pub const EXTRA_TYPE_MCAST_ADD: u8 = 2;
pub const EXTRA_TYPE_MCAST_DEL: u8 = 3;
pub const EXTRA_TYPE_HASH: u8 = 4;
pub const EXTRA_FLAG_MORE: u8 = 1;
pub const GSO_TYPE_TCPV4: u8 = 1;
pub const GSO_TYPE_TCPV6: u8 = 2;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxRequest {
    pub gref: u32,
    pub offset: u16,
    pub flags: u16,
    pub id: u16,
    pub size: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxResponse {
    pub id: u16,
    pub status: i16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxRequest {
    pub id: u16,
    pub pad: u16,
    pub gref: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxResponse {
    pub id: u16,
    pub offset: u16,
    pub flags: u16,
    /// Bytes received, or `RSP_*` when negative.
    pub status: i16,
}

/// `netif_extra_info_t` with the GSO member of its union; it takes the place of a request or response in its slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtraInfo {
    pub kind: u8,
    pub flags: u8,
    pub gso_size: u16,
    pub gso_type: u8,
    pub pad: u8,
    pub gso_features: u16,
}
