//! Preemption, deadlines and events while user code runs, and the clock page.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use minios::user::{Exit, Fork, USER_END, clock};
use minios::{Xen, thread, time};
use xen::{DomId, EventPort, Events, Wake};

use crate::process::{CODE, Process, READ, WRITE, free, page, word};
use crate::{Outcome, Test, check, programs};

/// This domain, as its own peer.
const SELF: DomId = DomId::new(0x7ff0);

pub const TESTS: &[Test] = &[
    ("two endless loops share the processor", sharing),
    ("a sleeper wakes while user code loops", sleeper),
    ("an event wakes its thread while user code loops", event),
    ("an event wakes its thread while user code makes system calls", event_between_calls),
    ("many processes at once keep what is theirs", crowd),
    ("no timer disturbs user code that is alone", alone),
    ("the clock page has the time", clock_page),
];

/// Runs a loop in user mode in its own thread until told to stop.
fn looper(
    stop: &Arc<AtomicBool>,
) -> Result<thread::JoinHandle<Result<u64, alloc::string::String>>, alloc::string::String> {
    let stop = stop.clone();
    let body = move || {
        let mut process = Process::new(programs::count())?;
        while !stop.load(Ordering::Relaxed) {
            let exit = process.run();
            check!(exit == Exit::Event, "{exit:?}");
            check!((CODE..CODE + 8).contains(&process.context.registers().rip), "RIP is lost");
        }
        Ok(process.context.registers().rax)
    };
    thread::spawn(body).map_err(|error| format!("{error}"))
}

fn sharing() -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    let loops = [looper(&stop)?, looper(&stop)?];
    let start = time::now_ns();
    thread::sleep(Duration::from_millis(200));
    let slept = (time::now_ns() - start) / 1_000_000;
    stop.store(true, Ordering::Relaxed);
    let [one, two] = loops.map(|handle| handle.join());
    let (one, two) = (one?, two?);
    check!(one > 1000 && two > 1000, "one counted to {one}, the other to {two}");
    check!(one / 8 < two && two / 8 < one, "one counted to {one}, the other to {two}");
    check!((200..900).contains(&slept), "a sleep of 200 ms took {slept}");
    Ok(())
}

fn sleeper() -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    let handle = looper(&stop)?;
    let mut worst = 0;
    for ms in [1, 5, 20, 3] {
        let start = time::now_ns();
        thread::sleep(Duration::from_millis(ms));
        worst = worst.max((time::now_ns() - start) / 1000 - ms * 1000);
    }
    stop.store(true, Ordering::Relaxed);
    handle.join()?;
    minios::println!("a sleeper woke {worst} us late at most");
    check!(worst < 300_000, "it woke {worst} us late");
    Ok(())
}

/// A waiting thread gets the event that a user program's system call sends, and the one that a thread sends just before it
/// lets user code run.
fn event_while(program: &'static [u8]) -> Outcome {
    let ours = EventPort::alloc(&Xen, SELF).map_err(|error| format!("{error}"))?;
    let theirs = Xen.bind_interdomain(SELF, ours.port()).map_err(|error| format!("{error}"))?;
    let theirs = EventPort::from_existing(&Xen, theirs);
    let got = Arc::new(AtomicU64::new(0));
    let count = got.clone();
    let waiter = thread::spawn(move || {
        for _ in 0..20 {
            let seen = ours.seq();
            count.fetch_add(1, Ordering::Relaxed);
            if ours.wait(seen, Some(time::now_ns() + 5_000_000_000)) != Wake::Event {
                return false;
            }
        }
        true
    });
    let waiter = waiter.map_err(|error| format!("{error}"))?;
    thread::yield_now();
    let mut process = Process::new(program)?;
    for round in 1..=20 {
        check!(
            got.load(Ordering::Relaxed) == round,
            "the waiter is at {} in round {round}",
            got.load(Ordering::Relaxed)
        );
        theirs.notify();
        // A loop comes back for the next event alone, which is the timer's at the latest.
        let start = time::now_ns();
        let exit = process.run();
        let ms = (time::now_ns() - start) / 1_000_000;
        check!(matches!(exit, Exit::Event | Exit::Syscall), "{exit:?}");
        check!(ms < 1000 || round == 20, "round {round}: the event took {ms} ms");
        if round == 20 {
            break;
        }
    }
    check!(waiter.join(), "an event was lost");
    Ok(())
}

fn event() -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    let handle = looper(&stop)?;
    // While the loop runs this thread sends to itself, with the loop's slices between.
    let outcome = event_while(programs::syscalls());
    stop.store(true, Ordering::Relaxed);
    handle.join()?;
    outcome
}

fn event_between_calls() -> Outcome {
    event_while(programs::syscalls())
}

fn alone() -> Outcome {
    static EXITS: AtomicU64 = AtomicU64::new(0);
    let mut process = Process::new(programs::syscalls())?;
    let start = time::now_ns();
    while time::now_ns() - start < 100_000_000 {
        if process.run() == Exit::Event {
            EXITS.fetch_add(1, Ordering::Relaxed);
        }
    }
    let exits = EXITS.load(Ordering::Relaxed);
    check!(exits < 10, "{exits} events in 100 ms");
    Ok(())
}

fn clock_page() -> Outcome {
    let pfn = minios::user::time_page().ok_or("there is no clock page")?;
    let mut process = Process::new(programs::clock())?;
    process.map(0x50_0000, pfn, READ)?;
    process.commit()?;
    process.context.registers_mut().rdi = 0x50_0000;
    let mut last = 0;
    for round in 0..30 {
        let before = time::now_ns();
        process.next_syscall()?;
        let after = time::now_ns();
        let r = process.context.registers();
        let ticks = ((r.rdx << 32) | (r.rax & 0xffff_ffff)).wrapping_sub(r.r9);
        let now = r.r10 + time::scale_ticks(ticks, r.r12 as u32, r.r13 as u8 as i8);
        check!(r.r8 & 1 == 0 && r.r8 != 0, "version {}", r.r8);
        check!(now + 1000 >= before && now <= after + 1000, "round {round}: {now}, not {before} to {after}");
        check!(now + 1000 >= last, "it stepped back from {last} to {now}");
        last = now;
        thread::sleep(Duration::from_millis(if round < 25 { 3 } else { 300 }));
    }
    let wall = word(pfn, clock::WALL_BASE / 8).wrapping_add(time::now_ns());
    check!(wall.abs_diff(time::wall_clock_ns()) < 1_000_000, "wall clock {wall}");
    check!(
        (word(pfn, clock::WALL_VERSION / 8) as u32).is_multiple_of(2),
        "the wall clock is being changed for ever"
    );
    process.tables.clear_range(0x50_0000..0x50_1000, &mut |_, _| {}).map_err(|error| format!("{error}"))
}

/// Threads whose programs count in memory and in registers, are preempted, lose that page, fork, and are checked at each call.
fn crowd() -> Outcome {
    let workers: Vec<_> = (0..6u64).map(|number| thread::spawn(move || worker(number))).collect();
    for worker in workers {
        worker.map_err(|error| format!("{error}"))?.join()?;
    }
    Ok(())
}

fn worker(number: u64) -> Outcome {
    const DATA: u64 = 0x123_4567_8000;
    let mut process = Process::new(programs::worker())?;
    let data = page()?;
    process.map(DATA, data, WRITE)?;
    process.commit()?;
    let r = process.context.registers_mut();
    (r.rdi, r.rsi, r.fs_base) = (number + 0x1000, DATA, DATA);
    let (mut rounds, mut events, mut faults) = (0, 0, 0);
    while rounds < 30 {
        match process.run() {
            Exit::Event => events += 1,
            Exit::Exception { vector: 14, address: DATA, .. } => {
                faults += 1;
                process.map(DATA, data, WRITE)?;
                process.commit()?;
            }
            Exit::Syscall => {
                rounds += 1;
                let r = process.context.registers();
                check!(
                    r.rdi == number + 0x1000 && r.rdx == r.rbx,
                    "{number}: RDI {:#x}, RDX {}, RBX {}",
                    r.rdi,
                    r.rdx,
                    r.rbx
                );
                check!(
                    word(data, 0) == rounds * 30_000 && r.rbx == rounds * 30_000,
                    "{number}: {}",
                    word(data, 0)
                );
                process
                    .tables
                    .clear_range(DATA..DATA + 4096, &mut |_, _| {})
                    .map_err(|error| format!("{error}"))?;
                if rounds % 4 == number % 4 {
                    thread::yield_now();
                    // SAFETY: the child is gone before the pages are.
                    let child = unsafe {
                        process.tables.fork_copy(core::iter::once(0..USER_END), &mut |_, _| Fork::Share)
                    };
                    thread::yield_now();
                    drop(child.map_err(|error| format!("{error}"))?);
                }
            }
            exit => return Err(format!("{number}: {exit:x?} at {:#x}", process.context.registers().rip)),
        }
    }
    check!(faults == 29, "{number}: {faults} faults, {events} events");
    free(data);
    Ok(())
}
