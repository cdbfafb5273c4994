//! What things cost.

use minios::{hypercall, println, time};

use crate::process::Process;
use crate::programs;

/// Prints it.
pub fn print() {
    if let Ok(mut process) = Process::new(programs::syscalls()) {
        let _ = process.to_syscall();
        measure("null system call", 20_000, || drop(process.run()));
    }
}

fn measure(name: &str, rounds: u64, mut f: impl FnMut()) {
    let (calls, start) = (hypercall::count(), time::now_ns());
    (0..rounds).for_each(|_| f());
    let ns = (time::now_ns() - start) / rounds;
    let calls = (hypercall::count() - calls) as f64 / rounds as f64;
    println!("cost: {name}: {ns} ns, {calls:.2} hypercalls");
}
