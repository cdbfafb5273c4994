//! `mlock` and its relatives. Nothing is ever swapped out, so a locked page is one that was brought in and is counted.

use linux_base::{Errno, Result};

use crate::AddressSpace;
use crate::area::AreaFlags;
use crate::space::{MAX_AREAS, PAGE, Removed, State, page_range};

impl AddressSpace {
    /// Locks (or unlocks) the pages of a range, as `mlock2(2)` and `munlock(2)`: `ENOMEM` for a hole or a limit, `EPERM` when the
    /// limit is zero. `brings_in` is the lack of `MLOCK_ONFAULT`. May wait for a disk.
    pub fn mlock(&self, start: u64, len: u64, locks: bool, brings_in: bool) -> Result<()> {
        let first = start / PAGE * PAGE;
        let len = len.checked_add(start - first).ok_or(Errno::EINVAL)?;
        let (start, end) = page_range(first, len).ok_or(Errno::ENOMEM)?;
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        if locks {
            if state.limits.locked == 0 {
                return Err(Errno::EPERM);
            }
            let already: u64 = state
                .overlapping(start, end)
                .filter(|area| area.flags.contains(AreaFlags::LOCKED))
                .map(|area| area.end.min(end) - area.start.max(start))
                .sum();
            if !state.may_lock(end - start - already) {
                return Err(Errno::ENOMEM);
            }
        }
        let result = state.change_flags(start, end, AreaFlags::LOCKED, locks, &mut removed);
        drop(state);
        result?;
        if locks && brings_in {
            self.populate(start, end);
        }
        Ok(())
    }

    /// Locks what is mapped now, what will be, or both, as `mlockall(2)`; unlocks all with neither, as `munlockall(2)`.
    /// `EPERM` and `ENOMEM` as for [`AddressSpace::mlock`]. May wait for a disk.
    pub fn mlock_all(&self, current: bool, future: bool, brings_in: bool) -> Result<()> {
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        if current || future {
            if state.limits.locked == 0 {
                return Err(Errno::EPERM);
            }
            if current && state.totals.size.saturating_mul(PAGE) > state.limits.locked {
                return Err(Errno::ENOMEM);
            }
        }
        state.lock_future = future;
        let mut at = 0;
        while let Some(area) = state.areas.range(at..).next().map(|(_, area)| (area.start, area.end)) {
            at = area.1;
            if current || !future {
                state.change_flags(area.0, area.1, AreaFlags::LOCKED, current, &mut removed)?;
            }
        }
        drop(state);
        let mut at = 0;
        while current
            && brings_in
            && let Some(area) = self.area_after(at)
        {
            self.populate(area.start, area.end);
            at = area.end;
        }
        Ok(())
    }
}

impl State {
    /// Whether so many bytes more may be locked.
    pub fn may_lock(&self, bytes: u64) -> bool {
        (self.totals.locked * PAGE).checked_add(bytes).is_some_and(|sum| sum <= self.limits.locked)
    }

    /// Sets or clears flags on a range; `ENOMEM` for a hole (the rest is changed) or too many areas.
    pub fn change_flags(
        &mut self,
        start: u64,
        end: u64,
        flags: AreaFlags,
        on: bool,
        removed: &mut Removed,
    ) -> Result<()> {
        if self.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        crate::ensure_room()?;
        let has_hole = self.mapped_bytes(start, end) != end - start;
        let mut at = start;
        while at < end {
            let next = self
                .overlapping(at, end)
                .next()
                .map(|area| (area.start.max(at), area.end.min(end), area.flags));
            let Some((from, to, old)) = next else { break };
            at = to;
            if old.contains(flags) == on {
                continue;
            }
            self.split_at(from);
            self.split_at(to);
            if let Some(area) = self.areas.get_mut(&from) {
                self.totals.remove(area);
                area.flags.set(flags, on);
                self.totals.add(area);
            }
            self.merge_at(from, removed);
            self.merge_at(to, removed);
        }
        if has_hole { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}
