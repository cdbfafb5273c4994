//! The loop of a user thread: user mode, and what brought it back.

use linux_mm::{Access, FaultOutcome};
use linux_task::signal::{SigInfo, Signal};
use minios::user::{self, Exit};

use crate::dispatch;
use crate::signal::{self, deliver};
use crate::task::{Task, exit};

/// The user's part in the error code of a page fault: write, and instruction fetch.
const FAULT_WRITE: u32 = 1 << 1;
const FAULT_FETCH: u32 = 1 << 4;

/// Runs a thread until it ends.
pub fn user(mut task: Task) {
    loop {
        if task.thread.is_interrupted() || task.interrupted.is_some() || task.thread.has_saved_mask() {
            deliver::deliver(&mut task);
        }
        if task.thread.must_end() {
            break;
        }
        task.thread.account_system();
        if user::settle() {
            // Others may have run: there may be a signal for this thread now.
            task.thread.start_accounting();
            continue;
        }
        let space = task.space().clone();
        let exit = space.enter(&mut task.context);
        drop(space);
        let Ok(exit) = exit else {
            crate::memory::out_of_memory(&task);
            continue;
        };
        if exit == Exit::Event {
            // Most likely the timer's: a look at the clock, so that the time counts for who used it.
            minios::time::now_ns();
        }
        task.thread.account_user();
        match exit {
            Exit::Syscall => dispatch::system_call(&mut task),
            Exit::Event => {
                user::preempt();
                task.thread.start_accounting();
            }
            Exit::Compat => signal::force(&task.thread, SigInfo::kernel(Signal::SEGV)),
            Exit::Exception { vector, error, address } => exception(&mut task, vector, error, address),
        }
    }
    exit::thread(task);
}

fn exception(task: &mut Task, vector: u8, error: u32, address: u64) {
    if vector == 14 && page_fault(task, error, address) {
        return;
    }
    task.exception = [vector.into(), error.into(), if vector == 14 { address } else { task.exception[2] }];
    let rip = task.context.registers().rip;
    let info = match vector {
        0 => SigInfo::fault(Signal::FPE, FPE_INTDIV, rip),
        1 => SigInfo::fault(Signal::TRAP, TRAP_TRACE, rip),
        3 => SigInfo::kernel(Signal::TRAP),
        5 | 11 | 17 => SigInfo::kernel(Signal::BUS),
        6 => SigInfo::fault(Signal::ILL, ILL_ILLOPN, rip),
        14 => return,
        16 | 19 => SigInfo::fault(Signal::FPE, float_code(vector, task.context.fpu()), rip),
        _ => SigInfo::kernel(Signal::SEGV),
    };
    signal::force(&task.thread, info);
}

/// Which of the errors that the program wants to hear of has come: the status of the x87 or of SSE against its mask, both in the
/// image of the registers.
fn float_code(vector: u8, image: &[u8]) -> i32 {
    let word = |at: usize| match image.get(at..at + 2) {
        Some(&[low, high]) => u16::from_le_bytes([low, high]),
        _ => 0,
    };
    let (status, mask) = if vector == 16 { (word(2), word(0)) } else { (word(24), word(24) >> 7) };
    match status & !mask {
        errors if errors & 1 != 0 => FPE_FLTINV,
        errors if errors & 4 != 0 => FPE_FLTDIV,
        errors if errors & 8 != 0 => FPE_FLTOVF,
        errors if errors & 0x12 != 0 => FPE_FLTUND,
        errors if errors & 0x20 != 0 => FPE_FLTRES,
        _ => FPE_FLTINV,
    }
}

const FPE_INTDIV: i32 = 1;
const FPE_FLTDIV: i32 = 3;
const FPE_FLTOVF: i32 = 4;
const FPE_FLTUND: i32 = 5;
const FPE_FLTRES: i32 = 6;
const FPE_FLTINV: i32 = 7;
const TRAP_TRACE: i32 = 2;
const ILL_ILLOPN: i32 = 2;
const BUS_ADRERR: i32 = 2;

/// Makes the page present. Otherwise the thread has a signal.
fn page_fault(task: &mut Task, error: u32, address: u64) -> bool {
    let access = if error & FAULT_WRITE != 0 {
        Access::Write
    } else if error & FAULT_FETCH != 0 {
        Access::Execute
    } else {
        Access::Read
    };
    let outcome = task.space().fault(address, access);
    let info = match outcome {
        FaultOutcome::Handled => {
            task.thread.times.lock().minor_faults += 1;
            return true;
        }
        FaultOutcome::Segv(code) => SigInfo::fault(Signal::SEGV, code as i32, address),
        FaultOutcome::Bus => SigInfo::fault(Signal::BUS, BUS_ADRERR, address),
        FaultOutcome::OutOfMemory => {
            crate::memory::out_of_memory(task);
            return true;
        }
    };
    task.exception = [14, error.into(), address];
    signal::force(&task.thread, info);
    true
}
