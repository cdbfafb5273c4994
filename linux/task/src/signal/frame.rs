//! What a handler finds on its stack, and what `rt_sigreturn(2)` reads back: `struct rt_sigframe` of x86-64
//! (`asm/ucontext.h`, `asm/sigcontext.h`).
//!
//! From low to high: the address of the restorer, `ucontext_t`, `siginfo_t`, and, aligned to 64 bytes, the FPU state as
//! XSAVE lays it out with `FP_XSTATE_MAGIC1` in its reserved bytes and `FP_XSTATE_MAGIC2` behind.

use alloc::vec::Vec;

use linux_base::{Errno, Result};

use super::{Action, ActionFlags, AltStack, SigInfo, SigSet};
use crate::bytes::{put, u16_at, u32_at, u64_at};

/// The registers of a program, in the order of `struct sigcontext`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the processor's own names")]
pub struct Registers {
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub rflags: u64,
}

/// Bytes below the stack pointer that a program may use without moving it.
const RED_ZONE: u64 = 128;
/// Where things are in the frame.
const UCONTEXT: usize = 8;
const STACK: usize = UCONTEXT + 16;
const CONTEXT: usize = UCONTEXT + 40;
const SEGMENTS: usize = CONTEXT + 18 * 8;
const FAULT: usize = SEGMENTS + 8;
const FPSTATE: usize = FAULT + 32;
const MASK: usize = CONTEXT + 256;
const INFO: usize = MASK + 8;
/// Bytes of the frame without the FPU state.
pub const LEN: usize = INFO + SigInfo::LEN;

/// Selectors as Linux programs know them; those that Xen uses are other ones.
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;

/// In the reserved bytes of the FXSAVE area: magic, length of all, features, length of the XSAVE area.
const SOFTWARE: usize = 464;
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
/// Bytes of the FXSAVE area, which is all there is without the magic.
const FXSAVE_LEN: usize = 512;

/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`
const UC_FLAGS: u64 = 7;

/// Flags that a program may set: carry, parity, adjust, zero, sign, trap, direction, overflow, alignment check, ID.
pub const USER_FLAGS: u64 = 0x24_0dd5;

/// What goes into a frame.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted<'a> {
    /// The registers where the program was interrupted.
    pub registers: Registers,
    /// The mask to be restored.
    pub mask: SigSet,
    /// The alternate stack.
    pub alt_stack: AltStack,
    /// The FPU state as XSAVE wrote it; or FXSAVE, with `features` 0.
    pub fpu: &'a [u8],
    /// The features in it (XCR0).
    pub features: u64,
    /// Trap number, error code and CR2 of the last exception.
    pub exception: [u64; 3],
}

/// A frame that is to be copied to the program's stack.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where its bytes go.
    pub address: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The registers with which the handler is entered.
    pub registers: Registers,
}

/// Lays out the frame for a handler. `None`: the alternate stack is too small for it (SIGSEGV).
pub fn build(info: &SigInfo, action: &Action, interrupted: &Interrupted<'_>) -> Option<Frame> {
    let registers = &interrupted.registers;
    let alt = &interrupted.alt_stack;
    let on_alt_stack = alt.is_in_use(registers.rsp);
    let switches = action.flags.contains(ActionFlags::ONSTACK) && alt.len != 0 && !on_alt_stack;
    let top = if switches { alt.top() } else { registers.rsp.wrapping_sub(RED_ZONE) };

    let fpu_len = interrupted.fpu.len() + if interrupted.features == 0 { 0 } else { 4 };
    let fpu_address = top.wrapping_sub(fpu_len as u64) & !63;
    // As after a call: the stack is aligned to 16 before the return address is pushed.
    let address = (fpu_address.wrapping_sub(LEN as u64) & !15).wrapping_sub(8);
    if (switches || on_alt_stack) && !alt.contains(address) {
        return None;
    }

    let mut bytes = Vec::new();
    bytes.try_reserve_exact((fpu_address.wrapping_sub(address)) as usize + fpu_len).ok()?;
    bytes.resize(fpu_address.wrapping_sub(address) as usize + fpu_len, 0);
    put(&mut bytes, 0, &action.restorer.to_le_bytes());
    let flags = if interrupted.features == 0 { UC_FLAGS & !1 } else { UC_FLAGS };
    put(&mut bytes, UCONTEXT, &flags.to_le_bytes());
    put(&mut bytes, STACK, &alt.to_bytes(registers.rsp));
    for (index, value) in to_array(registers).into_iter().enumerate() {
        put(&mut bytes, CONTEXT + index * 8, &value.to_le_bytes());
    }
    put(&mut bytes, SEGMENTS, &USER_CS.to_le_bytes());
    put(&mut bytes, SEGMENTS + 6, &USER_SS.to_le_bytes());
    let [trap, error, cr2] = interrupted.exception;
    for (index, value) in [error, trap, interrupted.mask.0, cr2, fpu_address].into_iter().enumerate() {
        put(&mut bytes, FAULT + index * 8, &value.to_le_bytes());
    }
    put(&mut bytes, MASK, &interrupted.mask.0.to_le_bytes());
    put(&mut bytes, INFO, &info.to_bytes());
    put_fpu(&mut bytes[fpu_address.wrapping_sub(address) as usize..], interrupted);

    let entered = Registers {
        rip: action.handler,
        rsp: address,
        rdi: info.signal.number().into(),
        rsi: address + INFO as u64,
        rdx: address + UCONTEXT as u64,
        rax: 0,
        // Direction flag clear as the ABI wants it, no single-stepping of the handler.
        rflags: registers.rflags & !0x1_0500,
        ..*registers
    };
    Some(Frame { address, bytes, registers: entered })
}

fn put_fpu(bytes: &mut [u8], interrupted: &Interrupted<'_>) {
    let len = interrupted.fpu.len();
    put(bytes, 0, interrupted.fpu);
    if interrupted.features == 0 {
        return;
    }
    put(bytes, SOFTWARE, &MAGIC1.to_le_bytes());
    put(bytes, SOFTWARE + 4, &(len as u32 + 4).to_le_bytes());
    put(bytes, SOFTWARE + 8, &interrupted.features.to_le_bytes());
    put(bytes, SOFTWARE + 16, &(len as u32).to_le_bytes());
    put(bytes, len, &MAGIC2.to_le_bytes());
}

/// What `rt_sigreturn` finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The registers, with only such flags as a program may set; addresses are not looked at.
    pub registers: Registers,
    /// The mask.
    pub mask: SigSet,
    /// The alternate stack, `None` where the frame's is not valid.
    pub alt_stack: Option<AltStack>,
    /// Where the FPU state is; 0: there is none, the FPU starts anew.
    pub fpu_address: u64,
}

/// Where the frame is when `rt_sigreturn` is called: the handler's return took the restorer's address off the stack.
pub fn address_at_return(rsp: u64) -> u64 {
    rsp.wrapping_sub(8)
}

/// Reads a frame back. `EFAULT`, which becomes SIGSEGV, for selectors that are not a program's.
pub fn restore(bytes: &[u8; LEN]) -> Result<Restored> {
    let mut values = [0; 18];
    for (index, value) in values.iter_mut().enumerate() {
        *value = u64_at(bytes, CONTEXT + index * 8);
    }
    let (code, stack) = (u16_at(bytes, SEGMENTS), u16_at(bytes, SEGMENTS + 6));
    if code != USER_CS || (stack != USER_SS && u64_at(bytes, UCONTEXT) & 4 != 0) {
        return Err(Errno::EFAULT);
    }
    let mut registers = from_array(values);
    registers.rflags = registers.rflags & USER_FLAGS | 0x202;
    Ok(Restored {
        registers,
        mask: SigSet::mask(u64_at(bytes, MASK)),
        alt_stack: AltStack::from_bytes(&crate::bytes::array(bytes, STACK)).ok(),
        fpu_address: u64_at(bytes, FPSTATE),
    })
}

/// How much FPU state is at `fpu_address`, by the first 512 bytes of it: the length of the XSAVE area and its features, or
/// (512, 0) for an FXSAVE area. `longest` is what XSAVE writes for us.
pub fn fpu_len(fxsave: &[u8; FXSAVE_LEN], longest: usize) -> (usize, u64) {
    let len = u32_at(fxsave, SOFTWARE + 16) as usize;
    let all = u32_at(fxsave, SOFTWARE + 4) as usize;
    let plausible =
        u32_at(fxsave, SOFTWARE) == MAGIC1 && len >= FXSAVE_LEN + 64 && len <= longest && len <= all;
    if plausible { (len, u64_at(fxsave, SOFTWARE + 8)) } else { (FXSAVE_LEN, 0) }
}

/// Whether the four bytes behind an XSAVE area say that it is whole.
pub fn is_fpu_end(bytes: [u8; 4]) -> bool {
    u32::from_le_bytes(bytes) == MAGIC2
}

fn to_array(r: &Registers) -> [u64; 18] {
    [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx, r.rax,
        r.rcx, r.rsp, r.rip, r.rflags,
    ]
}

fn from_array(values: [u64; 18]) -> Registers {
    let [r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags] = values;
    Registers { r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags }
}
