//! Address spaces against their rules, with the fake tables.

mod accounting;
mod basic;
mod broken;
mod copies;
mod faults;
mod foreign;
mod model;
mod pager;
mod random;
mod remap;

use alloc::sync::Arc;

use crate::*;

const RW: Prot = Prot::READ.union(Prot::WRITE);
const KIB4: u64 = 4096;

fn space() -> Arc<AddressSpace> {
    AddressSpace::new(Randomize::No, Limits::default()).unwrap()
}

/// Maps so many anonymous private pages anywhere.
fn anonymous(space: &AddressSpace, pages: u64) -> u64 {
    space.mmap(MapRequest::anonymous(0, pages * KIB4, RW, 0)).unwrap()
}

fn hypercalls(space: &AddressSpace) -> usize {
    space.with_tables(|tables| tables.commits())
}

/// Runs a test, and sees to it that no page is left.
fn leaves_no_page(test: impl FnOnce()) {
    space::zero_frame().unwrap();
    let before = frame::tests::live();
    test();
    assert_eq!(frame::tests::live(), before);
}
