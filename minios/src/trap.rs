//! Exceptions. In kernel mode each of them is a bug: it is reported with registers and backtrace, and the guest crashes.
//! In user mode, which the privilege level in the frame's CS tells, it ends a run of [`crate::user`].
//!
//! Xen pushes its frame at the interrupted stack pointer, with RCX and R11 below the processor's own (`arch-x86/xen.h`).
//! So an overflow of a stack into its guard page leaves Xen no room for the frame: Xen then crashes the domain itself,
//! which `xl` sees as a crash too, but without our report.

use core::arch::global_asm;

use xen_sys::x86::{self, TrapInfo};

use crate::user::entry;
use crate::{crash, hypercall};

/// The registers at an exception, as the stubs push them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the processor's own names")]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

// Per vector: from kernel mode, take RCX and R11 back, see that there is an error code, push the vector, then all alike;
// from user mode, leave to `user::entry` with the error code in RCX and the frame's RIP at R11.
global_asm!(
    r#"
    .macro trap_stub vector, has_error
    trap_stub_\vector:
        test byte ptr [rsp + 24 + 8 * \has_error], 3
        jnz user_stub_\vector
        mov rcx, [rsp]
        mov r11, [rsp + 8]
        add rsp, 16
        .if \has_error == 0
        push 0
        .endif
        push \vector
        jmp trap_common
    user_stub_\vector:
        .if \has_error
        mov rcx, [rsp + 16]
        .else
        xor ecx, ecx
        .endif
        lea r11, [rsp + 16 + 8 * \has_error]
        mov qword ptr [rip + {exit} + {exit_reason}], \vector
        jmp {exit_from_user}
    .endm

    .pushsection .text.trap, "ax", @progbits
    .altmacro
    .set i, 0
    .rept 22
        .if (i == 8) || ((i >= 10) && (i <= 14)) || (i == 17) || (i == 21)
            trap_stub %i, 1
        .else
            trap_stub %i, 0
        .endif
        .set i, i + 1
    .endr

    trap_common:
        cld
        push rdi
        push rsi
        push rdx
        push rcx
        push rax
        push r8
        push r9
        push r10
        push r11
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov rdi, rsp
        mov rbp, rsp
        and rsp, -16
        call {on_exception}
        ud2

    trap_event:
        test byte ptr [rsp + 24], 3
        jnz user_event
        # Events are masked in kernel mode; should one arrive all the same, mask them again and go on.
        mov rcx, [rsp]
        mov r11, [rsp + 8]
        add rsp, 16
        iretq

    user_event:
        mov qword ptr [rip + {exit} + {exit_reason}], {EVENT}
        jmp user_no_error

    trap_syscall:
        mov qword ptr [rip + {exit} + {exit_reason}], {SYSCALL}
        jmp user_no_error

    trap_compat:
        mov qword ptr [rip + {exit} + {exit_reason}], {COMPAT}
    user_no_error:
        xor ecx, ecx
        lea r11, [rsp + 16]
        jmp {exit_from_user}

    user_failsafe:
        mov qword ptr [rip + {exit} + {exit_reason}], 13
        xor ecx, ecx
        lea r11, [rsp + 48]
        jmp {exit_from_user}

    trap_failsafe:
        test byte ptr [rsp + 56], 3
        jnz user_failsafe
        # Xen could not load a segment selector: RCX R11 DS ES FS GS, then the frame of the instruction after.
        mov rcx, [rsp]
        mov r11, [rsp + 8]
        add rsp, 48
        push 0
        push 13
        jmp trap_common
    .popsection

    .pushsection .rodata.trap, "a", @progbits
    .balign 8
    trap_stubs:
    .set i, 0
    .altmacro
    .macro trap_address vector
        .quad trap_stub_\vector
    .endm
    .rept 22
        trap_address %i
        .set i, i + 1
    .endr
    .popsection
    "#,
    on_exception = sym on_exception,
    exit = sym entry::EXIT,
    exit_reason = const entry::EXIT_REASON,
    exit_from_user = sym entry::exit,
    EVENT = const entry::EVENT,
    SYSCALL = const entry::SYSCALL,
    COMPAT = const entry::COMPAT,
);

const VECTORS: usize = 22;

unsafe extern "C" {
    static trap_stubs: [u64; VECTORS];
    fn trap_event();
    fn trap_failsafe();
    fn trap_syscall();
    fn trap_compat();
}

/// Names of the vectors (Intel SDM volume 3, table 6-1).
const NAMES: [&str; VECTORS] = [
    "divide error",
    "debug exception",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack segment fault",
    "general protection fault",
    "page fault",
    "reserved",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point error",
    "virtualisation exception",
    "control protection exception",
];

/// What the processor calls this vector.
pub fn name(vector: u64) -> &'static str {
    NAMES.get(vector as usize).copied().unwrap_or("unknown vector")
}

/// Registers all handlers with Xen.
pub(crate) fn init() {
    let mut table = [TrapInfo::default(); VECTORS];
    // The NMI comes by callback; 9 and 15 do not exist.
    let vectors = (0..VECTORS).filter(|vector| !matches!(vector, 2 | 9 | 15));
    for (entry, vector) in table.iter_mut().zip(vectors) {
        // SAFETY: written by the assembler above.
        let address = unsafe { trap_stubs[vector] };
        // Bits 0-1: user mode may raise breakpoint and overflow by an instruction. Bit 2: events stay masked.
        let flags = if matches!(vector, 3 | 4) { 3 } else { 0 } | 4;
        *entry = TrapInfo { vector: vector as u8, flags, cs: x86::FLAT_KERNEL_CS, pad: 0, address };
    }
    // SAFETY: the stubs are for exception frames; the entries that are left over end the table.
    if let Err(errno) = unsafe { hypercall::set_trap_table(&table) } {
        crash::give_up(format_args!("Xen refused the trap table: {errno}"));
    }
    let compat = trap_compat as *const () as u64;
    for (kind, entry) in [
        (x86::CALLBACKTYPE_EVENT, trap_event as *const () as u64),
        (x86::CALLBACKTYPE_FAILSAFE, trap_failsafe as *const () as u64),
        (x86::CALLBACKTYPE_SYSCALL, trap_syscall as *const () as u64),
        (x86::CALLBACKTYPE_SYSCALL32, compat),
        (x86::CALLBACKTYPE_SYSENTER, compat),
    ] {
        // SAFETY: stubs for the frames of these callbacks.
        if let Err(errno) = unsafe { hypercall::register_callback(kind, entry) } {
            // Old processors have no sysenter or syscall32 for 64-bit guests; nobody can call what is not there.
            if matches!(kind, x86::CALLBACKTYPE_EVENT | x86::CALLBACKTYPE_FAILSAFE) {
                crash::give_up(format_args!("Xen refused callback {kind}: {errno}"));
            }
        }
    }
}

extern "C" fn on_exception(frame: &Frame) -> ! {
    crash::exception(frame)
}
