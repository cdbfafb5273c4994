//! `minios check`: what must hold of every guest.
//!
//! - no instruction touches the state of FPU, MMX, SSE or AVX, which the kernel does not save ([`code`]);
//! - no access below the stack pointer, where Xen puts its frames ([`code`]);
//! - no segment is writable and executable, and permissions change at page boundaries only ([`segments`]);
//! - the ELF notes are those that the domain builder needs ([`notes`]).

pub mod code;
pub mod notes;
pub mod segments;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::image::ImageError;
use crate::image::elf::Linked;

/// What the gates make exceptions for.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// Mnemonics, as in `fxsave64`, of instructions that may touch FPU and vector state.
    pub instructions: Vec<String>,
}

impl Exceptions {
    /// The instructions by which a kernel keeps the state of user code whole. No compiler makes them by itself.
    pub fn user_mode() -> Self {
        let names = ["xsave64", "xrstor64", "fxsave64", "fxrstor64", "xsetbv"];
        Self { instructions: names.map(str::to_owned).to_vec() }
    }
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The gate that it was stopped at.
    pub gate: Gate,
    /// What was found and where.
    pub message: String,
}

/// A rule for guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// No FPU and vector state.
    VectorState,
    /// No access below the stack pointer.
    RedZone,
    /// Segments have sane permissions and places.
    Segments,
    /// The notes are in order.
    Notes,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gate::VectorState => "vector-state",
            Gate::RedZone => "red-zone",
            Gate::Segments => "segments",
            Gate::Notes => "notes",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.gate, self.message)
    }
}

/// Holds `elf`, a linked guest or a finished image, against all gates; none stopped it when the list is empty.
pub fn check(elf: &[u8], exceptions: &Exceptions) -> Result<Vec<Finding>, ImageError> {
    let linked = Linked::parse(elf)?;
    let mut findings = code::check(&linked, exceptions)?;
    findings.extend(segments::check(&linked));
    findings.extend(notes::check(&linked));
    Ok(findings)
}
