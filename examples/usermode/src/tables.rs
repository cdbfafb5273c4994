//! Page tables of user mode: mapping, unmapping, forks, and whether any page is lost.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter::once;

use minios::memory::Pfn;
use minios::user::{Exit, Fork, Prot, USER_END, UserTables, table_pages};
use minios::{hypercall, memory};

use crate::process::{CODE, Process, READ, STACK_END, WRITE, free, page, set_word, word};
use crate::{Outcome, Test, check, programs};

pub const TESTS: &[Test] = &[
    ("what is mapped is found again", found_again),
    ("a page that was unmapped faults at once", unmapped),
    ("protection changes at once", protection),
    ("tables that become empty are freed", freed),
    ("a fork shares pages until they are written", fork),
    ("a thousand random changes agree with a model", model),
    ("the addresses of the kernel cannot be mapped", kernel_addresses),
    ("ten thousand processes leave no page behind", lives),
    ("a large process comes and goes", large),
    ("a process can end when there is no memory", without_memory),
];

fn text(error: impl core::fmt::Display) -> String {
    format!("{error}")
}

fn found_again() -> Outcome {
    let mut process = Process::new(programs::syscalls())?;
    let pages: Vec<(u64, Pfn)> = [0x1000u64, 0x20_0000, 0x4000_0000, 0x80_0000_0000, USER_END - 4096]
        .into_iter()
        .map(|address| Ok::<_, String>((address, page()?)))
        .collect::<Result<_, _>>()?;
    for (address, pfn) in &pages {
        process.map(*address, *pfn, if *address == 0x1000 { READ } else { WRITE })?;
    }
    process.commit()?;
    for (address, pfn) in &pages {
        let leaf = process.tables.entry(*address).ok_or("not found")?;
        check!(leaf.pfn == *pfn && leaf.prot.write == (*address != 0x1000), "{address:#x}: {leaf:?}");
        check!(!leaf.prot.execute && !leaf.dirty, "{address:#x}: {leaf:?}");
        check!(process.tables.entry(*address ^ 0x1_0000).is_none(), "a neighbour of {address:#x} is mapped");
    }
    check!(
        process.tables.entry(u64::MAX).is_none() && process.tables.entry(USER_END).is_none(),
        "beyond the end"
    );
    // Writing makes it dirty.
    let mut writer = Process::new(programs::write())?;
    writer.map(0x50_0000, page()?, WRITE)?;
    writer.commit()?;
    writer.context.registers_mut().rdi = 0x50_0000;
    writer.next_syscall()?;
    check!(writer.tables.entry(0x50_0000).is_some_and(|leaf| leaf.dirty), "a written page is not dirty");
    Ok(())
}

fn read_at(process: &mut Process, address: u64) -> Exit {
    let r = process.context.registers_mut();
    (r.rip, r.rdi) = (CODE, address);
    process.run_on()
}

fn unmapped() -> Outcome {
    // One page, a few, and more than are flushed one by one.
    for count in [1u64, 5, 100] {
        let mut process = Process::new(programs::read())?;
        let at = |number: u64| 0x1000_0000 + number * 4096;
        for number in 0..=count {
            process.map(at(number), page()?, WRITE)?;
        }
        process.commit()?;
        for number in 0..=count {
            check!(read_at(&mut process, at(number)) == Exit::Syscall, "page {number} is not there");
        }
        let calls = hypercall::count();
        let mut got = 0;
        process
            .tables
            .clear_range(at(0)..at(count), &mut |_, pfn| {
                free(pfn);
                got += 1
            })
            .map_err(text)?;
        let calls = hypercall::count() - calls;
        check!(got == count, "{got} of {count} pages came back");
        check!(calls == 1, "{calls} hypercalls for {count} pages");
        for number in 0..count {
            let exit = read_at(&mut process, at(number));
            check!(
                exit == Exit::Exception { vector: 14, error: 4, address: at(number) },
                "page {number}: {exit:x?}"
            );
        }
        check!(read_at(&mut process, at(count)) == Exit::Syscall, "the page behind is gone");
        // By `set` as well.
        // SAFETY: only unmaps.
        unsafe { process.tables.set(at(count), None) }.map_err(text)?;
        process.commit()?;
        let exit = read_at(&mut process, at(count));
        check!(matches!(exit, Exit::Exception { vector: 14, .. }), "after set(None): {exit:x?}");
    }
    Ok(())
}

fn protection() -> Outcome {
    let mut process = Process::new(programs::write())?;
    for number in 0..40 {
        process.map(0x1000_0000 + number * 4096, page()?, WRITE)?;
    }
    process.commit()?;
    for number in [0, 39] {
        check!(read_at(&mut process, 0x1000_0000 + number * 4096) == Exit::Syscall, "not writable");
    }
    let calls = hypercall::count();
    process
        .tables
        .protect(0x1000_0000..0x1002_0000, &mut |_, leaf| Prot { write: false, ..leaf.prot })
        .map_err(text)?;
    check!(hypercall::count() - calls == 1, "{} hypercalls", hypercall::count() - calls);
    let exit = read_at(&mut process, 0x1000_0000);
    check!(exit == Exit::Exception { vector: 14, error: 7, address: 0x1000_0000 }, "{exit:x?}");
    check!(read_at(&mut process, 0x1000_0000 + 39 * 4096) == Exit::Syscall, "the rest is not writable");
    let calls = hypercall::count();
    process.tables.protect(0x1000_0000..0x1002_0000, &mut |_, leaf| leaf.prot).map_err(text)?;
    check!(hypercall::count() == calls, "a change of nothing costs a hypercall");
    process.tables.protect(0x1000_0000..0x1000_1000, &mut |_, _| WRITE).map_err(text)?;
    check!(read_at(&mut process, 0x1000_0000) == Exit::Syscall, "not writable again");
    Ok(())
}

fn freed() -> Outcome {
    let mut process = Process::new(programs::read())?;
    let before = table_pages();
    for number in 0..600 {
        process.map(0x4000_0000 + number * 4096, page()?, WRITE)?;
    }
    process.commit()?;
    check!(table_pages() == before + 3, "{} more tables", table_pages() - before);
    // The middle of each, then the rest.
    let mut got = 0;
    let mut clear = |process: &mut Process, first: u64, end: u64| {
        let range = 0x4000_0000 + first * 4096..0x4000_0000 + end * 4096;
        process
            .tables
            .clear_range(range, &mut |_, pfn| {
                free(pfn);
                got += 1
            })
            .map_err(text)
    };
    clear(&mut process, 100, 520)?;
    check!(table_pages() == before + 3, "a table in use was freed");
    clear(&mut process, 0, 100)?;
    check!(table_pages() == before + 2, "{} more tables", table_pages() - before);
    clear(&mut process, 500, 700)?;
    check!(table_pages() == before, "{} more tables", table_pages() - before);
    check!(got == 600, "{got} pages came back");
    check!(matches!(read_at(&mut process, 0x4000_0000), Exit::Exception { vector: 14, .. }), "still there");
    Ok(())
}

fn fork() -> Outcome {
    let mut parent = Process::new(programs::write())?;
    let data = page()?;
    parent.map(0x50_0000, data, WRITE)?;
    parent.commit()?;
    set_word(data, 0, 1);
    check!(read_at(&mut parent, 0x50_0000) == Exit::Syscall, "the parent cannot write");
    set_word(data, 0, 1);
    let calls = hypercall::count();
    // SAFETY: both die here, and the child's pages are taken out without being freed.
    let child = unsafe {
        parent.tables.fork_copy(once(0..USER_END - 4096), &mut |_, leaf| match leaf.prot.write {
            true => Fork::Protect,
            false => Fork::Share,
        })
    };
    let mut child = child.map_err(text)?;
    check!(hypercall::count() - calls == 1, "{} hypercalls", hypercall::count() - calls);
    let mut context = parent.context.duplicate().map_err(text)?;
    let refused = Exit::Exception { vector: 14, error: 7, address: 0x50_0000 };
    let exit = read_at(&mut parent, 0x50_0000);
    check!(exit == refused, "the parent writes a shared page: {exit:x?}");
    (context.registers_mut().rip, context.registers_mut().rdi) = (CODE, 0x50_0000);
    context.registers_mut().rsi = 77;
    let exit = context.run(&child);
    check!(exit == refused, "the child writes a shared page: {exit:x?}");
    // The copy, as on a write.
    let copy = page()?;
    set_word(copy, 0, word(data, 0));
    // SAFETY: a page taken for this.
    unsafe { child.set(0x50_0000, Some((copy, WRITE))) }.map_err(text)?;
    child.commit().map_err(text)?;
    check!(context.run(&child) == Exit::Syscall, "the child cannot write its copy");
    check!(word(copy, 0) == 77 && word(data, 0) == 1, "{} and {}", word(copy, 0), word(data, 0));
    check!(
        child.entry(CODE).map(|leaf| leaf.pfn) == parent.tables.entry(CODE).map(|leaf| leaf.pfn),
        "the code differs"
    );
    check!(
        child.entry(STACK_END - 4096).is_some_and(|leaf| !leaf.prot.write),
        "the child's stack is writable"
    );
    child.clear_range(0..USER_END, &mut |_, _| {}).map_err(text)?;
    free(copy);
    parent.tables.protect(0x50_0000..0x50_1000, &mut |_, _| WRITE).map_err(text)?;
    check!(read_at(&mut parent, 0x50_0000) == Exit::Syscall, "the parent cannot write again");
    Ok(())
}

fn model() -> Outcome {
    let mut process = Process::new(programs::read())?;
    let mut model: BTreeMap<u64, (Pfn, bool)> = BTreeMap::new();
    let mut seed = 42u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    // 3000 pages in three regions, the last across a boundary of 512 GiB.
    let at = |number: u64| match number / 1000 {
        0 => 0x1000_0000 + number * 4096,
        1 => 0x4000_0000 - 500 * 4096 + (number - 1000) * 4096,
        _ => 0x80_0000_0000 - 500 * 4096 + (number - 2000) * 4096,
    };
    for round in 0..1000 {
        let first = random(2990);
        match random(6) {
            0..=2 => {
                for number in first..(first + random(20)).min(2999) {
                    let write = random(2) == 0;
                    let pfn = match model.get(&at(number)) {
                        Some((pfn, _)) => *pfn,
                        None => page()?,
                    };
                    process.map(at(number), pfn, if write { WRITE } else { READ })?;
                    model.insert(at(number), (pfn, write));
                }
                process.commit()?;
            }
            3 => {
                let end = at(2999).min((at(first) + random(1 << 22) * 1024) & !4095);
                let gone: Vec<u64> = model.range(at(first)..end.max(at(first))).map(|(at, _)| *at).collect();
                let mut got = Vec::new();
                process
                    .tables
                    .clear_range(at(first)..end, &mut |at, pfn| got.push((at, pfn)))
                    .map_err(text)?;
                got.sort();
                check!(
                    got.iter().map(|(at, _)| *at).eq(gone.iter().copied()),
                    "round {round}: {} of {}",
                    got.len(),
                    gone.len()
                );
                for (at, pfn) in got {
                    check!(
                        model.remove(&at).is_some_and(|(known, _)| known == pfn),
                        "round {round}: wrong page"
                    );
                    free(pfn);
                }
            }
            4 => {
                let range = at(first)..at(first) + 100 * 4096;
                process.tables.protect(range.clone(), &mut |_, _| READ).map_err(text)?;
                model.range_mut(range).for_each(|(_, (_, write))| *write = false);
            }
            _ => {
                let number = random(3000);
                let exit = read_at(&mut process, at(number));
                let expected = model.contains_key(&at(number));
                check!(
                    (exit == Exit::Syscall) == expected,
                    "round {round}: page {number}: {exit:x?}, {expected}"
                );
            }
        }
        let number = random(3000);
        let leaf = process.tables.entry(at(number)).map(|leaf| (leaf.pfn, leaf.prot.write));
        check!(leaf == model.get(&at(number)).copied(), "round {round}: page {number} is {leaf:?}");
    }
    let mut count = 0;
    process
        .tables
        .clear_range(0x1000_0000..0x100_0000_0000, &mut |_, pfn| {
            free(pfn);
            count += 1
        })
        .map_err(text)?;
    check!(count == model.len(), "{count} of {}", model.len());
    Ok(())
}

fn kernel_addresses() -> Outcome {
    let mut process = Process::new(programs::read())?;
    let pfn = page()?;
    for address in [USER_END, 0x8000_0000_0000, 0xffff_8000_0000_0000, 0xffff_8800_0000_0000, u64::MAX - 4095]
    {
        check!(process.map(address, pfn, WRITE).is_err(), "{address:#x} was mapped");
    }
    free(pfn);
    process.commit()
}

fn life() -> Outcome {
    let mut process = Process::new(programs::write())?;
    for number in 0..3 {
        process.map(0x50_0000 + number * 4096, page()?, WRITE)?;
    }
    process.commit()?;
    check!(read_at(&mut process, 0x50_0000) == Exit::Syscall, "it does not run");
    Ok(())
}

fn lives() -> Outcome {
    life()?;
    let (before, tables) = (memory::usage().free, table_pages());
    for _ in 0..10_000 {
        life()?;
    }
    let after = memory::usage().free;
    check!(table_pages() == tables, "{} tables, {tables} before", table_pages());
    check!(after + 8 >= before, "{after} pages are free, {before} before");
    Ok(())
}

fn large() -> Outcome {
    // The heap keeps what it has grown to.
    grow_and_fork()?;
    let (before, tables) = (memory::usage().free, table_pages());
    grow_and_fork()?;
    check!(table_pages() == tables, "{} tables, {tables} before", table_pages());
    check!(memory::usage().free + 8 >= before, "{} pages are free, {before} before", memory::usage().free);
    Ok(())
}

fn grow_and_fork() -> Outcome {
    let mut process = Process::new(programs::touch())?;
    for number in 0..8000 {
        process.map(0x1000_0000 + number * 4096, page()?, WRITE)?;
    }
    process.commit()?;
    let r = process.context.registers_mut();
    (r.rdi, r.rsi) = (0x1000_0000, 8000);
    process.next_syscall()?;
    // SAFETY: the child dies first, without freeing its pages.
    let child = unsafe { process.tables.fork_copy(once(0..USER_END), &mut |_, _| Fork::Protect) };
    let mut child: UserTables = child.map_err(text)?;
    let mut count = 0;
    child.clear_range(0..USER_END, &mut |_, _| count += 1).map_err(text)?;
    check!(count == 8002, "the child had {count} pages");
    Ok(())
}

fn without_memory() -> Outcome {
    let mut process = Process::new(programs::write())?;
    for number in 0..1500 {
        process.map(0x1000_0000 + number * 8192, page()?, WRITE)?;
    }
    process.commit()?;
    let tables = table_pages();
    // All of the heap and all pages, down to the last that somebody could ask for.
    let mut heap: Vec<Vec<u8>> = Vec::with_capacity(100_000);
    let mut pages: Vec<Pfn> = Vec::with_capacity(40_000);
    while let (true, Ok(pfn)) = (pages.len() < pages.capacity(), page()) {
        pages.push(pfn);
    }
    for size in [65536usize, 4096, 256, 32, 8] {
        while heap.len() < heap.capacity() {
            let mut block = Vec::new();
            if block.try_reserve_exact(size).is_err() {
                break;
            }
            heap.push(block);
        }
    }
    let none = memory::usage().free;
    let new = UserTables::new().is_err();
    // What the process can still do: lose rights, and pages, and end.
    let protected =
        process.tables.protect(0x1000_0000..0x1100_0000, &mut |_, leaf| Prot { write: false, ..leaf.prot });
    let mut got = 0;
    let mut free_some = |_, pfn| {
        got += 1;
        free(pfn);
    };
    let cleared = process.tables.clear_range(0x1000_0000..0x1010_0000, &mut free_some);
    let end = 0x1000_0000 + 1500 * 8192;
    let all = process.tables.clear_range(0x1000_0000..end, &mut free_some);
    drop(process);
    let left = table_pages();
    drop(heap);
    pages.into_iter().for_each(free);
    check!(none == 0 && new, "{none} pages were free, new tables failed: {new}");
    protected.map_err(text)?;
    cleared.map_err(text)?;
    all.map_err(text)?;
    check!(got == 1500, "{got} pages came back");
    check!(left < tables - 10, "{left} of {tables} tables are left");
    Ok(())
}
