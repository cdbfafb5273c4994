//! Copies between the kernel and the memory of a program.

use alloc::vec::Vec;
use core::cell::Cell;

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use crate::area::Origin;
use crate::fault::{Effort, Missing};
use crate::space::{PAGE, State};
use crate::span::Span;
use crate::{Access, AddressSpace, Entry, FaultOutcome, Frame, Mapped, PAGE_SIZE, PageTables, USER_END};

/// Pages that were found lately.
#[derive(Default)]
pub(crate) struct Translations([Cell<Translation>; Self::LEN]);

#[derive(Clone, Copy, Default)]
struct Translation {
    /// Address of the page; 0 is none.
    page: u64,
    number: usize,
    is_writable: bool,
}

impl Translations {
    const LEN: usize = 8;

    fn slot(&self, page: u64) -> &Cell<Translation> {
        &self.0[(page / PAGE) as usize % Self::LEN]
    }

    /// Forgets all: to be called before an entry loses rights or its page.
    pub fn forget(&self) {
        for slot in &self.0 {
            slot.set(Translation::default());
        }
    }
}

/// What is at an address.
enum Found {
    /// The page of a number.
    Page(usize),
    /// A frame of another domain.
    Foreign,
}

impl State {
    /// The page at an address, for an access by the kernel.
    fn page_for(
        &mut self,
        address: u64,
        access: Access,
        effort: Effort,
        ahead: u64,
    ) -> core::result::Result<Found, Missing> {
        let page = address & !(PAGE - 1);
        let cached = self.translations.slot(page).get();
        if cached.page == page && page != 0 && (access == Access::Read || cached.is_writable) {
            return Ok(Found::Page(cached.number));
        }
        let mut mapped = self.tables.look(page);
        let rights = match mapped {
            Some(Mapped::Own(Entry { rights, .. }) | Mapped::Foreign(rights)) => Some(rights),
            None => None,
        };
        if rights.is_none_or(|rights| access == Access::Write && !rights.write) {
            self.fault(address, access, effort, None, ahead)?;
            mapped = self.tables.look(page);
        }
        let entry = match mapped {
            Some(Mapped::Own(entry)) => entry,
            Some(Mapped::Foreign(_)) => return Ok(Found::Foreign),
            None => return Err(Missing::Refused(FaultOutcome::OutOfMemory)),
        };
        let found = Translation { page, number: entry.number, is_writable: entry.rights.write };
        self.translations.slot(page).set(found);
        Ok(Found::Page(entry.number))
    }

    /// Runs something on the foreign frames from an address on, as many as can be had at once and hold `len` bytes. Returns how
    /// many bytes it ran on, and what came of it; `None` if there were none.
    fn with_foreign<T>(
        &mut self,
        address: u64,
        len: usize,
        run: impl FnOnce(&Span<'_>) -> T,
    ) -> Option<(usize, T)> {
        let area = self.area_at(address)?;
        let domain = match area.origin? {
            Origin::Domain(domain) => domain,
            Origin::Grants => 0,
        };
        let offset = (address % PAGE) as usize;
        let len = len.min((area.end - address) as usize);
        let mut run = Some(run);
        let mut result = None;
        let shown = self.tables.show(
            address - offset as u64,
            (offset + len).div_ceil(PAGE_SIZE),
            domain,
            &mut |bytes, pages| {
                let len = (pages * PAGE_SIZE).saturating_sub(offset).min(len);
                // SAFETY: so many pages are mapped there during the call, and the span lies within them.
                let span = unsafe { Span::foreign(bytes.add(offset), len) };
                result = run.take().map(|run| (len, run(&span)));
            },
        );
        shown.ok().and(result).filter(|(len, _)| *len > 0)
    }
}

/// Runs something on the page of a number.
fn with_frame<T>(number: usize, run: impl FnOnce(&Frame) -> T) -> T {
    // SAFETY: the number was found in an entry, which holds a reference as long as the lock is held; this one is not dropped.
    let frame = core::mem::ManuallyDrop::new(unsafe { Frame::from_number(number) });
    run(&frame)
}

/// Whether a range lies where user memory can be. Where nothing is to be copied, nothing is wrong.
fn check_copy(address: u64, len: usize) -> Result<()> {
    if len == 0 { Ok(()) } else { check_range(address, len) }
}

/// Whether a range lies where user memory can be.
pub(crate) fn check_range(address: u64, len: usize) -> Result<()> {
    match address.checked_add(len as u64) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

impl AddressSpace {
    /// Goes through a range span by span: `each` gets the bytes, and how far they are from the start; `false` ends it behind them.
    /// Returns how far it came; less than `len` when a page cannot be had with that effort.
    pub(crate) fn each_span(
        &self,
        address: u64,
        len: usize,
        access: Access,
        effort: Effort,
        each: &mut dyn FnMut(&Span<'_>, usize) -> bool,
    ) -> usize {
        let mut done = 0;
        let mut state = self.state.lock();
        while done < len {
            let at = address + done as u64;
            let ahead = ((len - done) as u64 + at % PAGE).div_ceil(PAGE);
            match state.page_for(at, access, effort, ahead) {
                Ok(Found::Foreign) => {
                    let ran = state.with_foreign(at, len - done, |span| each(span, done));
                    let Some((step, goes_on)) = ran else { break };
                    done += step;
                    if !goes_on {
                        break;
                    }
                }
                Ok(Found::Page(number)) => {
                    let offset = (at % PAGE) as usize;
                    let step = (PAGE_SIZE - offset).min(len - done);
                    let goes_on =
                        with_frame(number, |frame| each(&Span::of_frame(frame, offset, step), done));
                    done += step;
                    if !goes_on {
                        break;
                    }
                }
                Err(Missing::Refused(FaultOutcome::OutOfMemory) | Missing::Wait(_))
                    if effort == Effort::Wait =>
                {
                    drop(state);
                    if self.bring_in(at, access).is_err() {
                        return done;
                    }
                    state = self.state.lock();
                }
                Err(_) => break,
            }
        }
        done
    }

    /// Copies as much as can be from the program, and returns how much.
    pub(crate) fn copy_in(&self, address: u64, into: &mut [u8], effort: Effort) -> usize {
        let len = into.len();
        self.each_span(address, len, Access::Read, effort, &mut |span, done| {
            span.read(0, &mut into[done..]) == span.len()
        })
    }

    /// Copies as much as can be to the program, and returns how much.
    pub(crate) fn copy_out(&self, address: u64, bytes: &[u8], effort: Effort) -> usize {
        self.each_span(address, bytes.len(), Access::Write, effort, &mut |span, done| {
            span.write(&bytes[done..]) == span.len()
        })
    }

    /// Copies from the program: all or `EFAULT`. May wait for a disk.
    pub fn read_bytes(&self, address: u64, into: &mut [u8]) -> Result<()> {
        check_copy(address, into.len())?;
        if self.copy_in(address, into, Effort::Wait) == into.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Copies to the program: all or `EFAULT`. May wait for a disk.
    pub fn write_bytes(&self, address: u64, bytes: &[u8]) -> Result<()> {
        check_copy(address, bytes.len())?;
        if self.copy_out(address, bytes, Effort::Wait) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Zeroes memory of the program: all or `EFAULT`. May wait for a disk.
    pub fn zero_bytes(&self, address: u64, len: usize) -> Result<()> {
        check_range(address, len)?;
        let done = self.each_span(address, len, Access::Write, Effort::Wait, &mut |span, _| {
            span.zero();
            true
        });
        if done == len { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Copies `N` bytes from the program. May wait for a disk.
    pub fn read_array<const N: usize>(&self, address: u64) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_bytes(address, &mut bytes)?;
        Ok(bytes)
    }

    /// A 16-bit number of the program.
    pub fn read_u16(&self, address: u64) -> Result<u16> {
        self.read_array(address).map(u16::from_le_bytes)
    }

    /// A 32-bit number of the program.
    pub fn read_u32(&self, address: u64) -> Result<u32> {
        self.read_array(address).map(u32::from_le_bytes)
    }

    /// A 64-bit number of the program.
    pub fn read_u64(&self, address: u64) -> Result<u64> {
        self.read_array(address).map(u64::from_le_bytes)
    }

    /// Stores a 32-bit number.
    pub fn write_u32(&self, address: u64, value: u32) -> Result<()> {
        self.write_bytes(address, &value.to_le_bytes())
    }

    /// Stores a 64-bit number.
    pub fn write_u64(&self, address: u64, value: u64) -> Result<()> {
        self.write_bytes(address, &value.to_le_bytes())
    }

    /// A string that ends with a zero byte, without that. `ENAMETOOLONG` if there is none within `limit` bytes, `EFAULT` if the
    /// memory ends first.
    pub fn read_cstr(&self, address: u64, limit: usize) -> Result<Vec<u8>> {
        let mut string = Vec::new();
        let mut ended = false;
        let mut result = Ok(());
        let room = USER_END.saturating_sub(address).min(limit as u64) as usize;
        self.each_span(address, room, Access::Read, Effort::Wait, &mut |span, _| {
            // In small steps: most strings are short, and nothing behind the end is to be copied.
            let mut chunk = [0; 128];
            let mut at = 0;
            while at < span.len() {
                let len = span.read(at, &mut chunk);
                let bytes = &chunk[..len];
                let text = bytes.iter().position(|byte| *byte == 0).map_or(bytes, |end| &bytes[..end]);
                result = string.try_reserve(text.len()).map_err(Errno::from);
                if result.is_err() {
                    return false;
                }
                string.extend_from_slice(text);
                if text.len() < len {
                    ended = true;
                    return false;
                }
                at += len;
            }
            true
        });
        result?;
        match ended {
            true => Ok(string),
            false if string.len() >= limit => Err(Errno::ENAMETOOLONG),
            false => Err(Errno::EFAULT),
        }
    }

    /// Brings in the pages of a range that a pager has to give, so that [`crate::UserSink`] and [`crate::UserSource`] need not
    /// wait for them; fresh memory comes with the copy itself. Returns how many bytes from the start can be used, `EFAULT` if none
    /// can. May wait for a disk.
    pub fn make_present(&self, address: u64, len: usize, access: Access) -> Result<usize> {
        check_range(address, len)?;
        let end = address + len as u64;
        let mut at = address;
        while at < end {
            let (next, prot, is_backed) = {
                let state = self.state.lock();
                match state.area_at(at) {
                    Some(area) => (area.end.min(end), area.prot, area.backing.is_some()),
                    // Perhaps a stack that grows.
                    None => ((at & !(PAGE - 1)) + PAGE, crate::Prot::all(), true),
                }
            };
            let is_allowed =
                prot.contains(crate::Prot::WRITE) || (access == Access::Read && !prot.is_empty());
            if !is_allowed {
                break;
            }
            if is_backed && !self.make_pages_present(&mut at, next.min(end), access) {
                break;
            }
            at = next.min(end);
        }
        if at == address && len > 0 { Err(Errno::EFAULT) } else { Ok((at - address) as usize) }
    }

    fn make_pages_present(&self, at: &mut u64, end: u64, access: Access) -> bool {
        while *at < end {
            let is_there = {
                let state = self.state.lock();
                let entry = state.tables.entry(*at & !(PAGE - 1));
                entry.is_some_and(|entry| access == Access::Read || entry.rights.write)
            };
            if !is_there && self.bring_in(*at, access).is_err() {
                return false;
            }
            *at = ((*at & !(PAGE - 1)) + PAGE).min(end);
        }
        true
    }

    /// Brings in what can be, for `MAP_POPULATE` and `mlock`; that some cannot is no error.
    pub(crate) fn populate(&self, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let access = {
                let state = self.state.lock();
                let Some(area) = state.area_at(at) else { return };
                let writes = area.prot.contains(crate::Prot::WRITE) && !area.is_shared();
                if area.prot.is_empty() {
                    at = area.end;
                    continue;
                }
                if writes { Access::Write } else { Access::Read }
            };
            if self.bring_in(at, access).is_err() {
                return;
            }
            at += PAGE;
        }
    }
}

impl UserMemory for AddressSpace {
    /// Does not wait: of a mapped file only what is in memory is there.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        check_range(address, into.len())?;
        if self.copy_in(address, into, Effort::NoWait) == into.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Does not wait: of a shared mapping only what was written before is there.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        check_range(address, bytes.len())?;
        if self.copy_out(address, bytes, Effort::NoWait) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }
}
