//! Page tables on Xen: those of [`minios::user`], whose entries hold references to frames.

use core::ops::Range;

use linux_base::{Errno, Result};
use minios::memory::Pfn;
use minios::memory::paging::MapError;
use minios::user::{self, Context, Exit, Fork, Leaf, Prot, UserTables};

use crate::space::PAGE;
use crate::{AddressSpace, Entry, Frame, PageTables, Rights, USER_END};

/// Page tables that Xen knows.
pub struct GuestTables(UserTables);

impl AddressSpace {
    /// Runs user code on these tables until it comes back. When events were pending, other threads may have run: it comes back with
    /// [`Exit::Event`] then, without having been in user mode.
    pub fn run(&self, context: &mut Context) -> Exit {
        // Not under the lock: one of the others may be of this process.
        if user::settle() {
            return Exit::Event;
        }
        self.with_tables(|tables| context.enter(&tables.0))
    }
}

impl GuestTables {
    /// The tables themselves.
    pub fn user_tables(&self) -> &UserTables {
        &self.0
    }
}

impl Rights {
    fn prot(self) -> Prot {
        Prot { write: self.write, execute: self.execute }
    }
}

fn entry(leaf: Leaf) -> Entry {
    let rights = Rights { write: leaf.prot.write, execute: leaf.prot.execute };
    Entry { number: leaf.pfn.0, rights, dirty: leaf.dirty }
}

/// That Xen refuses an update of ours is a bug: nothing can be said about what is mapped then.
fn errno(error: MapError) -> Errno {
    match error {
        MapError::OutOfMemory => Errno::ENOMEM,
        MapError::Refused(_) => panic!("page tables of a process: {error}"),
    }
}

/// Does something that must not fail to a range. It needs memory for lists; when there is not enough, it is done by parts.
fn in_parts(range: Range<u64>, run: &mut dyn FnMut(Range<u64>) -> core::result::Result<(), MapError>) {
    let Err(error) = run(range.clone()).map_err(errno) else { return };
    let pages = (range.end - range.start) / PAGE;
    assert!(pages > 1, "page tables of a process: {error} for the change of one page");
    let middle = range.start + pages / 2 * PAGE;
    in_parts(range.start..middle, run);
    in_parts(middle..range.end, run);
}

impl PageTables for GuestTables {
    fn new() -> Result<Self> {
        UserTables::new().map(Self).map_err(errno)
    }

    fn entry(&self, address: u64) -> Option<Entry> {
        self.0.entry(address).map(entry)
    }

    fn set(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        // SAFETY: a frame belongs to user programs, and the entry keeps a reference.
        unsafe { self.0.set(address, Some((Pfn(frame.number()), rights.prot()))) }.map_err(errno)?;
        frame.into_number();
        Ok(())
    }

    fn replace(&mut self, address: u64, frame: Frame, rights: Rights) -> Option<Frame> {
        let old = self.0.entry(address)?;
        self.set(address, frame, rights).ok()?;
        // SAFETY: the entry held this reference and is overwritten.
        Some(unsafe { Frame::from_number(old.pfn.0) })
    }

    fn take(&mut self, address: u64) -> Option<Frame> {
        let old = self.0.entry(address)?;
        // SAFETY: nothing becomes user mode's by unmapping.
        unsafe { self.0.set(address, None) }.map_err(errno).ok()?;
        // SAFETY: as in `replace`.
        Some(unsafe { Frame::from_number(old.pfn.0) })
    }

    fn visit(&self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry)) {
        self.0.visit(start..end, &mut |address, leaf| each(address, entry(leaf)));
    }

    fn protect(&mut self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry) -> Rights) {
        in_parts(start..end, &mut |part| {
            self.0.protect(part, &mut |address, leaf| each(address, entry(leaf)).prot())
        });
    }

    fn clear(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame)) {
        in_parts(start..end, &mut |part| {
            self.0.clear_range(part, &mut |address, pfn| {
                // SAFETY: the entry held this reference and is gone.
                gone(address, unsafe { Frame::from_number(pfn.0) });
            })
        });
    }

    fn fork(&mut self, ranges: &[Range<u64>], each: &mut dyn FnMut(u64, Entry)) -> Result<Self> {
        let mut shared = 0;
        let mut decide = |address, leaf: Leaf| {
            // SAFETY: the entry holds a reference; the child's gets this one.
            unsafe { Frame::borrow_number(leaf.pfn.0) }.into_number();
            shared += 1;
            each(address, entry(leaf));
            Fork::Protect
        };
        // SAFETY: what the parent's entries map may be user mode's, and the child's entries hold references too.
        let child = unsafe { self.0.fork_copy(ranges.iter().cloned(), &mut decide) };
        child.map(Self).map_err(|error| {
            // The child was never there: the references for it go, in the same order.
            for range in ranges {
                self.0.visit(range.clone(), &mut |_, leaf| {
                    if shared > 0 {
                        shared -= 1;
                        // SAFETY: taken above for an entry that is not there.
                        drop(unsafe { Frame::from_number(leaf.pfn.0) });
                    }
                });
            }
            errno(error)
        })
    }

    fn commit(&mut self) {
        if let Err(error) = self.0.commit().map_err(errno) {
            panic!("page tables of a process: {error} for an update");
        }
    }

    fn table_pages(&self) -> usize {
        self.0.count_tables()
    }
}

impl Drop for GuestTables {
    fn drop(&mut self) {
        self.clear(0, USER_END, &mut |_, frame| drop(frame));
    }
}
