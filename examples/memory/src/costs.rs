//! What things cost.

use alloc::string::String;

use minios::{println, time};

use crate::process::{Process, text};

fn measure(name: &str, rounds: u64, mut run: impl FnMut(u64) -> Result<(), String>) -> Result<(), String> {
    let start = time::now_ns();
    for round in 0..rounds {
        run(round)?;
    }
    println!("cost {name}: {} ns", (time::now_ns() - start) / rounds);
    Ok(())
}

/// Prints it.
pub fn print() -> Result<(), String> {
    let mut process = Process::new()?;
    let at = process.map(8000)?;
    process.touch(at, 1)?;
    measure("fault of a fresh page", 1000, |round| {
        process.touch(at + (7999 - 7 * round) * 4096, 1).map(drop)
    })?;
    let at = process.map(8000)?;
    measure("fresh page of many in order", 1, |_| process.touch(at, 8000).map(drop))?;
    measure("touch without a fault", 1000, |_| process.touch(at, 1).map(drop))?;
    process.space.munmap(at, 8000 * 4096).map_err(text)?;
    measure("mmap and munmap of a page", 1000, |_| {
        let at = process.map(1)?;
        process.space.munmap(at, 4096).map_err(text)
    })?;
    measure("the same with a touch", 1000, |_| {
        let at = process.map(1)?;
        process.touch(at, 1)?;
        process.space.munmap(at, 4096).map_err(text)
    })?;
    let mut small = Process::new()?;
    let at = small.map(100)?;
    small.touch(at, 100)?;
    measure("fork and end of a process of 100 pages", 300, |_| small.fork().map(drop))?;
    measure("the same with two writes of the child", 300, |_| small.fork()?.touch(at, 2).map(drop))?;
    measure("the same with two writes of both", 300, |_| {
        let mut child = small.fork()?;
        child.touch(at, 2)?;
        small.touch(at, 2).map(drop)
    })?;
    let mut large = Process::new()?;
    let at = large.map(5000)?;
    large.touch(at, 5000)?;
    measure("fork and end of a process of 5000 pages", 50, |_| large.fork().map(drop))?;
    let space = &small.space;
    let at = small.map(16)?;
    space.write_bytes(at, &[1; 65536]).map_err(text)?;
    measure("read of 8 bytes by the kernel", 10_000, |round| {
        space.read_u64(at + round % 4096).map(drop).map_err(text)
    })?;
    measure("copy of 64 KiB to user memory", 300, |_| space.write_bytes(at, &[2; 65536]).map_err(text))?;
    Ok(())
}
