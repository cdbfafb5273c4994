//! Pages, heap and page tables.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use minios::memory::address::{DIRECT_BASE, DYNAMIC_BASE, VIRT_BASE};
use minios::memory::{pages, paging, usage};
use xen::{Grants, PAGE_SIZE};

use crate::{Outcome, Test, check};

pub const TESTS: &[Test] = &[
    ("a_stack_has_a_guard_page_below", a_stack_has_a_guard_page_below),
    ("pages_come_zeroed_and_go_back", pages_come_zeroed_and_go_back),
    ("the_heap_keeps_what_is_put_into_it", the_heap_keeps_what_is_put_into_it),
    ("large_allocations_give_their_pages_back", large_allocations_give_their_pages_back),
    ("all_memory_can_be_used_and_then_there_is_none", all_memory_can_be_used_and_then_there_is_none),
    // After the one before, all of the direct map is there.
    ("no_page_is_writable_and_executable", no_page_is_writable_and_executable),
];

fn no_page_is_writable_and_executable() -> Outcome {
    let (mut mapped, mut executable) = (0, 0);
    let end = (usage().total * PAGE_SIZE) as u64;
    let areas = [(VIRT_BASE, end.min(1 << 30)), (DIRECT_BASE, end), (DYNAMIC_BASE, 4 << 20)];
    for (base, len) in areas {
        for address in (base..base + len).step_by(PAGE_SIZE) {
            let Some(entry) = paging::lookup(address).filter(|entry| entry.is_present()) else { continue };
            mapped += 1;
            let (writable, runs) = (entry.0 >> 1 & 1 == 1, entry.0 >> 63 == 0);
            executable += u64::from(runs);
            check!(!(writable && runs), "{address:#x} is both: entry {:#x}", entry.0);
        }
    }
    check!(mapped as usize > usage().total / 2, "only {mapped} pages seen");
    check!(executable > 0 && executable < 200, "{executable} pages are executable");
    Ok(())
}

fn a_stack_has_a_guard_page_below() -> Outcome {
    let local = 0u8;
    let mut page = (&raw const local as u64) & !(PAGE_SIZE as u64 - 1);
    check!(page >= DYNAMIC_BASE, "the stack is at {page:#x}");
    let mut pages = 0;
    while paging::lookup(page).is_some_and(|entry| entry.is_present()) {
        page -= PAGE_SIZE as u64;
        pages += 1;
        check!(pages < 64, "no guard page within {pages} pages");
    }
    Ok(())
}

fn pages_come_zeroed_and_go_back() -> Outcome {
    let before = usage().free;
    let mut all = Vec::new();
    for _ in 0..100 {
        let mut page = xen::OwnPage::new(&minios::Xen).map_err(|error| alloc::format!("{error}"))?;
        check!(page.as_slice().iter().all(|byte| *byte == 0), "a page was not zeroed");
        page.as_mut_slice().fill(0xa5);
        all.push(page);
    }
    check!(usage().free <= before - 100, "{} pages free of {before}", usage().free);
    drop(all);
    // The vector may have made the heap grow.
    check!(usage().free + 40 >= before, "{} pages free of {before}", usage().free);
    Ok(())
}

fn the_heap_keeps_what_is_put_into_it() -> Outcome {
    let mut live: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    let mut seed = 12345usize;
    for round in 0..2000 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let len = (seed >> 33) % 3000 + 1;
        live.push_back((round, vec![round as u8; len]));
        if live.len() > 100 {
            let (round, bytes) = live.remove(seed >> 40 & 63).ok_or("the queue is empty")?;
            check!(
                bytes.iter().all(|byte| *byte == round as u8),
                "an allocation of round {round} was overwritten"
            );
        }
    }
    Ok(())
}

fn large_allocations_give_their_pages_back() -> Outcome {
    let before = usage().free;
    let big = vec![7u8; 1 << 20];
    check!(usage().free <= before - 256, "{} pages free of {before}", usage().free);
    check!(big.iter().all(|byte| *byte == 7), "it was overwritten");
    drop(big);
    check!(usage().free == before, "{} pages free of {before}", usage().free);
    Ok(())
}

fn all_memory_can_be_used_and_then_there_is_none() -> Outcome {
    let before = usage().free;
    let mut all = Vec::with_capacity(before);
    let expected = usage().free;
    while let Some(page) = pages::alloc(0) {
        all.push(page);
    }
    let count = all.len();
    let refused = minios::Xen.alloc_page().is_err();
    let spawned = minios::thread::spawn(|| ()).is_err();
    for page in all.drain(..) {
        give_back(page);
    }
    check!(count == expected, "{count} pages of {expected}");
    check!(refused, "a page came out of nothing");
    check!(spawned, "a thread got a stack out of nothing");
    check!(usage().free == expected, "{} pages free of {expected}", usage().free);
    Ok(())
}

#[expect(unsafe_code, reason = "pages are given back by hand")]
fn give_back(page: core::ptr::NonNull<u8>) {
    // SAFETY: taken by `pages::alloc(0)` just before and not used.
    unsafe { pages::release(page, 0) }
}
