//! `memory.h`: `HYPERVISOR_memory_op`.

pub const XENMEM_CURRENT_RESERVATION: u32 = 3;
pub const XENMEM_MAXIMUM_RESERVATION: u32 = 4;
pub const XENMEM_MACHPHYS_MAPPING: u32 = 12;

/// `xen_machphys_mapping_t`: where the machine-to-physical table is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MachphysMapping {
    pub v_start: u64,
    pub v_end: u64,
    pub max_mfn: u64,
}
