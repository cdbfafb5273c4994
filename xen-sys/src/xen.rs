//! `xen.h`: hypercall numbers, `start_info`, `shared_info`, memory-management operations.

pub const HYPERVISOR_SET_TRAP_TABLE: usize = 0;
pub const HYPERVISOR_MMU_UPDATE: usize = 1;
pub const HYPERVISOR_STACK_SWITCH: usize = 3;
pub const HYPERVISOR_FPU_TASKSWITCH: usize = 5;
pub const HYPERVISOR_MEMORY_OP: usize = 12;
pub const HYPERVISOR_MULTICALL: usize = 13;
pub const HYPERVISOR_UPDATE_VA_MAPPING: usize = 14;
pub const HYPERVISOR_XEN_VERSION: usize = 17;
pub const HYPERVISOR_CONSOLE_IO: usize = 18;
pub const HYPERVISOR_GRANT_TABLE_OP: usize = 20;
pub const HYPERVISOR_VM_ASSIST: usize = 21;
pub const HYPERVISOR_IRET: usize = 23;
pub const HYPERVISOR_VCPU_OP: usize = 24;
pub const HYPERVISOR_SET_SEGMENT_BASE: usize = 25;
pub const HYPERVISOR_MMUEXT_OP: usize = 26;
pub const HYPERVISOR_SCHED_OP: usize = 29;
pub const HYPERVISOR_CALLBACK_OP: usize = 30;
pub const HYPERVISOR_EVENT_CHANNEL_OP: usize = 32;
pub const HYPERVISOR_HVM_OP: usize = 34;
pub const HYPERVISOR_DM_OP: usize = 41;

/// Domains have numbers below.
pub const DOMID_FIRST_RESERVED: u16 = 0x7ff0;
pub const DOMID_SELF: u16 = 0x7ff0;
pub const DOMID_INVALID: u16 = 0x7ff4;

pub const CONSOLEIO_WRITE: u32 = 0;

pub const MMU_NORMAL_PT_UPDATE: u64 = 0;
/// The frame number in the entry is the machine's, whatever the domain that it belongs to has.
pub const MMU_PT_UPDATE_NO_TRANSLATE: u64 = 3;
pub const MMUEXT_PIN_L1_TABLE: u32 = 0;
pub const MMUEXT_PIN_L4_TABLE: u32 = 3;
pub const MMUEXT_UNPIN_TABLE: u32 = 4;
pub const MMUEXT_NEW_BASEPTR: u32 = 5;
pub const MMUEXT_TLB_FLUSH_LOCAL: u32 = 6;
pub const MMUEXT_INVLPG_LOCAL: u32 = 7;
pub const MMUEXT_SET_LDT: u32 = 13;
pub const MMUEXT_NEW_USER_BASEPTR: u32 = 15;

/// The virtual interrupt of a vCPU's timers.
pub const VIRQ_TIMER: u32 = 0;

pub const UVMF_NONE: u64 = 0;
pub const UVMF_TLB_FLUSH: u64 = 1;
pub const UVMF_INVLPG: u64 = 2;

/// `start_info.flags`: this is the initial domain.
pub const SIF_INITDOMAIN: u32 = 1 << 1;
/// `start_info.flags`: `mod_start` is a frame number, not an address.
pub const SIF_MOD_START_PFN: u32 = 1 << 3;

pub const MAX_GUEST_CMDLINE: usize = 1024;
pub const LEGACY_MAX_VCPUS: usize = 32;

/// `mmu_update_t`: `ptr` is the machine address of the entry, its low two bits the kind of update.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MmuUpdate {
    pub ptr: u64,
    pub val: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MmuextOp {
    pub cmd: u32,
    pub pad: u32,
    /// A machine frame number or a linear address.
    pub arg1: u64,
    pub arg2: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MulticallEntry {
    pub op: u64,
    /// OUT
    pub result: u64,
    pub args: [u64; 6],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StartInfo {
    pub magic: [u8; 32],
    pub nr_pages: u64,
    /// Machine address.
    pub shared_info: u64,
    pub flags: u32,
    pub pad: u32,
    pub store_mfn: u64,
    pub store_evtchn: u32,
    pub pad2: u32,
    pub console_mfn: u64,
    pub console_evtchn: u32,
    pub pad3: u32,
    pub pt_base: u64,
    pub nr_pt_frames: u64,
    pub mfn_list: u64,
    pub mod_start: u64,
    pub mod_len: u64,
    pub cmd_line: [u8; MAX_GUEST_CMDLINE],
    pub first_p2m_pfn: u64,
    pub nr_p2m_frames: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct VcpuTimeInfo {
    pub version: u32,
    pub pad0: u32,
    pub tsc_timestamp: u64,
    /// Nanoseconds since Xen booted.
    pub system_time: u64,
    pub tsc_to_system_mul: u32,
    pub tsc_shift: i8,
    pub flags: u8,
    pub pad1: [u8; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VcpuInfo {
    pub evtchn_upcall_pending: u8,
    pub evtchn_upcall_mask: u8,
    pub pad: [u8; 6],
    pub evtchn_pending_sel: u64,
    pub arch: super::x86::ArchVcpuInfo,
    pub time: VcpuTimeInfo,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SharedInfo {
    pub vcpu_info: [VcpuInfo; LEGACY_MAX_VCPUS],
    pub evtchn_pending: [u64; 64],
    pub evtchn_mask: [u64; 64],
    pub wc_version: u32,
    pub wc_sec: u32,
    pub wc_nsec: u32,
    pub wc_sec_hi: u32,
    pub arch: super::x86::ArchSharedInfo,
}
