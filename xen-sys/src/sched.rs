//! `sched.h`: `HYPERVISOR_sched_op`.

pub const SCHEDOP_YIELD: u32 = 0;
pub const SCHEDOP_BLOCK: u32 = 1;
pub const SCHEDOP_SHUTDOWN: u32 = 2;
pub const SCHEDOP_POLL: u32 = 3;
pub const SCHEDOP_REMOTE_SHUTDOWN: u32 = 4;

pub const SHUTDOWN_POWEROFF: u32 = 0;
pub const SHUTDOWN_REBOOT: u32 = 1;
pub const SHUTDOWN_SUSPEND: u32 = 2;
pub const SHUTDOWN_CRASH: u32 = 3;

/// `SCHEDOP_poll` takes at most this many ports (`xen/common/sched/core.c`).
pub const POLL_MAX_PORTS: usize = 128;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    pub reason: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Poll {
    /// Guest virtual address of an array of `u32` ports.
    pub ports: u64,
    pub nr_ports: u32,
    pub pad: u32,
    /// Absolute system time in nanoseconds; 0 means none.
    pub timeout: u64,
}

/// `sched_remote_shutdown_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteShutdown {
    pub domain_id: u16,
    pub pad: u16,
    /// `SHUTDOWN_*`
    pub reason: u32,
}
