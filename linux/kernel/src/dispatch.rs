//! From the number of a system call to its function.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use linux_base::{Errno, Result};
use linux_calls::strace::Outcome;

use crate::call;
use crate::task::Task;

/// What a register can be taken as: the low bits, as the C library's prototypes say.
trait FromRegister {
    fn from_register(value: u64) -> Self;
}

/// What a call can return.
trait IntoRegister {
    fn into_register(self) -> u64;
}

macro_rules! registers {
    ($($number:ty),*) => {$(
        impl FromRegister for $number {
            fn from_register(value: u64) -> Self {
                value as Self
            }
        }

        impl IntoRegister for $number {
            fn into_register(self) -> u64 {
                self as i64 as u64
            }
        }
    )*};
}

registers!(i32, u32, i64, u64, usize);

impl IntoRegister for () {
    fn into_register(self) -> u64 {
        0
    }
}

struct Arguments(core::array::IntoIter<u64, 6>);

impl Arguments {
    fn take<T: FromRegister>(&mut self) -> T {
        T::from_register(self.0.next().unwrap_or(0))
    }
}

macro_rules! invoke {
    (absent $module:ident $name:ident $task:ident $arguments:ident ($($argument:ident)*)) => {{
        let _ = &mut $arguments;
        Err(absent($task, stringify!($name)))
    }};
    ($state:ident $module:ident $name:ident $task:ident $arguments:ident ($($argument:ident)*)) => {{
        let _ = &mut $arguments;
        call::$module::$name($task $(, {
            let $argument = $arguments.take();
            $argument
        })*)
        .map(IntoRegister::into_register)
    }};
}

macro_rules! rows {
    ($($number:literal $name:ident $module:ident ($($argument:ident: $kind:ident),*) $state:ident $($missing:literal)?;)*) => {
        fn invoke(task: &mut Task, number: u64, arguments: [u64; 6]) -> Result<u64> {
            let mut arguments = Arguments(arguments.into_iter());
            match number {
                $($number => invoke!($state $module $name task arguments ($($argument)*)),)*
                _ => Err(absent(task, "an unknown call")),
            }
        }
    };
}

linux_calls::system_calls!(rows);

/// The call that the thread's registers ask for. The result is in RAX afterwards, unless the call has set the registers itself.
pub fn system_call(task: &mut Task) {
    let registers = task.context.registers();
    let number = registers.rax;
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
    task.begin_call();
    let result = invoke(task, number, arguments);
    if crate::options::strace() {
        trace(task, number, arguments, result);
    }
    task.finish_call(number, result);
}

fn trace(task: &Task, number: u64, arguments: [u64; 6], result: Result<u64>) {
    let outcome = match result {
        Ok(value) => Outcome::Value(value as i64),
        Err(errno) => Outcome::Error(errno.name()),
    };
    match linux_calls::find(number) {
        Some(call) => {
            let text =
                linux_calls::strace::print(call, arguments, outcome, &crate::memory::Shown(task.space()));
            minios::println!("[{:5}] {text}", task.thread.tid());
        }
        None => minios::println!("[{:5}] syscall_{number:#x}() = -1 ENOSYS", task.thread.tid()),
    }
}

/// Calls that were named in the log, a bit each.
static NAMED: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

fn absent(task: &Task, name: &str) -> Errno {
    let number = task.context.registers().rax;
    let word = NAMED.get(number as usize / 64);
    let bit = 1 << (number % 64);
    if word.is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0) {
        log::warn!("{} uses {name} (system call {number}), which is not there", task.thread.comm());
    }
    Errno::ENOSYS
}

/// Names a part of a call that is not there, once.
pub fn name_once(task: &Task, named: &AtomicBool, what: &str) {
    if !named.swap(true, Ordering::Relaxed) {
        log::warn!("{} uses {what}, which are not there", task.thread.comm());
    }
}
