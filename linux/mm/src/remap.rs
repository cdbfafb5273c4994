//! `mremap`.

use linux_base::abi::general::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE};
use linux_base::{Errno, Result};

use crate::area::{Area, AreaFlags};
use crate::space::{
    MAX_AREAS, PAGE, Removed, State, USER_END, USER_START, is_obvious_overcommit, page_range,
};
use crate::{AddressSpace, PageTables};

/// Pages that are moved with one update of the tables.
const MOVED_AT_ONCE: usize = 64;

impl AddressSpace {
    /// Grows, shrinks or moves a mapping and returns where it is, as `mremap(2)`.
    ///
    /// `EINVAL` for bad flags, alignment, lengths and overlap, `EFAULT` if the range is not one mapping, or
    /// one of foreign frames that is not to shrink, `ENOMEM` when there is no
    /// room where it is or at all, or a limit is met, `EAGAIN` for more locked memory than the limit.
    pub fn mremap(&self, old: u64, old_len: u64, new_len: u64, flags: u32, new: u64) -> Result<u64> {
        let is_fixed = flags & MREMAP_FIXED != 0;
        let keeps = flags & MREMAP_DONTUNMAP != 0;
        let may_move = flags & MREMAP_MAYMOVE != 0;
        let is_bad = flags & !(MREMAP_FIXED | MREMAP_DONTUNMAP | MREMAP_MAYMOVE) != 0
            || (is_fixed || keeps) && !may_move;
        if is_bad || !old.is_multiple_of(PAGE) || new_len == 0 || keeps && old_len != new_len {
            return Err(Errno::EINVAL);
        }
        let (_, old_end) = page_range(old, old_len).ok_or(Errno::EFAULT)?;
        let new_len =
            new_len.checked_next_multiple_of(PAGE).filter(|len| *len <= USER_END).ok_or(Errno::EINVAL)?;
        let old_len = old_end - old;
        crate::ensure_room()?;

        let mut removed = Removed::new();
        let mut state = self.state.lock();
        let target = if is_fixed {
            let (target, end) = page_range(new, new_len).ok_or(Errno::EINVAL)?;
            if !target.is_multiple_of(PAGE) || target < old_end && old < end {
                return Err(Errno::EINVAL);
            }
            if target < USER_START {
                return Err(Errno::EPERM);
            }
            Some(target)
        } else {
            None
        };
        let area = state.area_at(old).ok_or(Errno::EFAULT)?;
        if old_len == 0 && !area.is_shared() {
            return Err(Errno::EINVAL);
        }
        if old_end > area.end {
            return Err(Errno::EFAULT);
        }
        let shrinks = !is_fixed && !keeps && old_len > 0 && new_len <= old_len;
        if area.is_foreign() && !shrinks {
            return Err(Errno::EFAULT);
        }
        if keeps && area.flags.contains(AreaFlags::GROWS_DOWN) {
            return Err(Errno::EINVAL);
        }
        let (is_data, is_locked, ends_here) =
            (area.is_data(), area.flags.contains(AreaFlags::LOCKED), area.end == old_end);
        let growth = if old_len == 0 { new_len } else { new_len.saturating_sub(old_len) };
        let growth = if keeps { new_len } else { growth };
        if is_obvious_overcommit(area, growth) {
            return Err(Errno::ENOMEM);
        }
        if is_locked && growth > 0 && !state.may_lock(growth) {
            return Err(Errno::EAGAIN);
        }

        if target.is_none() && !keeps && old_len > 0 {
            if new_len <= old_len {
                state.unmap(old + new_len, old_end, &mut removed);
                drop(state);
                return Ok(old);
            }
            if !state.has_room(growth, is_data) {
                return Err(Errno::ENOMEM);
            }
            let fits = page_range(old, new_len).is_some_and(|(_, end)| state.is_free(old_end, end));
            if ends_here && fits {
                state.grow_area(old, growth, &mut removed);
                drop(state);
                if is_locked {
                    self.populate(old_end, old + new_len);
                }
                return Ok(old);
            }
            if !may_move {
                return Err(Errno::ENOMEM);
            }
        }
        if state.areas.len() + 4 > MAX_AREAS || !state.has_room(growth, is_data) {
            return Err(Errno::ENOMEM);
        }
        let target = match target {
            Some(target) => {
                state.unmap(target, target + new_len, &mut removed);
                target
            }
            None => state.free_place(new_len).ok_or(Errno::ENOMEM)?,
        };
        let moved = old_len.min(new_len);
        let result = state.relocate(old, moved, target, new_len, &mut removed);
        if result.is_ok() && !keeps && old_len > 0 {
            state.unmap(old, old_end, &mut removed);
        }
        drop(state);
        result?;
        if is_locked && new_len > old_len {
            self.populate(target + old_len, target + new_len);
        }
        Ok(target)
    }
}

impl State {
    /// Makes the area at an address longer; what is behind it is free.
    fn grow_area(&mut self, address: u64, bytes: u64, removed: &mut Removed) {
        let Some(start) = self.area_at(address).map(|area| area.start) else { return };
        let Some(area) = self.areas.get_mut(&start) else { return };
        self.totals.remove(area);
        area.end += bytes;
        self.totals.add(area);
        self.merge_at(start, removed);
    }

    /// Makes an area of `len` bytes at `target` as the one at `old`, and moves the pages of the first `moved` bytes there.
    fn relocate(&mut self, old: u64, moved: u64, target: u64, len: u64, removed: &mut Removed) -> Result<()> {
        let source = self.area_at(old).ok_or(Errno::EFAULT)?;
        let mut area: Area = source.clone();
        area.set_start(old);
        area.end = target + len;
        area.start = target;
        area.next_fault = 0;
        self.move_pages(old, old + moved, target)?;
        self.insert(area, removed);
        Ok(())
    }

    /// Moves pages that are there. When that fails for want of a page table all are back where they were.
    fn move_pages(&mut self, start: u64, end: u64, target: u64) -> Result<()> {
        self.translations.forget();
        let mut at = start;
        while at < end {
            let next = end.min(at.saturating_add(MOVED_AT_ONCE as u64 * PAGE));
            self.move_few(at, next, target + (at - start))
                .inspect_err(|_| self.move_back(start, at, target))?;
            at = next;
        }
        // The two ranges share nothing.
        while let Some((&address, _)) = self.hidden.range(start..end).next() {
            if let Some(frame) = self.hidden.remove(&address) {
                self.hidden.insert(address - start + target, frame);
            }
        }
        Ok(())
    }

    /// Moves the pages of a range that has no more than [`MOVED_AT_ONCE`].
    fn move_few(&mut self, start: u64, end: u64, target: u64) -> Result<()> {
        let mut found = [(0u64, crate::Rights::default()); MOVED_AT_ONCE];
        let mut count = 0;
        self.tables.visit(start, end, &mut |address, entry| {
            if let Some(slot) = found.get_mut(count) {
                *slot = (address, entry.rights);
                count += 1;
            }
        });
        // Both entries have a reference until the change is made.
        let mut taken = [const { None }; MOVED_AT_ONCE];
        let mut result = Ok(());
        let mut failed_at = end;
        for ((address, rights), taken) in found.iter().take(count).zip(&mut taken) {
            let Some(frame) = self.tables.take(*address) else { continue };
            result = self.tables.set(*address - start + target, frame.clone(), *rights);
            *taken = Some(frame);
            if result.is_err() {
                failed_at = *address;
                break;
            }
        }
        if let Err(errno) = self.tables.commit() {
            // Which of the entries are there nobody knows.
            core::mem::forget(taken);
            return Err(errno);
        }
        if result.is_err() {
            self.hidden.extend(taken.into_iter().flatten().last().map(|frame| (failed_at, frame)));
            self.move_back(start, failed_at, target);
        }
        result
    }

    /// Undoes a part of [`State::move_pages`]: the pages are kept aside, which needs no table.
    fn move_back(&mut self, start: u64, end: u64, target: u64) {
        let hidden = &mut self.hidden;
        self.tables.clear(target, target + (end - start), &mut |address, frame| {
            hidden.insert(address - target + start, frame);
        });
    }
}
