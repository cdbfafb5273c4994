//! `version.h`: `HYPERVISOR_xen_version`.

pub const XENVER_VERSION: u32 = 0;
pub const XENVER_EXTRAVERSION: u32 = 1;
pub const XENVER_GET_FEATURES: u32 = 6;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FeatureInfo {
    pub submap_idx: u32,
    /// OUT
    pub submap: u32,
}
