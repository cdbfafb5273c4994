//! Taking mapped pages of files back when memory is short: they can be had from the file again.
//!
//! The page cache cannot free what is mapped; here the mappings go, so that it can. Only pages that are surely the file's are
//! taken: those of shared mappings, and of private ones nobody has written to. Nothing waits, and who is locked is passed over.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use linux_base::Mutex;

use crate::area::AreaFlags;
use crate::space::{PAGE, State};
use crate::{AddressSpace, Pager, USER_END};

/// Whose address space it is: tests run at the same time, and are not to disturb each other.
#[cfg(test)]
type Owner = std::thread::ThreadId;
#[cfg(not(test))]
type Owner = u8;

fn owner() -> Owner {
    #[cfg(test)]
    return std::thread::current().id();
    #[cfg(not(test))]
    0
}

/// All address spaces, and where the last search ended.
struct Spaces {
    all: BTreeMap<u64, (Owner, Weak<AddressSpace>)>,
    next: (u64, u64),
}

static SPACES: Mutex<Spaces> = Mutex::new(Spaces { all: BTreeMap::new(), next: (0, 0) });

/// An area is looked at in portions of so many pages.
const PORTION: u64 = 64;

pub(crate) fn register(space: &Arc<AddressSpace>) {
    SPACES.lock().all.insert(space.id(), (owner(), Arc::downgrade(space)));
}

pub(crate) fn unregister(id: u64) {
    SPACES.lock().all.remove(&id);
}

/// Whether pages may be taken that a call in progress was promised.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    Yes,
    No,
}

/// Unmaps up to about so many pages of files, and returns how many. It goes round: what was passed last time comes last now.
/// Processes with a call in progress that has a buffer are spared, if that is possible.
pub(crate) fn evict(pages: usize) -> usize {
    match evict_round(pages, Force::No) {
        0 => evict_round(pages, Force::Yes),
        evicted => evicted,
    }
}

/// As [`evict`], of few pages, and always with those processes spared.
pub(crate) fn age(pages: usize) {
    evict_round(pages, Force::No);
}

fn evict_round(pages: usize, force: Force) -> usize {
    let mut evicted = 0;
    let (mut id, mut address) = SPACES.lock().next;
    let first = id;
    let mut has_wrapped = false;
    while evicted < pages {
        let space = next_space(id);
        let Some(space) = space.filter(|space| !has_wrapped || space.id() <= first) else {
            if core::mem::replace(&mut has_wrapped, true) {
                break;
            }
            (id, address) = (0, 0);
            continue;
        };
        if space.id() != id {
            address = 0;
        }
        let is_spared = force == Force::No && space.buffers.load(Ordering::Relaxed) > 0;
        let state = if is_spared { None } else { space.state.try_lock() };
        let reached = state.and_then(|mut state| state.evict(address, pages, &mut evicted));
        (id, address) = match reached {
            Some(reached) => (space.id(), reached),
            None => (space.id() + 1, 0),
        };
    }
    SPACES.lock().next = (id, address);
    evicted
}

/// Whether private copies of an object's pages go as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copies {
    /// They go: the file has been cut off there.
    Dropped,
    /// They stay: what was written privately is the program's own.
    Kept,
}

/// Unmaps pages of an object everywhere, because it has others now, or none: after a truncation and after a hole was made. Who
/// calls holds no lock of an address space.
pub fn unmap_pages(pager: &dyn Pager, first: u64, count: u64, copies: Copies) {
    let mut id = 0;
    while let Some(space) = next_space(id) {
        id = space.id() + 1;
        space.state.lock().unmap_object(pager, first, count, copies);
    }
}

/// The first address space from a number on. What is about to be dropped is passed over.
fn next_space(id: u64) -> Option<Arc<AddressSpace>> {
    let spaces = SPACES.lock();
    let mut rest = spaces.all.range(id..).filter(|(_, (whose, _))| *whose == owner());
    rest.find_map(|(_, (_, space))| space.upgrade())
}

impl State {
    /// Unmaps pages of files from an address on, until there are enough; `None` at the end, else where it stopped.
    fn evict(&mut self, from: u64, wanted: usize, evicted: &mut usize) -> Option<u64> {
        let mut at = from;
        while *evicted < wanted {
            let (start, end) = self
                .overlapping(at, USER_END)
                .find(|area| is_clean(area))
                .map(|area| (area.start.max(at), area.end))?;
            let portion = end.min(start + PORTION * PAGE);
            let before = self.totals.resident;
            self.drop_pages(start, portion);
            *evicted += (before - self.totals.resident) as usize;
            at = portion;
        }
        Some(at)
    }
}

impl State {
    fn unmap_object(&mut self, pager: &dyn Pager, first: u64, count: u64, copies: Copies) {
        let mut at = 0;
        while let Some(area) = self.areas.range(at..).next().map(|(_, area)| area) {
            at = area.end;
            let Some(backing) = &area.backing else { continue };
            let has_own = !area.is_shared() && area.flags.contains(AreaFlags::TOUCHED);
            if !core::ptr::addr_eq(Arc::as_ptr(&backing.pager), pager) || has_own && copies == Copies::Kept {
                continue;
            }
            let from = first.max(backing.first);
            let to = first.saturating_add(count).min(backing.first.saturating_add(area.pages()));
            if from < to {
                let address = |index| area.start + (index - backing.first) * PAGE;
                let (start, end) = (address(from), address(to));
                self.drop_pages(start, end);
            }
        }
    }
}

/// Whether all pages of an area can be had from its object again.
fn is_clean(area: &crate::area::Area) -> bool {
    let is_locked = area.flags.contains(AreaFlags::LOCKED);
    let is_own = !area.is_shared() && area.flags.contains(AreaFlags::TOUCHED);
    area.backing.is_some() && !area.is_foreign() && !is_locked && !is_own
}
