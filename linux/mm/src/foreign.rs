//! Frames of other domains in a process: areas that are filled by request, never by a fault.
//!
//! What a device model maps of its domain. The frames are not ours: nothing here counts, copies or frees them. The kernel
//! reads and writes them for a program through a window ([`PageTables::show`]).

use linux_base::{Errno, Result};

use crate::area::Origin;
use crate::space::{MAX_AREAS, PAGE, State, page_range};
use crate::{AddressSpace, Frame, Frames, PAGE_SIZE, PageTables, Pager, Prot};

/// Pages that one request maps at most: 1 GiB.
const MAX_PAGES: usize = 1 << 18;

/// An object without pages, for areas to be filled with frames of other domains. What it keeps is dropped with the last of them.
pub struct ForeignArea<T = ()> {
    identity: (u64, u64),
    _kept: T,
}

impl ForeignArea {
    /// One for a device node; `identity` is that of [`Pager::identity`].
    pub const fn new(identity: (u64, u64)) -> Self {
        Self { identity, _kept: () }
    }
}

impl<T> ForeignArea<T> {
    /// The same, that keeps something.
    pub const fn keeping(kept: T, identity: (u64, u64)) -> Self {
        Self { identity, _kept: kept }
    }
}

impl<T: Send + Sync> Pager for ForeignArea<T> {
    fn page(&self, _: u64, _: bool) -> Result<Option<Frame>> {
        Ok(None)
    }

    fn page_now(&self, _: u64) -> Option<Frame> {
        None
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn is_foreign(&self) -> bool {
        true
    }
}

impl AddressSpace {
    /// Maps frames of another domain, one page after another, in a foreign area (one of an object that is
    /// [`Pager::is_foreign`]); they can be written if the area can. `errors` gets what Xen answered to each, as a positive errno,
    /// and 0 for those that are mapped: one that is refused does not stop the others.
    ///
    /// `EINVAL` unless the pages lie in one foreign area, with an error for each frame, and if one of them is mapped in an area that
    /// has frames of another domain: the part that gets these becomes an area of its own. `EACCES` if the area may not be touched;
    /// `ENOMEM`.
    pub fn map_foreign(
        &self,
        address: u64,
        domain: u16,
        frames: Frames<'_>,
        errors: &mut [i32],
    ) -> Result<()> {
        let pages = frames.numbers().len();
        self.fill(address, pages, errors.len(), Origin::Domain(domain), |state, write| {
            state.tables.map_foreign(address, domain, frames, write, errors)
        })
    }

    /// Maps grants, each of a domain and with its reference, one page after another in a foreign area; they are mapped for writing
    /// if the area can be written. `status` gets what Xen answered to each (`GNTST_*`): 0 is mapped. Errors as for
    /// [`AddressSpace::map_foreign`].
    pub fn map_grants(&self, address: u64, grants: &[(u16, u32)], status: &mut [i16]) -> Result<()> {
        self.fill(address, grants.len(), status.len(), Origin::Grants, |state, write| {
            state.tables.map_grants(address, grants, write, status)
        })
    }

    fn fill(
        &self,
        address: u64,
        pages: usize,
        results: usize,
        origin: Origin,
        map: impl FnOnce(&mut State, bool) -> Result<()>,
    ) -> Result<()> {
        if !address.is_multiple_of(PAGE) || results != pages || pages > MAX_PAGES {
            return Err(Errno::EINVAL);
        }
        let (_, end) = page_range(address, pages as u64 * PAGE).ok_or(Errno::EINVAL)?;
        // Page tables take memory, and so does a list of grants.
        let listed = if origin == Origin::Grants { pages / 64 } else { 0 };
        crate::room::ensure_free(pages / 512 + 3 + listed)?;
        let mut state = self.state.lock();
        let start = match state.area_at(address) {
            Some(area) if area.is_foreign() && end <= area.end => area.start,
            _ => return Err(Errno::EINVAL),
        };
        let area = state.areas.get(&start).ok_or(Errno::EINVAL)?;
        let (write, old) = (area.prot.contains(Prot::WRITE), area.origin);
        if area.prot.is_empty() {
            return Err(Errno::EACCES);
        }
        if pages > 0 && old != Some(origin) {
            let start = if old.is_some() { state.cut_out(address, end)? } else { start };
            let area = state.areas.get_mut(&start).ok_or(Errno::EINVAL)?;
            area.origin = Some(origin);
        }
        map(&mut state, write)
    }
}

impl State {
    /// Makes a part of a foreign area an area of its own, for frames of others than the rest has. `EINVAL` if any of its pages is
    /// mapped, which Linux refuses whosever the frames are; `ENOMEM` if there are too many areas.
    fn cut_out(&mut self, start: u64, end: u64) -> Result<u64> {
        let mut pages = (start..end).step_by(PAGE_SIZE);
        if pages.any(|page| self.tables.foreign(page).is_some()) {
            return Err(Errno::EINVAL);
        }
        if self.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.split_at(start);
        self.split_at(end);
        Ok(start)
    }
}
