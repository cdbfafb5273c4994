//! The test of user mode: entries and exits, the FPU, page tables, preemption and the clock page, on nothing but Xen.
//!
//! It boots as the initial domain (`cargo xtask smoke`). Each test says `test NAME ... ok` or `FAILED`; then come measured
//! costs; the last line is the verdict.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "it maps pages for user mode and holds that code")]

extern crate alloc;

mod costs;
mod entries;
mod foreign;
mod other;
mod process;
mod programs;
mod state;
mod tables;
mod waiting;

use minios::println;

minios::entry!(main);

/// What went wrong, with the wrong value in it.
type Outcome = Result<(), alloc::string::String>;
/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

fn main() {
    println!("{:?}", minios::boot::capabilities());
    let tests = [entries::TESTS, state::TESTS, waiting::TESTS, tables::TESTS, foreign::TESTS];
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
    if failed == 0 {
        costs::print();
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
