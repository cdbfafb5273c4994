//! `grant_table.h`: grant table version 1 and `HYPERVISOR_grant_table_op`.

pub const GNTTABOP_MAP_GRANT_REF: u32 = 0;
pub const GNTTABOP_UNMAP_GRANT_REF: u32 = 1;
pub const GNTTABOP_SETUP_TABLE: u32 = 2;
pub const GNTTABOP_COPY: u32 = 5;
pub const GNTTABOP_QUERY_SIZE: u32 = 6;
pub const GNTTABOP_SET_VERSION: u32 = 8;
pub const GNTTABOP_GET_VERSION: u32 = 10;

pub const GTF_INVALID: u16 = 0;
pub const GTF_PERMIT_ACCESS: u16 = 1;
pub const GTF_READONLY: u16 = 1 << 2;
/// Set by Xen while the peer maps the page for reading.
pub const GTF_READING: u16 = 1 << 3;
/// Set by Xen while the peer maps the page for writing.
pub const GTF_WRITING: u16 = 1 << 4;

/// References below this one are Xen's own (console, XenStore).
pub const GNTTAB_NR_RESERVED_ENTRIES: u32 = 8;

pub const GNTMAP_HOST_MAP: u32 = 1 << 1;
pub const GNTMAP_READONLY: u32 = 1 << 2;
/// User mode may use the mapping.
pub const GNTMAP_APPLICATION_MAP: u32 = 1 << 3;
/// `host_addr` is the machine address of the page-table entry.
pub const GNTMAP_CONTAINS_PTE: u32 = 1 << 4;
/// The first of the flags from which the entry gets its bits for software.
pub const GNTMAP_GUEST_AVAIL0: u32 = 1 << 16;

/// `grant_entry_v1_t`: flags and domid are written by one 32-bit store or compare-exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryV1 {
    pub flags: u16,
    pub domid: u16,
    pub frame: u32,
}

/// Entries of version 1 in a page.
pub const ENTRIES_PER_PAGE: usize = crate::PAGE_SIZE / size_of::<EntryV1>();

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SetupTable {
    pub dom: u16,
    pub pad: u16,
    pub nr_frames: u32,
    /// OUT: `GNTST_*`
    pub status: i16,
    pub pad2: [u16; 3],
    /// Guest virtual address of the array of frame numbers that Xen fills.
    pub frame_list: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct QuerySize {
    pub dom: u16,
    pub pad: u16,
    /// OUT
    pub nr_frames: u32,
    /// OUT
    pub max_nr_frames: u32,
    /// OUT: `GNTST_*`
    pub status: i16,
    pub pad2: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SetVersion {
    pub version: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MapGrantRef {
    pub host_addr: u64,
    pub flags: u32,
    pub gref: u32,
    pub dom: u16,
    /// OUT: `GNTST_*`
    pub status: i16,
    /// OUT
    pub handle: u32,
    /// OUT
    pub dev_bus_addr: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct UnmapGrantRef {
    pub host_addr: u64,
    pub dev_bus_addr: u64,
    pub handle: u32,
    /// OUT: `GNTST_*`
    pub status: i16,
    pub pad: u16,
}
