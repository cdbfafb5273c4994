//! `event_channel.h`: `HYPERVISOR_event_channel_op`.

pub const EVTCHNOP_BIND_INTERDOMAIN: u32 = 0;
pub const EVTCHNOP_BIND_VIRQ: u32 = 1;
pub const EVTCHNOP_CLOSE: u32 = 3;
pub const EVTCHNOP_SEND: u32 = 4;
pub const EVTCHNOP_STATUS: u32 = 5;
pub const EVTCHNOP_ALLOC_UNBOUND: u32 = 6;
pub const EVTCHNOP_UNMASK: u32 = 9;

/// Channels of the 2-level ABI on a 64-bit guest.
pub const EVTCHN_2L_NR_CHANNELS: usize = 4096;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AllocUnbound {
    pub dom: u16,
    pub remote_dom: u16,
    /// OUT
    pub port: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BindInterdomain {
    pub remote_dom: u16,
    pub pad: u16,
    pub remote_port: u32,
    /// OUT
    pub local_port: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BindVirq {
    pub virq: u32,
    pub vcpu: u32,
    /// OUT
    pub port: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Close {
    pub port: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Send {
    pub port: u32,
}
