//! The smoke test of the runtime: memory, grants, events, time and threads, on nothing but Xen.
//!
//! It boots as the initial domain (`cargo xtask smoke`), so it needs no toolstack, no XenStore and no back end. Each test says
//! `test NAME ... ok` or `FAILED`; the last line is the verdict.
#![no_std]
#![no_main]

extern crate alloc;

mod grants;
mod memory;
mod threads;
mod timing;

use minios::println;

minios::entry!(main);

/// What went wrong, with the wrong value in it.
type Outcome = Result<(), alloc::string::String>;
/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

fn main() {
    println!("{:?}", minios::boot::capabilities());
    println!("entry to main: {} us", minios::boot::entry_to_main_ns() / 1000);
    println!("{:?}", minios::memory::usage());
    let tests = [memory::TESTS, grants::TESTS, timing::TESTS, threads::TESTS];
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests.into_iter().flatten() {
        match test() {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(reason) => {
                println!("test {name} ... FAILED: {reason}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    println!("{}", if failed == 0 { "SUCCESS" } else { "FAILURE" });
}

/// Fails with a message unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err(alloc::format!($($message)*));
        }
    };
}
