//! What the kernel sees of the foreign frames that a process has mapped: one window for all of them.
//!
//! What it showed stays in it until something else is shown or the process unmaps it, so that a long copy made of many short ones
//! costs a trap now and then: copies go through memory in order, and each next look shows twice as much as the one before.

use core::ops::Range;
use core::ptr::NonNull;

use linux_base::{Errno, Mutex, Result};
use minios::foreign::{self, Window};
use minios::memory::Mfn;
use minios::user::UserTables;

use crate::space::PAGE;

pub(crate) static VIEW: Mutex<View> = Mutex::new(View { window: None, owner: 0, start: 0, pages: 0 });

pub(crate) struct View {
    window: Option<Window>,
    /// Whose frames are shown, from which address on, and how many pages.
    owner: u64,
    start: u64,
    pages: usize,
}

impl View {
    /// Shows what tables have mapped at an address, up to about so many pages. Returns where, and how many there are.
    pub fn show(
        &mut self,
        tables: &UserTables,
        owner: u64,
        address: u64,
        pages: usize,
        domain: u16,
    ) -> Result<(NonNull<u8>, usize)> {
        let is_own = self.owner == owner;
        if !(is_own && self.range().contains(&address)) {
            let goes_on = is_own && self.range().end == address;
            let ahead = if goes_on { self.pages * 2 } else { 0 };
            self.fill(tables, owner, address, pages.max(ahead), domain)?;
        }
        let window = self.window.as_ref().ok_or(Errno::EFAULT)?;
        let skipped = ((address - self.start) / PAGE) as usize;
        // SAFETY: within the window.
        let bytes = unsafe { window.as_ptr().add(skipped * PAGE as usize) };
        Ok((bytes, self.pages - skipped))
    }

    fn range(&self) -> Range<u64> {
        self.start..self.start + self.pages as u64 * PAGE
    }

    fn fill(
        &mut self,
        tables: &UserTables,
        owner: u64,
        address: u64,
        pages: usize,
        domain: u16,
    ) -> Result<()> {
        let window = match &mut self.window {
            Some(window) => window,
            none => none.insert(Window::new().map_err(|_| Errno::ENOMEM)?),
        };
        let mut frames = [Mfn(0); Window::PAGES];
        let room = frames.get_mut(..pages.min(Window::PAGES)).unwrap_or_default();
        let (first, count) = tables.foreign_run(address, room).ok_or(Errno::EFAULT)?;
        let rights = if first.write { foreign::Rights::Write } else { foreign::Rights::Read };
        (self.owner, self.pages) = (0, 0);
        if let Some(grant) = first.grant {
            window.show_grant(grant, rights).map_err(|_| Errno::EFAULT)?;
            (self.owner, self.start, self.pages) = (owner, address, 1);
            return Ok(());
        }
        let shown = window.show(domain, frames.get(..count).unwrap_or_default(), rights);
        match shown {
            Ok(shown) if shown > 0 => {
                (self.owner, self.start, self.pages) = (owner, address, shown);
                Ok(())
            }
            _ => Err(Errno::EFAULT),
        }
    }

    /// Shows nothing of a range of those tables any more: it is about to be unmapped.
    pub fn forget(&mut self, owner: u64, range: &Range<u64>) {
        let shown = self.range();
        if self.owner != owner || shown.start >= range.end || range.start >= shown.end {
            return;
        }
        (self.owner, self.pages) = (0, 0);
        if let Some(Err(errno)) = self.window.as_mut().map(Window::close) {
            log::error!("the kernel's window on another domain: {errno}");
        }
    }
}
