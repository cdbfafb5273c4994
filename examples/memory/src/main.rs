//! The test of address spaces on Xen: faults of user code, forks, many lives, and the want of memory.
//!
//! It boots as the initial domain (`cargo xtask smoke`). Each test says `test NAME ... ok` or `FAILED`; then come measured
//! costs; the last line is the verdict.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "it holds code for user mode")]

extern crate alloc;

mod costs;
mod process;
mod tests;

use minios::println;

minios::entry!(main);

fn main() {
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests::TESTS {
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
    if failed == 0
        && let Err(reason) = costs::print()
    {
        println!("no costs: {reason}");
    }
    println!("{passed} passed, {failed} failed");
    println!("{}", if failed == 0 { "SUCCESS" } else { "FAILURE" });
}
