//! `mprotect`.

use linux_base::abi::general::{PROT_GROWSDOWN, PROT_GROWSUP, PROT_SEM};
use linux_base::{Errno, Result};

use crate::area::{Area, AreaFlags};
use crate::space::{MAX_AREAS, PAGE, Removed, State, is_obvious_overcommit, page_range, parse_prot};
use crate::{AddressSpace, Frame, PageTables, Prot};

impl AddressSpace {
    /// Changes what a range allows, as `mprotect(2)`: `EINVAL` for bad alignment or bits, `ENOMEM` for a hole (what lies before it
    /// is changed), a limit or too many areas, `EACCES` where that is not allowed.
    pub fn mprotect(&self, start: u64, len: u64, prot: u32) -> Result<()> {
        let to_area_start = prot & PROT_GROWSDOWN != 0;
        let prot = parse_prot(prot & !(PROT_SEM | PROT_GROWSDOWN)).ok_or(Errno::EINVAL)?;
        if !start.is_multiple_of(PAGE) || prot.bits() & PROT_GROWSUP != 0 {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let (mut start, end) = page_range(start, len).ok_or(Errno::ENOMEM)?;
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        if to_area_start {
            let area = state.area_at(start).ok_or(Errno::ENOMEM)?;
            if !area.flags.contains(AreaFlags::GROWS_DOWN) {
                return Err(Errno::EINVAL);
            }
            start = area.start;
        }
        let result = state.protect(start, end, prot, &mut removed);
        drop(state);
        result
    }
}

impl State {
    fn protect(&mut self, start: u64, end: u64, prot: Prot, removed: &mut Removed) -> Result<()> {
        let mut at = start;
        while at < end {
            let area = self.area_at(at).ok_or(Errno::ENOMEM)?;
            if !area.allowed.contains(prot) {
                return Err(Errno::EACCES);
            }
            let stop = area.end.min(end);
            if area.prot == prot {
                at = stop;
                continue;
            }
            // What its entries allow is part of what the other domain was asked for.
            if area.is_foreign() {
                return Err(Errno::EACCES);
            }
            let becomes_data = prot.contains(Prot::WRITE)
                && !area.is_data()
                && !area.flags.intersects(AreaFlags::SHARED | AreaFlags::GROWS_DOWN);
            let splits = usize::from(area.start < at) + usize::from(stop < area.end);
            let too_much =
                becomes_data && (self.totals.data * PAGE).saturating_add(stop - at) > self.limits.data;
            if too_much || self.areas.len() + splits > MAX_AREAS {
                return Err(Errno::ENOMEM);
            }
            let writable = Area::anonymous(at, stop, prot);
            let is_reserved = area.flags.contains(AreaFlags::NO_RESERVE);
            if becomes_data && !is_reserved && is_obvious_overcommit(&writable, stop - at) {
                return Err(Errno::ENOMEM);
            }
            // Pages that may not be touched are kept in a map.
            let hidden = if prot.is_empty() { self.totals.resident.min((stop - at) / PAGE) / 64 } else { 0 };
            if splits > 0 || hidden > 0 {
                crate::room::ensure_free(hidden as usize)?;
            }
            self.protect_within(at, stop, prot, removed)?;
            at = stop;
        }
        Ok(())
    }

    /// Changes a range that lies in one area.
    fn protect_within(&mut self, start: u64, end: u64, prot: Prot, removed: &mut Removed) -> Result<()> {
        self.split_at(start);
        self.split_at(end);
        let Some(area) = self.areas.get_mut(&start) else { return Ok(()) };
        self.totals.remove(area);
        area.prot = prot;
        self.totals.add(area);
        let (full, read, is_shared) = (area.full_rights(), area.read_rights(), area.is_shared());
        self.translations.forget();
        let done = if prot.is_empty() {
            self.hide(start, end, is_shared);
            Ok(())
        } else {
            self.tables.protect(start, end, &mut |_, entry| {
                // What is written for the first time, or is somebody else's as well, is to fault once more.
                let keeps =
                    if is_shared { entry.rights.write } else { crate::frame::references(entry.number) == 1 };
                if keeps { full } else { read }
            })
        };
        self.merge_at(start, removed);
        self.merge_at(end, removed);
        done
    }

    /// Unmaps the pages of a range; those that nobody else has are kept aside.
    fn hide(&mut self, start: u64, end: u64, is_shared: bool) {
        if is_shared {
            return self.drop_pages(start, end);
        }
        let (hidden, zero) = (&mut self.hidden, crate::space::zero_number());
        self.tables.clear(start, end, &mut |address, frame: Frame| {
            if Some(frame.number()) != zero {
                hidden.insert(address, frame);
            }
        });
    }
}
