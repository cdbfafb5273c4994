//! The way into user mode and back: a switch of coroutines with Xen between.
//!
//! In: save the kernel's registers on its stack, let RSP lead to [`Registers`], which begins with the frame of
//! `HYPERVISOR_iret`. Back: Xen pushes its frame on a stack of our own that serves every thread, since nothing stays on it:
//! all is moved to [`Registers`], and the kernel goes on where it left.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use xen_sys::x86::IretContext;

/// The registers of user mode.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the processor's own names")]
pub struct Registers {
    pub rax: u64,
    pub r11: u64,
    pub rcx: u64,
    /// `VGCF_*`, set on the way in.
    pub(super) flags: u64,
    pub rip: u64,
    /// Code segment; the privilege level is forced to user mode's.
    pub cs: u64,
    /// Of what is set here only what user code may set itself comes to be.
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub rbx: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub fs_base: u64,
    pub gs_base: u64,
}

const _: () = assert!(offset_of!(Registers, ss) == offset_of!(IretContext, ss));
const _: () = assert!(offset_of!(Registers, rbx) == size_of::<IretContext>());

/// Reasons of an exit beside the vectors of exceptions.
pub(crate) const SYSCALL: u64 = 256;
pub(crate) const COMPAT: u64 = 257;
pub(crate) const EVENT: u64 = 258;

/// What the two ways share. One vCPU, so one.
#[repr(C)]
pub(crate) struct Exit {
    registers: u64,
    kernel_rsp: u64,
    reason: u64,
    error: u64,
}

pub(crate) const EXIT_REASON: usize = offset_of!(Exit, reason);

#[repr(transparent)]
pub(crate) struct Shared<T>(UnsafeCell<T>);
// SAFETY: used by the one vCPU, on the way in and out of user mode.
unsafe impl<T> Sync for Shared<T> {}

pub(crate) static EXIT: Shared<Exit> =
    Shared(UnsafeCell::new(Exit { registers: 0, kernel_rsp: 0, reason: 0, error: 0 }));

/// Xen's frame is eleven words at most.
#[repr(align(16))]
pub(crate) struct EntryStack(#[expect(dead_code, reason = "Xen writes it")] [u8; 256]);
static ENTRY_STACK: Shared<EntryStack> = Shared(UnsafeCell::new(EntryStack([0; 256])));

/// Where Xen is to begin its frames.
pub(super) fn entry_stack_top() -> u64 {
    ENTRY_STACK.0.get() as u64 + size_of::<EntryStack>() as u64
}

/// Runs user mode until it comes back; why it did, and the error code of an exception.
///
/// # Safety
/// A user page table is loaded; `registers` is what [`Registers`] says, and nobody else uses it meanwhile.
pub(super) unsafe fn enter(registers: *mut Registers) -> (u64, u64) {
    // SAFETY: promised by the caller; `switch` keeps to the C ABI.
    unsafe { switch(registers) };
    let exit = EXIT.0.get();
    // SAFETY: written by the way back, before it returned here.
    unsafe { ((*exit).reason, (*exit).error) }
}

#[unsafe(naked)]
unsafe extern "C" fn switch(registers: *mut Registers) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rip + {exit} + {registers}], rdi",
        "mov [rip + {exit} + {kernel_rsp}], rsp",
        "mov rsp, rdi",
        "mov rbx, [rsp + {rbx}]",
        "mov rbp, [rsp + {rbp}]",
        "mov rdi, [rsp + {rdi}]",
        "mov rsi, [rsp + {rsi}]",
        "mov rdx, [rsp + {rdx}]",
        "mov r8, [rsp + {r8}]",
        "mov r9, [rsp + {r9}]",
        "mov r10, [rsp + {r10}]",
        "mov r12, [rsp + {r12}]",
        "mov r13, [rsp + {r13}]",
        "mov r14, [rsp + {r14}]",
        "mov r15, [rsp + {r15}]",
        "mov eax, {iret}",
        "syscall",
        "ud2",
        exit = sym EXIT,
        registers = const offset_of!(Exit, registers),
        kernel_rsp = const offset_of!(Exit, kernel_rsp),
        rbx = const offset_of!(Registers, rbx),
        rbp = const offset_of!(Registers, rbp),
        rdi = const offset_of!(Registers, rdi),
        rsi = const offset_of!(Registers, rsi),
        rdx = const offset_of!(Registers, rdx),
        r8 = const offset_of!(Registers, r8),
        r9 = const offset_of!(Registers, r9),
        r10 = const offset_of!(Registers, r10),
        r12 = const offset_of!(Registers, r12),
        r13 = const offset_of!(Registers, r13),
        r14 = const offset_of!(Registers, r14),
        r15 = const offset_of!(Registers, r15),
        iret = const xen_sys::xen::HYPERVISOR_IRET,
    )
}

/// The way back. On the entry stack: RCX and R11 at RSP; the error code is in RCX, R11 leads to the frame's RIP.
///
/// # Safety
/// Only the stubs of Xen's callbacks jump here, from user mode.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn exit() {
    naked_asm!(
        "mov [rip + {exit} + {error}], rcx",
        "mov rcx, [rip + {exit} + {registers}]",
        "mov [rcx + {rax}], rax",
        "mov [rcx + {rbx}], rbx",
        "mov [rcx + {rbp}], rbp",
        "mov [rcx + {rdi}], rdi",
        "mov [rcx + {rsi}], rsi",
        "mov [rcx + {rdx}], rdx",
        "mov [rcx + {r8}], r8",
        "mov [rcx + {r9}], r9",
        "mov [rcx + {r10}], r10",
        "mov [rcx + {r12}], r12",
        "mov [rcx + {r13}], r13",
        "mov [rcx + {r14}], r14",
        "mov [rcx + {r15}], r15",
        "mov rax, [rsp]",
        "mov [rcx + {rcx_}], rax",
        "mov rax, [rsp + 8]",
        "mov [rcx + {r11}], rax",
        "mov rax, [r11]",
        "mov [rcx + {rip_}], rax",
        // Beside CS lies the mask of events.
        "movzx eax, word ptr [r11 + 8]",
        "mov [rcx + {cs}], rax",
        "mov rax, [r11 + 16]",
        "mov [rcx + {rflags}], rax",
        "mov rax, [r11 + 24]",
        "mov [rcx + {rsp_}], rax",
        "movzx eax, word ptr [r11 + 32]",
        "mov [rcx + {ss}], rax",
        "mov rsp, [rip + {exit} + {kernel_rsp}]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "cld",
        "ret",
        exit = sym EXIT,
        registers = const offset_of!(Exit, registers),
        kernel_rsp = const offset_of!(Exit, kernel_rsp),
        error = const offset_of!(Exit, error),
        rax = const offset_of!(Registers, rax),
        r11 = const offset_of!(Registers, r11),
        rcx_ = const offset_of!(Registers, rcx),
        rip_ = const offset_of!(Registers, rip),
        cs = const offset_of!(Registers, cs),
        rflags = const offset_of!(Registers, rflags),
        rsp_ = const offset_of!(Registers, rsp),
        ss = const offset_of!(Registers, ss),
        rbx = const offset_of!(Registers, rbx),
        rbp = const offset_of!(Registers, rbp),
        rdi = const offset_of!(Registers, rdi),
        rsi = const offset_of!(Registers, rsi),
        rdx = const offset_of!(Registers, rdx),
        r8 = const offset_of!(Registers, r8),
        r9 = const offset_of!(Registers, r9),
        r10 = const offset_of!(Registers, r10),
        r12 = const offset_of!(Registers, r12),
        r13 = const offset_of!(Registers, r13),
        r14 = const offset_of!(Registers, r14),
        r15 = const offset_of!(Registers, r15),
    )
}
