//! `arch-x86/xen.h` and `arch-x86/xen-x86_64.h`: traps, callbacks and addresses of 64-bit PV.

/// Code segment of 64-bit kernel mode; Xen runs it at privilege level 3.
pub const FLAT_KERNEL_CS: u16 = 0xe033;
/// Stack segment of 64-bit kernel mode.
pub const FLAT_KERNEL_SS: u16 = 0xe02b;

/// Code segment of 64-bit user mode: the same descriptor, told apart by Xen alone.
pub const FLAT_USER_CS: u16 = 0xe033;
/// Code segment of 32-bit user mode.
pub const FLAT_USER_CS32: u16 = 0xe023;
/// Stack segment of user mode.
pub const FLAT_USER_SS: u16 = 0xe02b;

pub const SEGBASE_FS: u32 = 0;
pub const SEGBASE_GS_USER: u32 = 1;
pub const SEGBASE_GS_USER_SEL: u32 = 3;

/// `iret_context.flags`: leave by SYSRET; RCX and R11 become RIP and RFLAGS.
pub const VGCF_IN_SYSCALL: u64 = 1 << 8;

/// First address that belongs to Xen; the machine-to-physical table begins here.
pub const HYPERVISOR_VIRT_START: u64 = 0xffff_8000_0000_0000;
/// First address above Xen's that is the guest's again.
pub const HYPERVISOR_VIRT_END: u64 = 0xffff_8800_0000_0000;

pub const CALLBACKTYPE_EVENT: u16 = 0;
pub const CALLBACKTYPE_FAILSAFE: u16 = 1;
pub const CALLBACKTYPE_SYSCALL: u16 = 2;
pub const CALLBACKTYPE_SYSENTER: u16 = 5;
pub const CALLBACKTYPE_SYSCALL32: u16 = 7;
pub const CALLBACKTYPE_NMI: u16 = 4;
pub const CALLBACKOP_REGISTER: u32 = 0;
/// `CallbackRegister.flags`: events are masked on entry.
pub const CALLBACKF_MASK_EVENTS: u16 = 1;

/// `trap_info_t`: one vector of `HYPERVISOR_set_trap_table`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TrapInfo {
    pub vector: u8,
    /// Bits 0-3: privilege level that may raise it by `int`; bit 2 of the next: mask events on entry.
    pub flags: u8,
    pub cs: u16,
    pub pad: u32,
    pub address: u64,
}

/// `struct callback_register` (`callback.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CallbackRegister {
    pub kind: u16,
    pub flags: u16,
    pub pad: u32,
    pub address: u64,
}

/// What `HYPERVISOR_iret` finds at the stack pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct IretContext {
    pub rax: u64,
    pub r11: u64,
    pub rcx: u64,
    pub flags: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ArchVcpuInfo {
    pub cr2: u64,
    pub pad: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ArchSharedInfo {
    pub max_pfn: u64,
    pub pfn_to_mfn_frame_list_list: u64,
    pub nmi_reason: u64,
    pub p2m_cr3: u64,
    pub p2m_vaddr: u64,
    pub p2m_generation: u64,
}
