//! `vcpu.h`: `HYPERVISOR_vcpu_op`.

pub const VCPUOP_GET_RUNSTATE_INFO: u32 = 4;
pub const VCPUOP_STOP_PERIODIC_TIMER: u32 = 7;

/// `vcpu_runstate_info_t`; times are nanoseconds spent in running, runnable, blocked, offline.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RunstateInfo {
    pub state: i32,
    pub pad: u32,
    pub state_entry_time: u64,
    pub time: [u64; 4],
}
