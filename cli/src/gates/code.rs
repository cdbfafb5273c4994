//! The gates for instructions.
//!
//! The code is decoded function by function, so that data or padding between functions cannot shift the decoder for long.

use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::{Exceptions, Finding, Gate};
use crate::image::elf::Linked;
use crate::image::{Function, ImageError};

/// More findings than these help nobody.
const MAX_FINDINGS: usize = 50;

/// Finds instructions that must not be in a guest's kernel.
pub(crate) fn check(linked: &Linked<'_>, exceptions: &Exceptions) -> Result<Vec<Finding>, ImageError> {
    let functions = match linked.functions() {
        Ok(functions) => functions,
        Err(ImageError::Stripped) => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut findings = Vec::new();
    for (address, bytes) in linked.code()? {
        for (start, bytes, name) in split(address, bytes, &functions) {
            check_function(start, bytes, name, exceptions, &mut findings);
        }
    }
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        let gate = findings[MAX_FINDINGS].gate;
        findings.truncate(MAX_FINDINGS);
        findings.push(Finding { gate, message: format!("and {more} more") });
    }
    Ok(findings)
}

/// Cuts code at the starts of functions.
fn split<'a>(address: u64, bytes: &'a [u8], functions: &'a [Function]) -> Vec<(u64, &'a [u8], &'a str)> {
    let mut pieces = Vec::new();
    let (mut start, mut rest, mut name) = (address, bytes, "?");
    for function in functions {
        let Some(distance) = function.address.checked_sub(start) else { continue };
        let Some((piece, after)) =
            usize::try_from(distance).ok().and_then(|distance| rest.split_at_checked(distance))
        else {
            break;
        };
        if !piece.is_empty() {
            pieces.push((start, piece, name));
        }
        (start, rest, name) = (function.address, after, &function.name);
    }
    pieces.push((start, rest, name));
    pieces
}

fn check_function(
    start: u64,
    bytes: &[u8],
    name: &str,
    exceptions: &Exceptions,
    findings: &mut Vec<Finding>,
) {
    let frame = Frame::of(start, bytes);
    for instruction in Decoder::with_ip(64, bytes, start, DecoderOptions::NONE).iter() {
        let at = format!("{name}+{:#x} ({:#x})", instruction.ip().wrapping_sub(start), instruction.ip());
        let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
        if touches_vector_state(&instruction) && !exceptions.instructions.contains(&mnemonic) {
            let message = format!("{at}: `{mnemonic}` touches FPU or vector state");
            findings.push(Finding { gate: Gate::VectorState, message });
        }
        if let Some(distance) = below_stack(&instruction, &frame) {
            let message =
                format!("{at}: `{mnemonic}` accesses memory {distance:#x} bytes below the stack pointer");
            findings.push(Finding { gate: Gate::RedZone, message });
        }
    }
}

/// Whether an instruction reads or writes FPU, MMX, SSE, AVX or mask registers, or their control words. Fences, prefetches and
/// `movnti` came with SSE, but do not.
fn touches_vector_state(instruction: &Instruction) -> bool {
    let by_register = (0..instruction.op_count()).any(|operand| {
        instruction.op_kind(operand) == OpKind::Register && {
            let register = instruction.op_register(operand);
            register.is_vector_register()
                || register.is_mm()
                || register.is_st()
                || register.is_k()
                || register.is_tmm()
                || register.is_bnd()
        }
    });
    by_register
        || matches!(
            instruction.mnemonic(),
            Mnemonic::Ldmxcsr | Mnemonic::Stmxcsr | Mnemonic::Vldmxcsr | Mnemonic::Vstmxcsr
        )
        || instruction.cpuid_features().iter().any(|feature| {
            matches!(
                feature,
                CpuidFeature::FPU
                    | CpuidFeature::FPU287
                    | CpuidFeature::FPU287XL_ONLY
                    | CpuidFeature::FPU387
                    | CpuidFeature::FPU387SL_ONLY
                    | CpuidFeature::MMX
                    | CpuidFeature::D3NOW
                    | CpuidFeature::FXSR
                    | CpuidFeature::XSAVE
                    | CpuidFeature::XSAVEC
                    | CpuidFeature::XSAVEOPT
                    | CpuidFeature::XSAVES
                    | CpuidFeature::AVX
            )
        })
}

/// How far below the stack pointer an instruction accesses memory, if it does.
fn below_stack(instruction: &Instruction, frame: &Frame) -> Option<u64> {
    let accesses = (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory)
        && !matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop);
    // With an index the displacement alone says nothing.
    if !accesses || instruction.memory_index() != Register::None {
        return None;
    }
    let displacement = instruction.memory_displacement64() as i64;
    let allowed = match instruction.memory_base() {
        Register::RSP => 0,
        Register::RBP => frame.depth?,
        _ => return None,
    };
    (displacement < 0)
        .then(|| displacement.unsigned_abs().saturating_sub(allowed))
        .filter(|distance| *distance > 0)
}

/// A function's stack below its frame pointer.
struct Frame {
    /// No more bytes than this are ever allocated below the frame pointer; `None` where the function has no frame pointer or
    /// moves its stack pointer by something else than constants.
    depth: Option<u64>,
}

impl Frame {
    /// Looks for `push rbp; mov rbp, rsp` and sums up what is pushed and subtracted after it, in all branches together.
    fn of(start: u64, bytes: &[u8]) -> Frame {
        let mut instructions = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE).into_iter();
        let mut next = || instructions.next();
        let push = next()
            .filter(|first| first.mnemonic() == Mnemonic::Push && first.op0_register() == Register::RBP);
        let copy = next().filter(|second| {
            second.mnemonic() == Mnemonic::Mov
                && second.op0_register() == Register::RBP
                && second.op1_register() == Register::RSP
        });
        if push.is_none() || copy.is_none() {
            return Frame { depth: None };
        }
        let mut depth = 0u64;
        for instruction in instructions {
            let writes = |register| {
                instruction.op_count() > 0
                    && instruction.op0_kind() == OpKind::Register
                    && instruction.op0_register() == register
            };
            let delta = instruction.stack_pointer_increment();
            match instruction.mnemonic() {
                // `pop rbp` and `leave` end a frame, perhaps before another branch of the function.
                Mnemonic::Pop if writes(Register::RBP) => {}
                Mnemonic::Push => depth = depth.saturating_add(u64::from(delta.unsigned_abs())),
                Mnemonic::Sub if writes(Register::RSP) && instruction.op1_kind() != OpKind::Register => {
                    depth = depth.saturating_add(instruction.immediate(1));
                }
                Mnemonic::Add if writes(Register::RSP) && instruction.op1_kind() != OpKind::Register => {}
                Mnemonic::Cmp | Mnemonic::Test => {}
                _ if writes(Register::RSP) || writes(Register::RBP) => return Frame { depth: None },
                _ => {}
            }
        }
        Frame { depth: Some(depth) }
    }
}
