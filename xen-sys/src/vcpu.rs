//! `vcpu.h`: `HYPERVISOR_vcpu_op`.

pub const VCPUOP_GET_RUNSTATE_INFO: u32 = 4;
pub const VCPUOP_STOP_PERIODIC_TIMER: u32 = 7;
pub const VCPUOP_SET_SINGLESHOT_TIMER: u32 = 8;
pub const VCPUOP_STOP_SINGLESHOT_TIMER: u32 = 9;
pub const VCPUOP_REGISTER_VCPU_TIME_MEMORY_AREA: u32 = 13;

/// `vcpu_runstate_info_t`; times are nanoseconds spent in running, runnable, blocked, offline.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RunstateInfo {
    pub state: i32,
    pub pad: u32,
    pub state_entry_time: u64,
    pub time: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SetSingleshotTimer {
    /// Absolute system time in nanoseconds.
    pub timeout_abs_ns: u64,
    pub flags: u32,
    pub pad: u32,
}

/// Where Xen keeps a copy of `vcpu_time_info`: a guest virtual address.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RegisterTimeMemoryArea {
    pub addr: u64,
}
