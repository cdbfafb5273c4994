//! The vDSO (`vdso(7)`): a shared object of one page that the kernel maps into each program, so that `clock_gettime(2)` and its
//! kin need no system call.
//!
//! It reads the page right before it, which the runtime's `minios::user::clock` describes: Xen's `vcpu_time_info` at 0, the wall
//! clock's version at 64 and base at 72, and a lower bound of system time at 80. A clock that it does not know it leaves to the
//! system call.
//!
//! Header, tables and code are written out in assembler: there is nothing to link, and nothing to relocate.
#![cfg_attr(not(test), no_std)]
#![expect(unsafe_code, reason = "the code of the shared object is assembly, and lies in a linker's symbol")]

use core::arch::global_asm;

/// Bytes of the shared object: one page.
pub const LEN: usize = 4096;

// In a test the code runs where it is, behind a page with a clock of its own; in a guest it is only data.
#[cfg(test)]
global_asm!(
    ".pushsection .text.vdso, \"ax\", @progbits",
    ".balign 4096",
    // Version, TSC stamp 0, system time 1000, multiplier 1/2 and shift 1: a tick is a nanosecond.
    ".long 2, 0",
    ".quad 0, 1000",
    ".long 0x80000000",
    ".byte 1, 0, 0, 0",
    ".balign 64",
    ".long 4, 0",
    ".quad 5000000000000000000",
    ".quad 0",
    ".balign 4096",
);

#[cfg(not(test))]
global_asm!(".pushsection .rodata.vdso, \"a\", @progbits", ".balign 4096");

global_asm!(include_str!("vdso.s"));

global_asm!(".popsection");

unsafe extern "C" {
    #[link_name = "minios_vdso_start"]
    static START: [u8; LEN];
}

/// The shared object.
pub fn image() -> &'static [u8; LEN] {
    // SAFETY: the assembler wrote exactly a page there, which nobody changes.
    unsafe { &START }
}

#[cfg(test)]
mod tests;
