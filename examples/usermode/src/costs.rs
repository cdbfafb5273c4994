//! What things cost.

use alloc::string::String;
use core::iter::once;

use minios::user::{Exit, Fork, USER_END};
use minios::{hypercall, println, time};

use crate::process::{CODE, Process, WRITE, free, page};
use crate::programs;

/// Prints it.
pub fn print() {
    if let Err(error) = measure_all() {
        println!("no costs: {error}");
    }
}

fn measure_all() -> Result<(), String> {
    let mut one = Process::new(programs::syscalls())?;
    let mut two = Process::new(programs::syscalls())?;
    one.next_syscall()?;
    two.next_syscall()?;
    measure("null hypercall", 20_000, |_| _ = hypercall::xen_version());
    measure("system call", 20_000, |_| _ = one.run());
    let full = |process: &mut Process| {
        process.context.registers_mut().rcx = 0;
        process.run();
    };
    measure("system call, return by iret", 20_000, |_| full(&mut one));
    measure("system calls of two processes in turn, each", 10_000, |round| {
        _ = if round % 2 == 0 { one.run() } else { two.run() }
    });
    let mut thread = one.context.duplicate().map_err(|error| alloc::format!("{error}"))?;
    measure("system calls of two threads in turn, each", 10_000, |round| {
        _ = if round % 2 == 0 { one.run() } else { thread.run(&one.tables) }
    });
    thread.registers_mut().fs_base = 0x1000;
    measure("the same with different FS bases", 10_000, |round| {
        _ = if round % 2 == 0 { one.run() } else { thread.run(&one.tables) }
    });
    let mut faulting = Process::new(programs::read())?;
    measure("page fault", 20_000, |_| {
        faulting.context.registers_mut().rip = CODE;
        _ = faulting.run();
    });
    let mut touching = Process::new(programs::touch())?;
    let frames = (0..512).map(|_| page()).collect::<Result<alloc::vec::Vec<_>, _>>()?;
    touching.map(0x1000_0000 + 511 * 4096, frames[511], WRITE)?;
    touching.commit()?;
    for (pages, table) in [(1u64, "a"), (16, "a"), (511, "a"), (1, "no"), (16, "no"), (512, "no")] {
        let base = if table == "a" { 0x1000_0000 } else { 0x2000_0000u64 };
        let (mut map, mut clear) = (Cost::default(), Cost::default());
        for _ in 0..200 {
            map.of(|| {
                for number in 0..pages {
                    _ = touching.map(base + number * 4096, frames[number as usize], WRITE);
                }
                _ = touching.commit();
            });
            let r = touching.context.registers_mut();
            (r.rip, r.rdi, r.rsi) = (CODE, base, pages);
            if touching.run_on() != Exit::Syscall {
                return Err("a mapped page cannot be written".into());
            }
            clear.of(|| _ = touching.tables.clear_range(base..base + pages * 4096, &mut |_, _| {}));
        }
        map.print(&alloc::format!("map {pages} pages, {table} table there"));
        clear.print(&alloc::format!("unmap {pages} pages, {table} table there"));
    }
    frames[..511].iter().for_each(|frame| free(*frame));
    measure("a process's life (5 pages)", 500, |_| {
        if let Ok(mut process) = Process::new(programs::syscalls()) {
            _ = process.run();
        }
    });
    let mut costs: [Cost; 6] = Default::default();
    for _ in 0..100 {
        let mut process = None;
        costs[0].of(|| process = Process::new(programs::syscalls()).ok());
        let Some(mut process) = process else { continue };
        costs[1].of(|| _ = process.run());
        costs[2].of(|| _ = process.tables.clear_range(0..USER_END, &mut |_, pfn| free(pfn)));
        costs[3].of(|| drop(process));
    }
    for (name, cost) in ["new", "run", "clear", "drop"].into_iter().zip(costs) {
        cost.print(name);
    }
    let mut parent = Process::new(programs::syscalls())?;
    for number in 0..300 {
        parent.map(0x1000_0000 + number * 4096, page()?, WRITE)?;
    }
    parent.commit()?;
    let (mut fork, mut end) = (Cost::default(), Cost::default());
    for _ in 0..200 {
        let mut child = None;
        fork.of(|| {
            // SAFETY: the child's pages are not freed with it.
            child = unsafe { parent.tables.fork_copy(once(0..USER_END), &mut |_, _| Fork::Protect) }.ok();
        });
        end.of(|| drop(child.take()));
        let range = 0x1000_0000..0x2000_0000;
        _ = parent.tables.protect(range, &mut |_, _| WRITE);
    }
    fork.print("fork of 300 pages");
    end.print("end of that child");
    Ok(())
}

#[derive(Default)]
struct Cost {
    rounds: u64,
    ns: u64,
    calls: u64,
}

impl Cost {
    /// Takes part in the least of all rounds.
    fn of(&mut self, f: impl FnOnce()) {
        let (calls, start) = (hypercall::count(), time::now_ns());
        f();
        let ns = time::now_ns() - start;
        if self.rounds == 0 || ns < self.ns {
            *self = Self { ns, calls: hypercall::count() - calls, rounds: 1 };
        }
    }

    fn print(&self, name: &str) {
        let calls = self.calls as f64 / self.rounds as f64;
        println!("cost: {name}: {} ns, {calls:.2} hypercalls", self.ns / self.rounds);
    }
}

/// The least of several batches: what other users of the machine add is no cost of ours.
fn measure(name: &str, rounds: u64, mut f: impl FnMut(u64)) {
    let batch = (rounds / 20).max(1);
    let mut least = Cost::default();
    for _ in 0..20 {
        least.of(|| (0..batch).for_each(&mut f));
    }
    least.rounds = batch;
    least.print(name);
}
