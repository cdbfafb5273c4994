//! The end of a guest that went wrong: registers, a symbolised backtrace, and `SCHEDOP_shutdown(crash)`.
//!
//! Nothing here allocates, takes a lock that others hold, or trusts more of memory than a page-table look-up confirms.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::memory::paging;
use crate::symbols::SymbolTable;
use crate::trap::{self, Frame};
use crate::{console, power, thread};

/// Where `minios image` puts the symbol table: address and bytes. It patches this in the finished file.
#[repr(C)]
struct SymbolsAt {
    address: u64,
    len: u64,
}

#[used]
#[unsafe(no_mangle)]
static MINIOS_SYMBOL_TABLE: SymbolsAt = SymbolsAt { address: 0, len: 0 };

static CRASHING: AtomicBool = AtomicBool::new(false);

/// Writes by the way out that needs nothing but the console's page.
struct Emergency;

impl Write for Emergency {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        console::emergency_write(text.as_bytes());
        Ok(())
    }
}

/// Ends the guest before there is anything to trace.
pub(crate) fn give_up(reason: fmt::Arguments<'_>) -> ! {
    let _ = writeln!(Emergency, "minios: {reason}");
    power::shutdown(power::Reason::Crash)
}

/// Reports an exception and ends the guest.
pub(crate) fn exception(frame: &Frame) -> ! {
    once();
    let name = trap::name(frame.vector);
    let _ =
        writeln!(Emergency, "\nCRASH: {name} (vector {}, error {:#x}), {}", frame.vector, frame.error, Who);
    if frame.vector == 14 {
        page_fault(frame);
    }
    let f = frame;
    for row in [
        [("rip", f.rip), ("rsp", f.rsp), ("rflags", f.rflags), ("cs", f.cs & 0xffff)],
        [("rax", f.rax), ("rbx", f.rbx), ("rcx", f.rcx), ("rdx", f.rdx)],
        [("rsi", f.rsi), ("rdi", f.rdi), ("rbp", f.rbp), ("ss", f.ss)],
        [("r8", f.r8), ("r9", f.r9), ("r10", f.r10), ("r11", f.r11)],
        [("r12", f.r12), ("r13", f.r13), ("r14", f.r14), ("r15", f.r15)],
    ] {
        for (name, value) in row {
            let _ = write!(Emergency, "{name:>7} {value:016x}");
        }
        let _ = writeln!(Emergency);
    }
    backtrace(Some(frame.rip), frame.rbp);
    power::shutdown(power::Reason::Crash)
}

fn page_fault(frame: &Frame) {
    let address = crate::events::fault_address();
    let access = match frame.error {
        error if error & 16 != 0 => "executing",
        error if error & 2 != 0 => "writing",
        _ => "reading",
    };
    let why = if frame.error & 1 != 0 { "is not allowed there" } else { "finds nothing mapped there" };
    let _ = writeln!(Emergency, "address {address:#018x}: {access} {why}");
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    once();
    let _ = write!(Emergency, "\nPANIC: {}, {Who}", info.message());
    if let Some(at) = info.location() {
        let _ = write!(Emergency, "\n  at {}:{}:{}", at.file(), at.line(), at.column());
    }
    let _ = writeln!(Emergency);
    let rbp: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) rbp, options(nomem, nostack)) };
    backtrace(None, rbp);
    power::shutdown(power::Reason::Crash)
}

/// A crash inside the report: end at once.
fn once() {
    if CRASHING.swap(true, Ordering::Relaxed) {
        console::emergency_write(b"\nminios: crashed again while reporting a crash\n");
        power::shutdown(power::Reason::Crash)
    }
}

/// Which thread it was.
struct Who;

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        thread::with_current_name(|name| write!(f, "thread {name}"))
            .unwrap_or_else(|| f.write_str("during boot"))
    }
}

/// Prints the return addresses along the chain of frame pointers, with names where the image has its symbols.
fn backtrace(first: Option<u64>, mut frame: u64) {
    let _ = writeln!(Emergency, "backtrace:");
    let symbols = symbols();
    if let Some(address) = first {
        print_frame(symbols.as_ref(), address);
    }
    for _ in 0..40 {
        if !frame.is_multiple_of(8) || !is_readable(frame) || !is_readable(frame + 8) {
            break;
        }
        // SAFETY: the page tables say that the word is there.
        let (next, address) = unsafe { (*(frame as *const u64), *((frame + 8) as *const u64)) };
        if address == 0 {
            break;
        }
        print_frame(symbols.as_ref(), address - 1);
        if next <= frame {
            break;
        }
        frame = next;
    }
}

fn print_frame(symbols: Option<&SymbolTable<'_>>, address: u64) {
    let _ = write!(Emergency, "  {address:016x}");
    if let Some((name, offset)) = symbols.and_then(|symbols| symbols.lookup(address)) {
        let _ = write!(Emergency, " {name}+{offset:#x}");
    }
    let _ = writeln!(Emergency);
}

fn is_readable(address: u64) -> bool {
    address >= crate::memory::address::DIRECT_BASE
        && paging::lookup(address).is_some_and(|entry| entry.is_present())
}

fn symbols() -> Option<SymbolTable<'static>> {
    // SAFETY: a static; read so that the compiler does not take the patched values for the zeroes in the source.
    let at = unsafe { (&raw const MINIOS_SYMBOL_TABLE).read_volatile() };
    if at.len == 0 || !is_readable(at.address) {
        return None;
    }
    // SAFETY: `minios image` made the file load the table there; nothing writes it.
    SymbolTable::new(unsafe { core::slice::from_raw_parts(at.address as *const u8, at.len as usize) })
}
