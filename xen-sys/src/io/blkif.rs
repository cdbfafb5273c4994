//! `io/blkif.h`: block front end and back end.

pub const OP_READ: u8 = 0;
pub const OP_WRITE: u8 = 1;
pub const OP_WRITE_BARRIER: u8 = 2;
pub const OP_FLUSH_DISKCACHE: u8 = 3;
pub const OP_DISCARD: u8 = 5;
pub const OP_INDIRECT: u8 = 6;

pub const MAX_SEGMENTS_PER_REQUEST: usize = 11;
/// Pages of segments that an indirect request may name.
pub const MAX_INDIRECT_PAGES_PER_REQUEST: usize = 8;

/// `DiscardRequest::flag`.
pub const DISCARD_SECURE: u8 = 1;

pub const RSP_OKAY: i16 = 0;
pub const RSP_ERROR: i16 = -1;
pub const RSP_EOPNOTSUPP: i16 = -2;

/// Bits of the backend's `info` key.
pub const VDISK_CDROM: u32 = 1;
pub const VDISK_REMOVABLE: u32 = 2;
pub const VDISK_READONLY: u32 = 4;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    pub gref: u32,
    /// First and last 512-byte sector of the page, inclusive.
    pub first_sect: u8,
    pub last_sect: u8,
    pub pad: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub operation: u8,
    pub nr_segments: u8,
    pub handle: u16,
    pub pad: u32,
    pub id: u64,
    /// In units of 512 bytes, whatever the sector size of the disk.
    pub sector_number: u64,
    pub seg: [Segment; MAX_SEGMENTS_PER_REQUEST],
}

/// A read or write (`indirect_op`) whose segments are in pages of their own.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndirectRequest {
    pub operation: u8,
    pub indirect_op: u8,
    pub nr_segments: u16,
    pub pad: u32,
    pub id: u64,
    pub sector_number: u64,
    pub handle: u16,
    pub pad2: u16,
    pub indirect_grefs: [u32; MAX_INDIRECT_PAGES_PER_REQUEST],
    pub pad3: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscardRequest {
    pub operation: u8,
    pub flag: u8,
    pub handle: u16,
    pub pad: u32,
    pub id: u64,
    pub sector_number: u64,
    pub nr_sectors: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    pub id: u64,
    pub operation: u8,
    pub pad: u8,
    pub status: i16,
    pub pad2: u32,
}
