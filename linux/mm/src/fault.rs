//! Faults: bringing in the page that a program, or the kernel for it, wants to use.

use alloc::sync::Arc;

use linux_base::Errno;

use crate::area::{AreaFlags, Backing};
use crate::space::{PAGE, STACK_GAP, State, zero_frame, zero_number};
use crate::{AddressSpace, Frame, PageTables, Pager, Prot, USER_END};

/// Pages of a file that are mapped at once if they are in memory: an aligned block of so many.
const FAULT_AROUND: u64 = 16;
/// The same while memory is short.
const SCARCE_AROUND: u64 = 4;
/// Fresh pages at once, at most, when a program goes through memory in order.
const MAX_BATCH: u8 = 16;

/// How a page is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read.
    Read,
    /// Written.
    Write,
    /// Executed.
    Execute,
}

/// What became of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultOutcome {
    /// The program goes on.
    Handled,
    /// It gets `SIGSEGV`.
    Segv(SegvCode),
    /// It gets `SIGBUS` with `BUS_ADRERR`: behind the end of a file, or the disk failed.
    Bus,
    /// There is no memory left: it is to be killed.
    OutOfMemory,
}

/// The `si_code` of a `SIGSEGV`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegvCode {
    /// `SEGV_MAPERR`: nothing is mapped there.
    MapErr = 1,
    /// `SEGV_ACCERR`: what is there does not allow it.
    AccErr = 2,
}

/// How far a fault may go to get a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Effort {
    /// No pager is asked: locks of files may be held.
    Memory,
    /// Pagers are asked for what they have at hand.
    NoWait,
    /// Whatever it takes, with the lock released.
    Wait,
}

/// Why a page is not there.
pub(crate) enum Missing {
    /// For good.
    Refused(FaultOutcome),
    /// Until somebody has waited for it.
    Wait(Need),
}

/// A page to ask a pager for.
pub(crate) struct Need {
    pager: Arc<dyn Pager>,
    index: u64,
    for_write: bool,
}

/// A page that a pager gave.
pub(crate) struct Ready(Need, Frame);

impl From<Errno> for Missing {
    fn from(_: Errno) -> Self {
        Self::Refused(FaultOutcome::OutOfMemory)
    }
}

impl Need {
    /// Asks. May wait.
    pub fn fetch(self) -> core::result::Result<Ready, FaultOutcome> {
        match self.pager.page(self.index, self.for_write) {
            Ok(Some(frame)) => Ok(Ready(self, frame)),
            Ok(None) => Err(FaultOutcome::Bus),
            Err(Errno::ENOMEM) => Err(FaultOutcome::OutOfMemory),
            Err(_) => Err(FaultOutcome::Bus),
        }
    }
}

impl AddressSpace {
    /// Handles a fault at an address. May wait for a disk.
    pub fn fault(&self, address: u64, access: Access) -> FaultOutcome {
        self.bring_in(address, access).map_or_else(|outcome| outcome, |()| FaultOutcome::Handled)
    }

    /// As [`AddressSpace::fault`].
    pub(crate) fn bring_in(&self, address: u64, access: Access) -> core::result::Result<(), FaultOutcome> {
        let mut ready = None;
        let mut has_evicted = false;
        loop {
            let missing = self.state.lock().fault(address, access, Effort::Wait, ready.as_ref(), 1);
            let outcome = match missing {
                Ok(()) => return Ok(()),
                Err(Missing::Refused(outcome)) => outcome,
                Err(Missing::Wait(need)) => match need.fetch() {
                    Ok(page) => {
                        ready = Some(page);
                        continue;
                    }
                    Err(outcome) => outcome,
                },
            };
            // With the lock released, pages of this address space can be taken back too.
            let again =
                outcome == FaultOutcome::OutOfMemory && !has_evicted && crate::ensure_room_for_file().is_ok();
            if !again {
                return Err(outcome);
            }
            has_evicted = true;
        }
    }
}

impl State {
    /// Makes the page at an address usable. `ready` is what an earlier call asked for; `ahead` says how many pages from here on
    /// the kernel is going to use in the same way.
    pub fn fault(
        &mut self,
        address: u64,
        access: Access,
        effort: Effort,
        ready: Option<&Ready>,
        ahead: u64,
    ) -> Result<(), Missing> {
        if self.tables.broken().is_some() {
            return Err(Missing::Refused(FaultOutcome::OutOfMemory));
        }
        let page = address & !(PAGE - 1);
        let start = self.accessible(address, access)?;
        let Some(area) = self.areas.get(&start) else { return Err(not_mapped()) };
        if area.is_foreign() {
            let is_there =
                self.tables.foreign(page).is_some_and(|rights| access != Access::Write || rights.write);
            return if is_there { Ok(()) } else { Err(Missing::Refused(FaultOutcome::Bus)) };
        }
        if let Some(entry) = self.tables.entry(page) {
            if access != Access::Write || entry.rights.write {
                // Another thread was faster, or the processor had an old entry.
                return Ok(());
            }
            if area.is_shared() {
                return self.write_shared(page, start, effort, ready);
            }
            return self.unshare(page, start, entry.number);
        }
        if let Some(frame) = self.hidden.remove(&page) {
            let rights = if frame.is_unique() { area.full_rights() } else { area.read_rights() };
            let writable = rights.write;
            self.totals.resident -= 1;
            self.install(page, frame, rights)?;
            self.tables.commit()?;
            return if access == Access::Write && !writable {
                self.fault(address, access, effort, ready, ahead)
            } else {
                Ok(())
            };
        }
        match area.backing.clone() {
            None if access == Access::Write => self.fresh_pages(page, start, ahead),
            None => self.map_zeroes(page, start, ahead),
            Some(_) if area.is_shared() && access == Access::Write => {
                self.write_shared(page, start, effort, ready)
            }
            Some(backing) => self.map_object(page, start, access, &backing, effort, ready),
        }
    }

    /// The start of the area at an address, if that allows the access; grows a stack.
    fn accessible(&mut self, address: u64, access: Access) -> Result<u64, Missing> {
        if address >= USER_END {
            return Err(not_mapped());
        }
        let start = match self.area_at(address) {
            Some(area) => area.start,
            None => self.grow_stack(address)?,
        };
        let wanted = match access {
            Access::Read => Prot::all(),
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXEC,
        };
        match self.areas.get(&start) {
            Some(area) if area.prot.intersects(wanted) => Ok(start),
            _ => Err(Missing::Refused(FaultOutcome::Segv(SegvCode::AccErr))),
        }
    }

    /// Moves the start of the stack above down to an address. A limit that is met is a `SIGSEGV`.
    fn grow_stack(&mut self, address: u64) -> Result<u64, Missing> {
        let start = address & !(PAGE - 1);
        let Some((&old, area)) = self.areas.range(address..).next() else { return Err(not_mapped()) };
        if !area.flags.contains(AreaFlags::GROWS_DOWN) {
            return Err(not_mapped());
        }
        let below = self.areas.range(..address).next_back().map(|(_, area)| area);
        let has_gap = below.is_none_or(|below| below.end + STACK_GAP <= start || below.prot.is_empty());
        let bytes = old - start;
        let is_small = area.end - start <= self.limits.stack && self.has_room(bytes, false);
        if !has_gap || !is_small || start < crate::space::USER_START {
            return Err(not_mapped());
        }
        let Some(mut area) = self.areas.remove(&old) else { return Err(not_mapped()) };
        self.totals.remove(&area);
        area.set_start(start);
        self.totals.add(&area);
        self.areas.insert(start, area);
        Ok(start)
    }

    /// Maps fresh pages: one, or some when they are used in order.
    fn fresh_pages(&mut self, page: u64, start: u64, ahead: u64) -> Result<(), Missing> {
        let Some(area) = self.areas.get_mut(&start) else { return Err(not_mapped()) };
        area.batch = if page == area.next_fault { (area.batch * 2).min(MAX_BATCH) } else { 1 };
        let count = u64::from(area.batch).max(ahead.min(64)).min((area.end - page) / PAGE);
        area.next_fault = page + count * PAGE;
        area.flags |= AreaFlags::TOUCHED;
        let rights = area.full_rights();
        for address in (page..page + count * PAGE).step_by(PAGE as usize) {
            if address > page {
                if self.tables.entry(address).is_some() || self.hidden.contains_key(&address) {
                    continue;
                }
                if crate::is_scarce() {
                    break;
                }
            }
            let done = Frame::zeroed().and_then(|frame| self.install(address, frame, rights));
            if let Err(errno) = done {
                self.tables.commit()?;
                return if address == page { Err(errno.into()) } else { Ok(()) };
            }
        }
        Ok(self.tables.commit()?)
    }

    /// Maps the page of zeroes, to be read.
    fn map_zeroes(&mut self, page: u64, start: u64, ahead: u64) -> Result<(), Missing> {
        let Some(area) = self.areas.get(&start) else { return Err(not_mapped()) };
        let (rights, end) = (area.read_rights(), area.end.min(page + ahead.clamp(1, 64) * PAGE));
        // Page tables take memory too.
        crate::ensure_room()?;
        for address in (page..end).step_by(PAGE as usize) {
            let is_there = address > page
                && (self.tables.entry(address).is_some() || self.hidden.contains_key(&address));
            if !is_there {
                let done = self.install(address, zero_frame()?.clone(), rights);
                if let Err(errno) = done {
                    self.tables.commit()?;
                    return Err(errno.into());
                }
            }
        }
        Ok(self.tables.commit()?)
    }

    /// Makes a private page that is mapped read-only writable: a copy, unless nobody else has it.
    fn unshare(&mut self, page: u64, start: u64, number: usize) -> Result<(), Missing> {
        let Some(area) = self.areas.get_mut(&start) else { return Err(not_mapped()) };
        area.flags |= AreaFlags::TOUCHED;
        let rights = area.full_rights();
        if crate::frame::references(number) == 1 {
            return Ok(self.tables.protect(page, page + PAGE, &mut |_, _| rights)?);
        }
        let is_zero = Some(number) == zero_number();
        // SAFETY: the entry holds a reference.
        let old = unsafe { Frame::borrow_number(number) };
        let fresh = if is_zero { Frame::zeroed()? } else { old.copy()? };
        if is_zero {
            self.totals.add_resident();
        }
        self.swap(page, fresh, rights)
    }

    /// Maps another page in place of the one that is mapped.
    fn swap(&mut self, page: u64, frame: Frame, rights: crate::Rights) -> Result<(), Missing> {
        self.translations.forget();
        Ok(self.tables.replace(page, frame, rights)?)
    }

    /// Maps a page of an object for writes that all are to see.
    fn write_shared(
        &mut self,
        page: u64,
        start: u64,
        effort: Effort,
        ready: Option<&Ready>,
    ) -> Result<(), Missing> {
        let Some(area) = self.areas.get(&start) else { return Err(not_mapped()) };
        let Some(backing) = &area.backing else { return Err(not_mapped()) };
        let need = Need { pager: backing.pager.clone(), index: area.index(backing, page), for_write: true };
        let frame = need.matching(ready);
        let Some(frame) = frame else { return Err(need.refuse_or_wait(effort)) };
        let rights = area.full_rights();
        match self.tables.entry(page) {
            Some(entry) if entry.number == frame.number() => {
                Ok(self.tables.protect(page, page + PAGE, &mut |_, _| rights)?)
            }
            Some(_) => self.swap(page, frame, rights),
            None => {
                self.install(page, frame, rights)?;
                Ok(self.tables.commit()?)
            }
        }
    }

    /// Maps a page of an object, and those around it that are at hand; or a copy of it when it is to be written privately.
    fn map_object(
        &mut self,
        page: u64,
        start: u64,
        access: Access,
        backing: &Backing,
        effort: Effort,
        ready: Option<&Ready>,
    ) -> Result<(), Missing> {
        let Some(area) = self.areas.get_mut(&start) else { return Err(not_mapped()) };
        let need = Need { pager: backing.pager.clone(), index: area.index(backing, page), for_write: false };
        let at_hand = || if effort == Effort::Memory { None } else { need.pager.page_now(need.index) };
        let Some(frame) = need.matching(ready).or_else(at_hand) else {
            return Err(need.refuse_or_wait(effort));
        };
        if access == Access::Write {
            area.flags |= AreaFlags::TOUCHED;
            let rights = area.full_rights();
            // A page that its pager does not keep needs no copy.
            let frame = if frame.is_unique() { frame } else { frame.copy()? };
            self.install(page, frame, rights)?;
            return Ok(self.tables.commit()?);
        }
        crate::ensure_room_for_file()?;
        let (rights, end) = (area.read_rights(), area.end);
        let is_random = area.flags.contains(AreaFlags::RANDOM);
        self.install(page, frame, rights)?;
        if effort > Effort::Memory && !is_random {
            // Where memory is short, what is mapped is to be what is used.
            let around = if crate::is_scarce() { SCARCE_AROUND } else { FAULT_AROUND };
            let block = page & !(around * PAGE - 1);
            let last = end.min(block + around * PAGE);
            for address in (block.max(start)..last).step_by(PAGE as usize).filter(|address| *address != page)
            {
                if self.tables.entry(address).is_some() || self.hidden.contains_key(&address) {
                    continue;
                }
                let index = need.index.wrapping_add_signed((address as i64 - page as i64) / PAGE as i64);
                let Some(frame) = backing.pager.page_now(index) else { continue };
                if self.install(address, frame, rights).is_err() {
                    break;
                }
            }
        }
        Ok(self.tables.commit()?)
    }
}

impl Need {
    /// The page, if it is what was fetched.
    fn matching(&self, ready: Option<&Ready>) -> Option<Frame> {
        let Ready(need, frame) = ready?;
        let fits = Arc::ptr_eq(&need.pager, &self.pager)
            && need.index == self.index
            && need.for_write >= self.for_write;
        fits.then(|| frame.clone())
    }

    fn refuse_or_wait(self, effort: Effort) -> Missing {
        if effort == Effort::Wait { Missing::Wait(self) } else { Missing::Refused(FaultOutcome::Bus) }
    }
}

fn not_mapped() -> Missing {
    Missing::Refused(FaultOutcome::Segv(SegvCode::MapErr))
}
