//! `memory.h`: `HYPERVISOR_memory_op`.

pub const XENMEM_DECREASE_RESERVATION: u32 = 1;
pub const XENMEM_CURRENT_RESERVATION: u32 = 3;
pub const XENMEM_MAXIMUM_RESERVATION: u32 = 4;
pub const XENMEM_POPULATE_PHYSMAP: u32 = 6;
pub const XENMEM_ADD_TO_PHYSMAP: u32 = 7;
pub const XENMEM_MACHPHYS_MAPPING: u32 = 12;
pub const XENMEM_MAXIMUM_GPFN: u32 = 14;
pub const XENMEM_REMOVE_FROM_PHYSMAP: u32 = 15;
pub const XENMEM_ACQUIRE_RESOURCE: u32 = 28;

pub const XENMAPSPACE_SHARED_INFO: u32 = 0;
pub const XENMAPSPACE_GRANT_TABLE: u32 = 1;
pub const XENMAPSPACE_GMFN: u32 = 2;

pub const XENMEM_RESOURCE_IOREQ_SERVER: u16 = 0;
pub const XENMEM_RESOURCE_GRANT_TABLE: u16 = 1;

/// `xen_machphys_mapping_t`: where the machine-to-physical table is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MachphysMapping {
    pub v_start: u64,
    pub v_end: u64,
    pub max_mfn: u64,
}

/// `xen_memory_reservation_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Reservation {
    /// Guest virtual address of the array of frame numbers, of which some operations are answered in place.
    pub extent_start: u64,
    pub nr_extents: u64,
    pub extent_order: u32,
    /// `XENMEMF_*`
    pub mem_flags: u32,
    pub domid: u16,
    pub pad: [u16; 3],
}

/// `xen_add_to_physmap_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AddToPhysmap {
    pub domid: u16,
    pub size: u16,
    /// `XENMAPSPACE_*`
    pub space: u32,
    pub idx: u64,
    pub gpfn: u64,
}

/// `xen_remove_from_physmap_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveFromPhysmap {
    pub domid: u16,
    pub pad: [u16; 3],
    pub gpfn: u64,
}

/// `xen_mem_acquire_resource_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AcquireResource {
    pub domid: u16,
    /// `XENMEM_RESOURCE_*`
    pub kind: u16,
    pub id: u32,
    /// IN and OUT
    pub nr_frames: u32,
    pub pad: u32,
    pub frame: u64,
    /// Guest virtual address of the array of frame numbers that Xen fills.
    pub frame_list: u64,
}
