//! Page tables whose changes are refused: the process is to be killed, and what it shared with others is whole.

use alloc::collections::BTreeMap;

use linux_base::Errno;
use linux_base::abi::general::{MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE};

use super::*;

const PAGES: u64 = if cfg!(miri) { 3 } else { 8 };
/// Where pages are moved to.
const TARGET: u64 = 0x10_0000;

/// Each entry has its reference.
fn check_references(spaces: &[&Arc<AddressSpace>]) {
    let mut users: BTreeMap<usize, u32> = BTreeMap::new();
    for space in spaces {
        let state = space.state.lock();
        state.tables.visit(0, USER_END, &mut |_, entry| *users.entry(entry.number).or_default() += 1);
        state.hidden.values().for_each(|frame| *users.entry(frame.number()).or_default() += 1);
    }
    for (number, users) in users {
        assert!(frame::references(number) >= users, "page {number:#x} has {users} users");
    }
}

fn fill(space: &AddressSpace, at: u64) {
    (0..PAGES).for_each(|page| space.write_u32(at + page * KIB4, page as u32 + 1).unwrap());
}

fn assert_filled(space: &AddressSpace, at: u64) {
    (0..PAGES).for_each(|page| assert_eq!(space.read_u32(at + page * KIB4), Ok(page as u32 + 1)));
}

/// An address space can do nothing more, but go.
fn assert_broken(space: &AddressSpace, at: u64) {
    assert_eq!(space.broken(), Some(Broken::Refused));
    for access in [Access::Read, Access::Write] {
        assert_eq!(space.fault(at, access), FaultOutcome::OutOfMemory);
    }
    assert_eq!(space.fork().err(), Some(Errno::ENOMEM));
    assert_eq!(space.munmap(at, KIB4), Ok(()));
    let _ = space.mprotect(at + KIB4, KIB4, Prot::READ.bits());
}

/// Has the first change that an operation makes refused, then the second, and so on until it passes. Once the pages are the
/// process's own, once they are shared with a child.
fn is_survived(run: impl Fn(&AddressSpace, u64)) {
    space::zero_frame().unwrap();
    let mut refused = 0;
    for is_shared in [false, true] {
        let mut changes = 0;
        loop {
            let before = frame::tests::live_numbers();
            let parent = space();
            let at = anonymous(&parent, 2 * PAGES);
            fill(&parent, at);
            let child = is_shared.then(|| parent.fork().unwrap());
            parent.with_tables(|tables| tables.refuse_after(changes));
            run(&parent, at);
            let has_passed = parent.broken().is_none();
            if has_passed {
                accounting::check(&parent);
            } else {
                assert_broken(&parent, at);
            }
            check_references(&[&parent]);
            if let Some(child) = &child {
                check_references(&[&parent, child]);
                drop(parent);
                check_references(&[child]);
                assert_filled(child, at);
                fill(child, at);
                accounting::check(child);
            } else {
                drop(parent);
            }
            drop(child);
            // What was lost by the change is lost, and no more.
            let lost: Vec<usize> = frame::tests::live_numbers().difference(&before).copied().collect();
            assert!(lost.len() <= if has_passed { 0 } else { 2 * PAGES as usize }, "{lost:x?} are lost");
            for number in lost {
                for _ in 0..frame::references(number) {
                    // SAFETY: nobody has these references any more.
                    drop(unsafe { Frame::from_number(number) });
                }
            }
            if has_passed {
                break;
            }
            changes += 1;
        }
        refused += changes;
    }
    assert!(refused > 0, "nothing was refused");
}

#[test]
fn a_fault() {
    is_survived(|space, at| {
        (PAGES..2 * PAGES).for_each(|page| {
            let _ = space.fault(at + page * KIB4, Access::Read);
            let _ = space.fault(at + page * KIB4, Access::Write);
        });
    });
}

#[test]
fn a_write_to_pages_in_order() {
    is_survived(|space, at| {
        let _ = space.write_bytes(at + PAGES * KIB4, &[7; (PAGES * KIB4) as usize]);
    });
}

#[test]
fn a_copy_of_what_a_child_has_too() {
    is_survived(|space, at| {
        let child = space.fork();
        for page in 0..PAGES {
            let _ = space.write_u32(at + page * KIB4, 77);
        }
        if let Ok(child) = child {
            assert_filled(&child, at);
        }
    });
}

#[test]
fn a_fork() {
    is_survived(|space, _| drop(space.fork()));
}

#[test]
fn a_protection() {
    is_survived(|space, at| {
        let _ = space.mprotect(at, (PAGES - 1) * KIB4, Prot::READ.bits());
        let _ = space.mprotect(at, 2 * KIB4, 0);
        let _ = space.mprotect(at, PAGES * KIB4, RW.bits());
        let _ = space.write_u32(at, 9);
    });
}

#[test]
fn an_unmapping() {
    is_survived(|space, at| {
        let _ = space.madvise(at, 2 * KIB4, MADV_DONTNEED);
        let _ = space.munmap(at, 2 * PAGES * KIB4);
    });
}

#[test]
fn a_move() {
    is_survived(|space, at| {
        let _ = space.mprotect(at + KIB4, KIB4, 0);
        let _ = space.mprotect(at + KIB4, KIB4, RW.bits());
        let flags = MREMAP_MAYMOVE | MREMAP_FIXED;
        let _ = space.mremap(at, 2 * PAGES * KIB4, 2 * PAGES * KIB4, flags, TARGET);
    });
}

#[test]
fn pages_of_files_that_are_taken_back() {
    is_survived(|space, at| {
        let file = pager::TestFile::new(PAGES as usize, PAGES as usize);
        let mut request = MapRequest::private(0, PAGES * KIB4, Prot::READ, 0, file.object(0));
        request.flags = linux_base::abi::general::MAP_SHARED;
        if let Ok(mapped) = space.mmap(request) {
            for page in 0..PAGES {
                let _ = space.read_u32(mapped + page * KIB4);
            }
        }
        evict::evict(PAGES as usize);
        let _ = space.read_u32(at);
    });
}
