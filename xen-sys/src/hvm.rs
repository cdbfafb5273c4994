//! `hvm/hvm_op.h` and `hvm/dm_op.h`: what a device model asks of Xen for its domain.

pub const HVMOP_SET_PARAM: u32 = 0;
pub const HVMOP_GET_PARAM: u32 = 1;

/// `xen_hvm_param_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Param {
    pub domid: u16,
    pub pad: u16,
    pub index: u32,
    /// IN or OUT
    pub value: u64,
}

/// `xen_dm_op_buf_t`: a buffer of `HYPERVISOR_dm_op`, by guest virtual address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DmOpBuf {
    pub h: u64,
    pub size: u64,
}
