//! `features.h`: what this Xen offers, read by `XENVER_get_features`.

pub const WRITABLE_PAGE_TABLES: u32 = 0;
pub const WRITABLE_DESCRIPTOR_TABLES: u32 = 1;
pub const AUTO_TRANSLATED_PHYSMAP: u32 = 2;
pub const SUPERVISOR_MODE_KERNEL: u32 = 3;
pub const PAE_PGDIR_ABOVE_4GB: u32 = 4;
pub const MMU_PT_UPDATE_PRESERVE_AD: u32 = 5;
pub const GNTTAB_MAP_AVAIL_BITS: u32 = 7;
pub const DOM0: u32 = 11;
pub const NR_SUBMAPS: u32 = 1;
