//! Page tables on Xen: those of [`minios::user`], whose entries hold references to frames.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use alloc::vec::Vec;

use linux_base::{Errno, Result};
use minios::memory::Pfn;
use minios::memory::paging::MapError;
use minios::user::{self, Context, Counting, Exit, Fork, Grant, Leaf, Prot, UserTables};

use crate::view::VIEW;
use crate::{AddressSpace, Broken, Entry, Frame, Frames, Mapped, PageTables, Rights, USER_END};

/// Page tables that Xen knows.
pub struct GuestTables {
    tables: UserTables,
    broken: Option<Broken>,
    /// A number that no other tables have.
    id: u64,
}

impl AddressSpace {
    /// Enters user mode on these tables, until it comes back. No other thread runs before.
    pub fn enter(&self, context: &mut Context) -> core::result::Result<Exit, Broken> {
        self.with_tables(|tables| match tables.broken {
            None => Ok(context.enter(&tables.tables)),
            Some(broken) => Err(broken),
        })
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

fn broken(error: MapError) -> Broken {
    match error {
        MapError::OutOfMemory => Broken::OutOfMemory,
        MapError::Refused(_) => Broken::Refused,
    }
}

impl GuestTables {
    fn of(tables: UserTables) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { tables, broken: None, id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Nothing can be said about what is mapped when a change has failed, unless there was no table for it.
    fn check<T>(&mut self, done: core::result::Result<T, MapError>) -> Result<T> {
        done.map_err(|error| {
            log::error!("page tables of a process: {error}");
            self.broken = Some(broken(error));
            Errno::ENOMEM
        })
    }

    /// As [`GuestTables::check`] for what takes memory before anything is changed: that may be missing.
    fn check_room<T>(&mut self, done: core::result::Result<T, MapError>) -> Result<T> {
        match done {
            Err(MapError::OutOfMemory) => Err(Errno::ENOMEM),
            done => self.check(done),
        }
    }

    fn usable(&self) -> Result<()> {
        if self.broken.is_none() { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    fn clear_range(&mut self, range: Range<u64>, gone: &mut dyn FnMut(u64, Frame)) {
        VIEW.lock().forget(self.id, &range);
        let done = self.tables.clear_range(range, &mut |address, pfn| {
            // SAFETY: the entry held this reference and is gone.
            gone(address, unsafe { Frame::from_number(pfn.0) });
        });
        // Who clears has no way to fail: that nobody uses what is left is seen to where user mode is entered.
        let _ = self.check(done);
    }
}

impl PageTables for GuestTables {
    fn new() -> Result<Self> {
        UserTables::new().map(Self::of).map_err(|_| Errno::ENOMEM)
    }

    fn broken(&self) -> Option<Broken> {
        self.broken
    }

    fn look(&self, address: u64) -> Option<Mapped> {
        Some(match self.tables.look(address)? {
            user::Mapped::Own(leaf) => Mapped::Own(entry(leaf)),
            user::Mapped::Foreign(leaf) => Mapped::Foreign(Rights { write: leaf.write, execute: false }),
        })
    }

    fn set(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        self.usable()?;
        // SAFETY: a frame belongs to user programs, and the entry keeps a reference.
        let done = unsafe { self.tables.set(address, Some((Pfn(frame.number()), rights.prot()))) };
        self.check_room(done)?;
        frame.into_number();
        Ok(())
    }

    fn replace(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        let old = self.tables.entry(address).ok_or(Errno::ENOMEM)?;
        self.set(address, frame, rights)?;
        self.commit()?;
        // SAFETY: the entry held this reference and is overwritten.
        drop(unsafe { Frame::from_number(old.pfn.0) });
        Ok(())
    }

    fn take(&mut self, address: u64) -> Option<Frame> {
        self.usable().ok()?;
        let old = self.tables.entry(address)?;
        // SAFETY: nothing becomes user mode's by unmapping.
        let done = unsafe { self.tables.set(address, None) };
        self.check(done).ok()?;
        // SAFETY: the entry held this reference and is to go.
        Some(unsafe { Frame::from_number(old.pfn.0) })
    }

    fn visit(&self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry)) {
        self.tables.visit(start..end, &mut |address, leaf| each(address, entry(leaf)));
    }

    fn protect(&mut self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry) -> Rights) -> Result<()> {
        self.usable()?;
        let done = self.tables.protect(start..end, &mut |address, leaf| each(address, entry(leaf)).prot());
        self.check(done)
    }

    fn clear(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame)) {
        if self.broken.is_none() {
            self.clear_range(start..end, gone);
        }
    }

    fn map_foreign(
        &mut self,
        address: u64,
        domain: u16,
        frames: Frames<'_>,
        write: bool,
        errors: &mut [i32],
    ) -> Result<()> {
        self.usable()?;
        let counting = match frames {
            Frames::Guest(_) => Counting::Guest,
            Frames::Machine(_) => Counting::Machine,
        };
        let done = self.tables.map_foreign(address, domain, frames.numbers(), counting, write, errors);
        self.check_room(done)
    }

    fn map_grants(
        &mut self,
        address: u64,
        grants: &[(u16, u32)],
        write: bool,
        status: &mut [i16],
    ) -> Result<()> {
        self.usable()?;
        let mut list = Vec::new();
        list.try_reserve_exact(grants.len())?;
        list.extend(grants.iter().map(|&(domain, gref)| Grant { domain, gref }));
        let done = self.tables.map_grants(address, &list, write, status);
        self.check_room(done)
    }

    fn show(
        &mut self,
        address: u64,
        pages: usize,
        domain: u16,
        run: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<()> {
        self.usable()?;
        let mut view = VIEW.lock();
        let (bytes, shown) = view.show(&self.tables, self.id, address, pages, domain)?;
        run(bytes, shown.min(pages));
        Ok(())
    }

    fn fork(&mut self, ranges: &[Range<u64>], each: &mut dyn FnMut(u64, Entry)) -> Result<Self> {
        self.usable()?;
        let mut shared = 0;
        let mut decide = |address, leaf: Leaf| {
            // SAFETY: the entry holds a reference; the child's gets this one.
            unsafe { Frame::borrow_number(leaf.pfn.0) }.into_number();
            shared += 1;
            each(address, entry(leaf));
            Fork::Protect
        };
        // SAFETY: what the parent's entries map may be user mode's, and the child's entries hold references too.
        let child = unsafe { self.tables.fork_copy(ranges.iter().cloned(), &mut decide) };
        if matches!(child, Err(MapError::OutOfMemory)) {
            // The child was never there: the references for it go, in the same order.
            for range in ranges {
                self.tables.visit(range.clone(), &mut |_, leaf| {
                    if shared > 0 {
                        shared -= 1;
                        // SAFETY: taken above for an entry that is not there.
                        drop(unsafe { Frame::from_number(leaf.pfn.0) });
                    }
                });
            }
        }
        self.check_room(child).map(Self::of)
    }

    fn commit(&mut self) -> Result<()> {
        self.usable()?;
        let done = self.tables.commit();
        self.check(done)
    }

    fn table_pages(&self) -> usize {
        self.tables.count_tables()
    }
}

impl Drop for GuestTables {
    fn drop(&mut self) {
        // Also of broken tables, as far as it goes: it takes no memory.
        self.clear_range(0..USER_END, &mut |_, frame| drop(frame));
    }
}
