//! `madvise`, `mincore` and `msync`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::abi::general::{
    MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE,
    MADV_HUGEPAGE, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT,
    MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM, MADV_REMOVE, MADV_SEQUENTIAL, MADV_UNMERGEABLE,
    MADV_WILLNEED, MADV_WIPEONFORK, MS_ASYNC, MS_INVALIDATE, MS_SYNC,
};
use linux_base::{Errno, Result};

use crate::area::{Area, AreaFlags};
use crate::space::{PAGE, Removed, State, page_range};
use crate::{Access, AddressSpace, FaultOutcome, PageTables, Pager, USER_END};

/// A part of an object: pager, first page, pages.
type Part = (Arc<dyn Pager>, u64, u64);

impl AddressSpace {
    /// Takes advice on a range, as `madvise(2)`: `EINVAL` for what is unknown or does not fit, `ENOMEM` for a hole (the rest is
    /// done), `EACCES` and `EOPNOTSUPP` for `MADV_REMOVE` of what is not shared and writable. May wait for a disk.
    pub fn madvise(&self, start: u64, len: u64, advice: u32) -> Result<()> {
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let end = start.checked_add(len).and_then(|end| end.checked_next_multiple_of(PAGE));
        if end.ok_or(Errno::EINVAL)? > USER_END {
            return Err(Errno::ENOMEM);
        }
        let (start, end) = page_range(start, len).ok_or(Errno::EINVAL)?;
        if start == end {
            return Ok(());
        }
        let needs_pages = matches!(advice, MADV_DONTNEED | MADV_REMOVE | MADV_DOFORK | MADV_DODUMP);
        if needs_pages && self.state.lock().overlapping(start, end).any(Area::is_foreign) {
            return Err(Errno::EINVAL);
        }
        let mut removed = Removed::new();
        let mut flag = |flag, on| self.state.lock().change_flags(start, end, flag, on, &mut removed);
        match advice {
            MADV_NORMAL | MADV_SEQUENTIAL => flag(AreaFlags::RANDOM, false),
            MADV_RANDOM => flag(AreaFlags::RANDOM, true),
            MADV_DONTFORK => flag(AreaFlags::DONT_FORK, true),
            MADV_DOFORK => flag(AreaFlags::DONT_FORK, false),
            MADV_DONTDUMP => flag(AreaFlags::DONT_DUMP, true),
            MADV_DODUMP => flag(AreaFlags::DONT_DUMP, false),
            MADV_WIPEONFORK if !self.state.lock().is_private_memory(start, end) => Err(Errno::EINVAL),
            MADV_WIPEONFORK => flag(AreaFlags::WIPE_ON_FORK, true),
            MADV_KEEPONFORK => flag(AreaFlags::WIPE_ON_FORK, false),
            MADV_DONTNEED => self.state.lock().discard(start, end),
            MADV_FREE if !self.state.lock().is_private_memory(start, end) => Err(Errno::EINVAL),
            MADV_FREE => self.state.lock().discard(start, end),
            MADV_REMOVE => self.punch(start, end),
            MADV_POPULATE_READ => self.populate_or_fail(start, end, Access::Read),
            MADV_POPULATE_WRITE => self.populate_or_fail(start, end, Access::Write),
            MADV_WILLNEED | MADV_COLD | MADV_PAGEOUT | MADV_HUGEPAGE | MADV_NOHUGEPAGE | MADV_MERGEABLE
            | MADV_UNMERGEABLE => self.state.lock().check_whole(start, end),
            _ => Err(Errno::EINVAL),
        }
    }

    fn punch(&self, start: u64, end: u64) -> Result<()> {
        let parts = self.state.lock().parts(start, end, |area| {
            let may = area.is_shared() && area.prot.contains(crate::Prot::WRITE);
            if area.flags.contains(AreaFlags::LOCKED) || area.backing.is_none() {
                Err(Errno::EINVAL)
            } else if may {
                Ok(())
            } else {
                Err(Errno::EACCES)
            }
        })?;
        self.state.lock().drop_pages(start, end);
        parts.iter().try_for_each(|(pager, first, count)| pager.remove(*first, *count))
    }

    fn populate_or_fail(&self, start: u64, end: u64, access: Access) -> Result<()> {
        for address in (start..end).step_by(PAGE as usize) {
            self.bring_in(address, access).map_err(|outcome| match outcome {
                FaultOutcome::Segv(crate::SegvCode::AccErr) => Errno::EINVAL,
                FaultOutcome::Bus => Errno::EFAULT,
                _ => Errno::ENOMEM,
            })?;
        }
        Ok(())
    }

    /// Says which pages are in memory, a byte each at `into`, as `mincore(2)`: `EINVAL` for bad alignment, `ENOMEM` for a hole,
    /// `EFAULT` for a bad `into`. May wait for a disk.
    pub fn mincore(&self, start: u64, len: u64, into: u64) -> Result<()> {
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let (start, end) = page_range(start, len).ok_or(Errno::ENOMEM)?;
        let (mut at, mut to) = (start, into);
        while at < end {
            let mut bytes = [0; 256];
            let mut count = 0;
            {
                let state = self.state.lock();
                for byte in &mut bytes {
                    if at == end {
                        break;
                    }
                    *byte = u8::from(state.is_in_memory(at)?);
                    at += PAGE;
                    count += 1;
                }
            }
            self.write_bytes(to, bytes.get(..count).unwrap_or_default())?;
            to += count as u64;
        }
        Ok(())
    }

    /// Writes back what was written to shared mappings, as `msync(2)`: `EINVAL` for bad flags or alignment, `ENOMEM` for a hole,
    /// `EBUSY` for `MS_INVALIDATE` of locked pages. May wait for a disk.
    pub fn msync(&self, start: u64, len: u64, flags: u32) -> Result<()> {
        let is_bad = flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0
            || flags & MS_ASYNC != 0 && flags & MS_SYNC != 0;
        if is_bad || !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let (start, end) = page_range(start, len).ok_or(Errno::ENOMEM)?;
        if start == end {
            return Ok(());
        }
        let parts = self.state.lock().parts(start, end, |area| {
            let is_locked = area.flags.contains(AreaFlags::LOCKED);
            if is_locked && flags & MS_INVALIDATE != 0 { Err(Errno::EBUSY) } else { Ok(()) }
        })?;
        if flags & MS_SYNC != 0 {
            parts.iter().try_for_each(|(pager, first, count)| pager.sync(*first, *count))?;
        }
        Ok(())
    }
}

impl State {
    fn check_whole(&self, start: u64, end: u64) -> Result<()> {
        if self.mapped_bytes(start, end) == end - start { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    fn is_private_memory(&self, start: u64, end: u64) -> bool {
        self.overlapping(start, end).all(|area| area.backing.is_none())
    }

    /// Drops the pages of a range: what has an object is read from it again, the rest is zeroes.
    fn discard(&mut self, start: u64, end: u64) -> Result<()> {
        if self.overlapping(start, end).any(|area| area.flags.contains(AreaFlags::LOCKED)) {
            return Err(Errno::EINVAL);
        }
        self.drop_pages(start, end);
        self.check_whole(start, end)
    }

    /// The parts of objects that are mapped shared in a range, if `check` agrees to each area; `ENOMEM` for a hole.
    fn parts(&self, start: u64, end: u64, check: impl Fn(&Area) -> Result<()>) -> Result<Vec<Part>> {
        self.check_whole(start, end)?;
        let mut parts: Vec<Part> = Vec::new();
        for area in self.overlapping(start, end) {
            check(area)?;
            if let Some(backing) = area.backing.as_ref().filter(|_| area.is_shared()) {
                let (from, to) = (area.start.max(start), area.end.min(end));
                parts.try_reserve(1)?;
                parts.push((backing.pager.clone(), area.index(backing, from), (to - from) / PAGE));
            }
        }
        Ok(parts)
    }

    fn is_in_memory(&self, address: u64) -> Result<bool> {
        let area = self.area_at(address).ok_or(Errno::ENOMEM)?;
        let at_hand = || {
            let backing = area.backing.as_ref()?;
            backing.pager.page_now(area.index(backing, address))
        };
        let is_foreign = area.is_foreign() && self.tables.foreign(address).is_some();
        Ok(is_foreign
            || self.tables.entry(address).is_some()
            || self.hidden.contains_key(&address)
            || at_hand().is_some())
    }
}
