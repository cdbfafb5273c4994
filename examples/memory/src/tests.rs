//! The tests.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use linux_base::abi::general::{MADV_DONTNEED, MREMAP_MAYMOVE};
use linux_mm::{FaultOutcome, SegvCode};
use minios::memory;
use minios::user::table_pages;

use crate::process::{End, Process, text};

type Outcome = Result<(), String>;

/// Tests and their names.
/// What a test says, and how it is done.
type Test = (&'static str, fn() -> Outcome);

pub const TESTS: &[Test] = &[
    ("user code gets the pages that it touches", touched),
    ("what is unmapped or protected faults at once", revoked),
    ("parent and child have their own pages", forked),
    ("moved pages are found where they went", moved),
    ("random changes agree with a model", model),
    ("ten thousand lives leave no page behind", lives),
    ("who takes all memory is told, and the kernel lives on", hog),
    ("forks end before memory does", fork_bomb),
];

macro_rules! check {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err(format!($($message)*));
        }
    };
}

fn touched() -> Outcome {
    let mut process = Process::new()?;
    let at = process.map(1000)?;
    let end = process.touch(at, 1000)?;
    check!(matches!(end, End::Done(faults) if faults < 140), "{end:?}");
    for page in 0..1000 {
        let value = process.space.read_u64(at + page * 4096).map_err(text)?;
        check!(value == 1000 - page, "page {page} holds {value}");
    }
    check!(process.touch(at, 1000)? == End::Done(0), "touched twice");
    let totals = process.space.totals();
    check!(totals.resident == 1001 && totals.tables >= 5, "{totals:?}");
    // What the kernel writes user code need not fault for.
    let other = process.map(64)?;
    process.space.write_bytes(other, &[1; 64 * 4096]).map_err(text)?;
    check!(process.touch(other, 64)? == End::Done(0), "after the kernel's write");
    Ok(())
}

fn revoked() -> Outcome {
    let mut process = Process::new()?;
    for pages in [1, 5, 100] {
        let at = process.map(pages)?;
        process.touch(at, pages)?;
        process.space.mprotect(at, pages * 4096, 1).map_err(text)?;
        let end = process.touch(at + (pages - 1) * 4096, 1)?;
        check!(matches!(end, End::Fault(_, FaultOutcome::Segv(SegvCode::AccErr))), "read-only: {end:?}");
        process.space.mprotect(at, pages * 4096, 0).map_err(text)?;
        let end = process.touch(at, 1)?;
        check!(
            matches!(end, End::Fault(_, FaultOutcome::Segv(SegvCode::AccErr))),
            "nothing allowed: {end:?}"
        );
        process.space.mprotect(at, pages * 4096, 3).map_err(text)?;
        check!(process.space.read_u64(at) == Ok(pages), "what was there is gone");
        process.space.madvise(at, pages * 4096, MADV_DONTNEED).map_err(text)?;
        check!(process.space.read_u64(at) == Ok(0), "what was discarded is there");
        check!(matches!(process.touch(at, pages)?, End::Done(1..)), "no fault after the discard");
        process.space.munmap(at, pages * 4096).map_err(text)?;
        let end = process.touch(at, 1)?;
        check!(end == End::Fault(at, FaultOutcome::Segv(SegvCode::MapErr)), "unmapped: {end:?}");
    }
    Ok(())
}

fn forked() -> Outcome {
    let mut parent = Process::new()?;
    let at = parent.map(600)?;
    parent.touch(at, 600)?;
    let mut child = parent.fork()?;
    check!(child.touch(at, 1)? == End::Done(1), "the child's write");
    check!(parent.touch(at + 4096, 1)? == End::Done(1), "the parent's write");
    let values =
        [&parent, &child].map(|process| (process.space.read_u64(at), process.space.read_u64(at + 4096)));
    check!(values == [(Ok(600), Ok(1)), (Ok(1), Ok(599))], "{values:?}");
    drop(parent);
    check!(matches!(child.touch(at, 600)?, End::Done(_)), "all of the child's");
    check!(child.space.read_u64(at + 599 * 4096) == Ok(1), "the last page");
    Ok(())
}

fn moved() -> Outcome {
    let mut process = Process::new()?;
    // What lies above keeps it from growing in place.
    process.map(1)?;
    let at = process.map(700)?;
    process.touch(at, 700)?;
    let to = process.space.mremap(at, 700 * 4096, 1400 * 4096, MREMAP_MAYMOVE, 0).map_err(text)?;
    check!(to != at, "it did not move");
    for page in 0..700 {
        let value = process.space.read_u64(to + page * 4096);
        check!(value == Ok(700 - page), "page {page} holds {value:?}");
    }
    check!(process.touch(to, 700)? == End::Done(0), "moved pages fault");
    check!(matches!(process.touch(at, 1)?, End::Fault(..)), "the old place is there");
    Ok(())
}

fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// Pages hold what was written last; `None` is not mapped.
fn model() -> Outcome {
    const PAGES: u64 = 64;
    let seed = &mut 5;
    let mut process = Process::new()?;
    let base = process.map(PAGES)?;
    let mut pages: Vec<Option<u64>> = alloc::vec![Some(0); PAGES as usize];
    let mut family: Vec<(Process, Vec<Option<u64>>)> = Vec::new();
    for round in 0..4000 {
        let first = random(seed, PAGES);
        let count = 1 + random(seed, 8.min(PAGES - first));
        let (at, len) = (base + first * 4096, count * 4096);
        let range = first as usize..(first + count) as usize;
        match random(seed, 8) {
            0 => {
                process.space.munmap(at, len).map_err(text)?;
                pages[range].fill(None);
            }
            1 | 2 => {
                let flags = linux_base::abi::general::MAP_FIXED;
                let request = linux_mm::MapRequest::anonymous(at, len, crate::process::RW, flags);
                process.space.mmap(request).map_err(text)?;
                pages[range].fill(Some(0));
            }
            3 => {
                for prot in [1, 0, 3] {
                    _ = process.space.mprotect(at, len, prot);
                }
                if process.space.mprotect(at, len, 3).is_err() {
                    // A hole left some as they were before.
                    _ = process.space.munmap(at, len);
                    pages[range].fill(None);
                }
            }
            4 if family.len() < 3 => {
                let child = process.fork()?;
                family.push((core::mem::replace(&mut process, child), pages.clone()));
            }
            4 => {
                let (other, known) = family.remove(random(seed, 3) as usize);
                (process, pages) = (other, known);
            }
            _ => {
                let end = process.touch(at, count)?;
                let hole = pages[range.clone()].iter().position(Option::is_none);
                let expected = hole.map(|hole| base + (first + hole as u64) * 4096);
                match (end, expected) {
                    (End::Done(_), None) => {}
                    (End::Fault(address, _), Some(expected)) if address == expected => {}
                    other => return Err(format!("round {round}: {other:?}")),
                }
                for (done, page) in pages[range].iter_mut().take(hole.unwrap_or(usize::MAX)).enumerate() {
                    *page = Some(count - done as u64);
                }
            }
        }
        for (number, page) in pages.iter().enumerate() {
            let value = process.space.read_u64(base + number as u64 * 4096).ok();
            check!(value == *page, "round {round}: page {number} holds {value:?} and not {page:?}");
        }
    }
    Ok(())
}

/// Free pages once everything has settled.
fn free() -> usize {
    memory::usage().free
}

fn lives() -> Outcome {
    let mut parent = Process::new()?;
    let at = parent.map(100)?;
    parent.touch(at, 100)?;
    // The heap grows once.
    for _ in 0..10 {
        parent.fork()?.touch(at, 10)?;
    }
    let (before, tables) = (free(), table_pages());
    for life in 0..10_000 {
        let mut child = parent.fork()?;
        let end = child.touch(at + (life % 90) * 4096, 3)?;
        check!(end == End::Done(3), "life {life}: {end:?}");
        if life % 10 == 0 {
            let mut grandchild = child.fork()?;
            drop(child);
            grandchild.touch(at, 100)?;
        }
    }
    parent.touch(at, 100)?;
    let (after, tables_after) = (free(), table_pages());
    check!(tables == tables_after, "{tables} pages of tables became {tables_after}");
    check!(after + 16 >= before, "{before} free pages became {after}");
    Ok(())
}

/// Runs something that the kernel's heap grows for once; the second time no page may be lost.
fn loses_nothing(run: fn() -> Outcome) -> Outcome {
    run()?;
    let before = free();
    run()?;
    check!(free() + 16 >= before, "{before} free pages became {}", free());
    Ok(())
}

fn hog() -> Outcome {
    loses_nothing(take_all)
}

fn take_all() -> Outcome {
    let mut process = Process::new()?;
    let before = free();
    let all = memory::usage().total as u64;
    let at = process.map(all)?;
    let end = process.touch(at, all)?;
    check!(matches!(end, End::Fault(_, FaultOutcome::OutOfMemory)), "{end:?}");
    check!(free() >= 64, "{} pages are free", free());
    let used = process.space.totals();
    check!(used.resident * 10 > before as u64 * 9, "{used:?} of {before}");
    // The kernel has memory still; programs have not.
    drop(alloc::vec![1u8; 100_000]);
    check!(process.fork().is_err(), "a fork without memory");
    process.space.munmap(at, all * 4096).map_err(text)
}

fn fork_bomb() -> Outcome {
    loses_nothing(fork_all)
}

fn fork_all() -> Outcome {
    let mut processes = alloc::vec![Process::new()?];
    let at = processes[0].map(1000)?;
    processes[0].touch(at, 1000)?;
    let reason = loop {
        let last = processes.len() - 1;
        match processes[last].fork() {
            Ok(child) => processes.push(child),
            Err(reason) => break reason,
        }
        let end = processes[last].touch(at, 200)?;
        if matches!(end, End::Fault(_, FaultOutcome::OutOfMemory)) {
            break text("a fault");
        }
    };
    let count = processes.len();
    check!(count > 5, "{count} processes: {reason}");
    check!(free() >= 32, "{} pages are free", free());
    Ok(())
}
