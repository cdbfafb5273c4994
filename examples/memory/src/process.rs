//! A process to test with: an address space with a page of code and a stack, and a context.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::arch::global_asm;

use linux_mm::Access;
use linux_mm::{AddressSpace, FaultOutcome, Limits, MapRequest, Prot, Randomize};
use minios::user::{Context, Exit};

/// Where the code is.
const CODE: u64 = 0x40_0000;
/// Reading and writing.
pub const RW: Prot = Prot::READ.union(Prot::WRITE);

global_asm!(
    ".pushsection .rodata.programs, \"a\", @progbits",
    "touch_begin: 2: mov [rdi], rsi; add rdi, 4096; dec rsi; jnz 2b; syscall",
    "touch_end:",
    ".popsection",
);

/// Code that writes to each of RSI pages from RDI: the number of pages that are left.
fn touch() -> &'static [u8] {
    unsafe extern "C" {
        #[link_name = "touch_begin"]
        static BEGIN: u8;
        #[link_name = "touch_end"]
        static END: u8;
    }
    let (begin, end) = (&raw const BEGIN, &raw const END);
    // SAFETY: the two labels enclose bytes of the image.
    unsafe { core::slice::from_raw_parts(begin, end as usize - begin as usize) }
}

/// The process.
pub struct Process {
    pub space: Arc<AddressSpace>,
    pub context: Context,
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It got through, after so many faults.
    Done(u64),
    /// A fault at this address could not be handled.
    Fault(u64, FaultOutcome),
}

impl Process {
    pub fn new() -> Result<Self, String> {
        let space = AddressSpace::new(Randomize::No, Limits::default()).map_err(text)?;
        let code = MapRequest::anonymous(CODE, 4096, RW, linux_base::abi::general::MAP_FIXED);
        space.mmap(code).map_err(text)?;
        space.write_bytes(CODE, touch()).map_err(text)?;
        space.mprotect(CODE, 4096, (Prot::READ | Prot::EXEC).bits()).map_err(text)?;
        Ok(Self { space, context: Context::new().map_err(text)? })
    }

    /// A child.
    pub fn fork(&mut self) -> Result<Self, String> {
        let context = self.context.duplicate().map_err(text)?;
        Ok(Self { space: self.space.fork().map_err(text)?, context })
    }

    /// Maps so many fresh pages.
    pub fn map(&self, pages: u64) -> Result<u64, String> {
        self.space.mmap(MapRequest::anonymous(0, pages * 4096, RW, 0)).map_err(text)
    }

    /// Has user code write to pages.
    pub fn touch(&mut self, address: u64, pages: u64) -> Result<End, String> {
        let registers = self.context.registers_mut();
        (registers.rip, registers.rdi, registers.rsi) = (CODE, address, pages);
        let mut faults = 0;
        loop {
            // What events have asked for is done first: they would end the stay in user mode at once.
            if minios::user::settle() {
                continue;
            }
            match self.space.enter(&mut self.context).map_err(|broken| format!("{broken:?}"))? {
                Exit::Syscall => return Ok(End::Done(faults)),
                Exit::Event => {}
                Exit::Exception { vector: 14, error, address } => {
                    let access = match error {
                        _ if error & 2 != 0 => Access::Write,
                        _ if error & 16 != 0 => Access::Execute,
                        _ => Access::Read,
                    };
                    match self.space.fault(address, access) {
                        FaultOutcome::Handled => faults += 1,
                        outcome => return Ok(End::Fault(address, outcome)),
                    }
                }
                exit => return Err(format!("{exit:?} at {:#x}", self.context.registers().rip)),
            }
        }
    }
}

/// An error as text.
pub fn text(error: impl core::fmt::Display) -> String {
    format!("{error}")
}
