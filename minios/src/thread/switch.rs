//! From one stack to another.

use core::arch::naked_asm;

/// Saves the callee-saved registers and the stack pointer at `*save`, and goes on where `rsp` was saved.
///
/// # Safety
/// `rsp` was saved by this function or made by [`prepare`], its stack is alive, and nobody else runs on it.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn switch(save: *mut usize, rsp: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Lays out a fresh stack so that a switch to the returned stack pointer enters `entry`.
///
/// # Safety
/// The 64 bytes below `top` are writable and free; `top` is aligned to 16.
pub(super) unsafe fn prepare(top: usize, entry: extern "C" fn() -> !) -> usize {
    // From the bottom: six registers (RBP 0 ends backtraces), the entry, and a return address of 0 in its place so
    // that the stack is aligned as after a call.
    let words = [0, 0, 0, 0, 0, 0, entry as usize, 0];
    let rsp = top - size_of_val(&words);
    // SAFETY: promised by the caller.
    unsafe { (rsp as *mut [usize; 8]).write(words) };
    rsp
}
