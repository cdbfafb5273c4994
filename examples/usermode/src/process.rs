//! A process to test with: tables, a context, a page of code and one of stack.

use alloc::format;
use alloc::string::String;
use core::ptr::NonNull;

use minios::memory::{Pfn, pages};
use minios::user::{Context, Exit, Prot, UserTables};

/// Where the code is.
pub const CODE: u64 = 0x40_0000;
/// Where the stack ends.
pub const STACK_END: u64 = 0x7fff_0000_0000;
/// May be read and written.
pub const WRITE: Prot = Prot { write: true, execute: false };
/// May be read.
pub const READ: Prot = Prot { write: false, execute: false };

/// The process. What is mapped in it is freed with it.
pub struct Process {
    pub tables: UserTables,
    pub context: Context,
}

/// A page filled with zeroes.
pub fn page() -> Result<Pfn, String> {
    let page = pages::alloc(0).ok_or("no page is free")?;
    // SAFETY: a page of ours.
    unsafe { core::ptr::write_bytes(page.as_ptr(), 0, 4096) };
    Ok(Pfn::of_address(page.as_ptr() as u64))
}

/// Gives a page back.
pub fn free(pfn: Pfn) {
    if let Some(page) = NonNull::new(pfn.direct_address() as *mut u8) {
        // SAFETY: from `page`, and unmapped.
        unsafe { pages::release(page, 0) };
    }
}

/// A word of a page.
pub fn word(pfn: Pfn, index: usize) -> u64 {
    // SAFETY: a page of ours in the direct map.
    unsafe { (pfn.direct_address() as *const u64).add(index).read_volatile() }
}

/// Changes a word of a page.
pub fn set_word(pfn: Pfn, index: usize, value: u64) {
    // SAFETY: a page of ours in the direct map.
    unsafe { (pfn.direct_address() as *mut u64).add(index).write_volatile(value) };
}

impl Process {
    /// One that begins at the program's first byte.
    pub fn new(program: &[u8]) -> Result<Self, String> {
        let tables = UserTables::new().map_err(|error| format!("new tables: {error}"))?;
        let context = Context::new().map_err(|error| format!("new context: {error}"))?;
        let mut process = Self { tables, context };
        let code = page()?;
        // SAFETY: a page of ours, and the program is shorter.
        unsafe {
            core::ptr::copy_nonoverlapping(program.as_ptr(), code.direct_address() as *mut u8, program.len())
        };
        process.map(CODE, code, Prot { write: false, execute: true })?;
        process.map(STACK_END - 4096, page()?, WRITE)?;
        process.commit()?;
        process.context.registers_mut().rip = CODE;
        process.context.registers_mut().rsp = STACK_END - 64;
        Ok(process)
    }

    pub fn map(&mut self, address: u64, pfn: Pfn, prot: Prot) -> Result<(), String> {
        // SAFETY: pages that the test took for this.
        unsafe { self.tables.set(address, Some((pfn, prot))) }
            .map_err(|error| format!("set {address:#x}: {error}"))
    }

    pub fn commit(&mut self) -> Result<(), String> {
        self.tables.commit().map_err(|error| format!("commit: {error}"))
    }

    pub fn run(&mut self) -> Exit {
        self.context.run(&self.tables)
    }

    /// Runs until something else than an event ends it.
    pub fn run_on(&mut self) -> Exit {
        loop {
            match self.run() {
                Exit::Event => {}
                exit => return exit,
            }
        }
    }

    /// Runs to the next system call.
    pub fn next_syscall(&mut self) -> Result<(), String> {
        match self.run_on() {
            Exit::Syscall => Ok(()),
            exit => Err(format!("{exit:?} at {:#x} and no system call", self.context.registers().rip)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let cleared = self.tables.clear_range(0..minios::user::USER_END, &mut |_, pfn| free(pfn));
        if let Err(error) = cleared {
            log::error!("clear_range: {error}");
        }
    }
}
