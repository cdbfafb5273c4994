//! `mmap` and `munmap`.

use alloc::sync::Arc;

use linux_base::abi::general::{
    MAP_32BIT, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK,
    MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_TYPE,
};
use linux_base::{Errno, Result};

use crate::area::{Area, AreaFlags, Backing, WriteClaim};
use crate::space::{
    MAX_AREAS, PAGE, Removed, STACK_GAP, State, USER_START, is_obvious_overcommit, page_range, parse_prot,
};
use crate::{AddressSpace, Name, Pager, Prot, SharedMemory, USER_END};

/// All flags that `MAP_SHARED_VALIDATE` knows.
const KNOWN: u32 = 0x1f_ffff & !linux_base::abi::general::MAP_SYNC;

/// A file to map.
#[derive(Clone)]
pub struct MapObject {
    /// Where its pages come from.
    pub pager: Arc<dyn Pager>,
    /// Where to begin, in bytes.
    pub offset: u64,
    /// Whether it was opened for writing; a private mapping need not ask.
    pub may_write: bool,
    /// Whether the mount lets programs of it be executed.
    pub may_execute: bool,
    /// What `/proc/PID/maps` shows.
    pub name: Name,
}

/// What to map. The kernel has checked the descriptor: open for reading.
#[derive(Clone)]
pub struct MapRequest {
    /// Where, or near where; 0 is anywhere.
    pub address: u64,
    /// How many bytes.
    pub len: u64,
    /// `PROT_*`.
    pub prot: u32,
    /// `MAP_*`.
    pub flags: u32,
    /// Nothing for anonymous memory.
    pub object: Option<MapObject>,
    /// What `/proc/PID/maps` shows for anonymous memory.
    pub name: Name,
}

impl MapRequest {
    /// Private anonymous memory; `flags` beside that.
    pub fn anonymous(address: u64, len: u64, prot: Prot, flags: u32) -> Self {
        let flags = flags | MAP_PRIVATE;
        Self { address, len, prot: prot.bits(), flags, object: None, name: Name::None }
    }

    /// A private mapping of a file; `flags` beside that.
    pub fn private(address: u64, len: u64, prot: Prot, flags: u32, object: MapObject) -> Self {
        let name = object.name.clone();
        Self { address, len, prot: prot.bits(), flags: flags | MAP_PRIVATE, object: Some(object), name }
    }
}

impl AddressSpace {
    /// Maps memory and returns where, as `mmap(2)`.
    ///
    /// `EINVAL` for bad flags, lengths and alignment, `ENOMEM` when there is no room or a limit is met, `EEXIST` with
    /// `MAP_FIXED_NOREPLACE` when something is there, `EACCES` for a writable shared mapping of what is not open for writing,
    /// `EAGAIN` for more `MAP_LOCKED` memory than the limit, `EPERM` below the lowest address. May wait with `MAP_POPULATE`.
    pub fn mmap(&self, request: MapRequest) -> Result<u64> {
        let mut area = describe(&request)?;
        let len = request.len.checked_next_multiple_of(PAGE).ok_or(Errno::ENOMEM)?;
        if is_obvious_overcommit(&area, len) {
            return Err(Errno::ENOMEM);
        }
        crate::ensure_room()?;
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        if request.flags & MAP_LOCKED != 0 || state.lock_future {
            area.flags |= AreaFlags::LOCKED;
            if !state.may_lock(len) {
                return Err(Errno::EAGAIN);
            }
        }
        let start = state.place(request.address, len, request.flags)?;
        let replaced = state.mapped_bytes(start, start + len);
        if !state.has_room(len - replaced, area.is_data()) || state.areas.len() >= MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        state.unmap(start, start + len, &mut removed);
        (area.start, area.end) = (start, start + len);
        let locked = area.flags.contains(AreaFlags::LOCKED);
        state.insert(area, &mut removed);
        drop(state);
        drop(removed);
        if locked || request.flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE {
            self.populate(start, start + len);
        }
        Ok(start)
    }

    /// Unmaps a range, as `munmap(2)`: `EINVAL` for bad alignment or no length, `ENOMEM` for too many areas.
    pub fn munmap(&self, start: u64, len: u64) -> Result<()> {
        if !start.is_multiple_of(PAGE) || len == 0 {
            return Err(Errno::EINVAL);
        }
        let (start, end) = page_range(start, len).ok_or(Errno::EINVAL)?;
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        if state.areas.len() >= MAX_AREAS
            && state.area_at(start).is_some_and(|area| area.start < start && end < area.end)
        {
            return Err(Errno::ENOMEM);
        }
        state.unmap(start, end, &mut removed);
        drop(state);
        Ok(())
    }
}

/// Checks a request, and makes the area for it, which has no place yet.
fn describe(request: &MapRequest) -> Result<Area> {
    let prot = parse_prot(request.prot & 0xf & !linux_base::abi::general::PROT_SEM).ok_or(Errno::EINVAL)?;
    if request.len == 0 {
        return Err(Errno::EINVAL);
    }
    let is_shared = match request.flags & MAP_TYPE {
        MAP_SHARED => true,
        // Only a file's mapping is validated.
        MAP_SHARED_VALIDATE if request.object.is_none() => return Err(Errno::EINVAL),
        MAP_SHARED_VALIDATE if request.flags & !KNOWN != 0 => return Err(Errno::EOPNOTSUPP),
        MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if request.flags & MAP_HUGETLB != 0 {
        return Err(Errno::ENOMEM);
    }
    let mut area = Area::anonymous(0, 0, prot);
    area.name = request.name.clone();
    area.flags.set(AreaFlags::NO_RESERVE, request.flags & MAP_NORESERVE != 0);
    area.flags.set(AreaFlags::SHARED, is_shared);
    if request.flags & MAP_GROWSDOWN != 0 {
        if is_shared || request.object.is_some() {
            return Err(Errno::EINVAL);
        }
        area.flags |= AreaFlags::GROWS_DOWN;
    }
    if let Some(object) = &request.object {
        if !object.offset.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        object
            .offset
            .checked_add(request.len)
            .and_then(|end| i64::try_from(end).ok())
            .ok_or(Errno::EOVERFLOW)?;
        area.allowed.set(Prot::WRITE, !is_shared || object.may_write);
        area.allowed.set(Prot::EXEC, object.may_execute);
        if object.pager.is_foreign() {
            if !is_shared {
                return Err(Errno::EINVAL);
            }
            area.allowed.remove(Prot::EXEC);
            area.flags |= AreaFlags::FOREIGN | AreaFlags::DONT_FORK | AreaFlags::DONT_DUMP;
        }
        if !area.allowed.contains(prot) {
            return Err(if prot.contains(Prot::EXEC) && !object.may_execute {
                Errno::EPERM
            } else {
                Errno::EACCES
            });
        }
        area.name = object.name.clone();
        area.backing = Some(Backing { pager: object.pager.clone(), first: object.offset / PAGE });
        area.claim = (is_shared && object.may_write).then(|| WriteClaim::new(object.pager.clone()));
    } else if is_shared {
        if request.len / PAGE > crate::frame::total_pages() as u64 {
            return Err(Errno::ENOMEM);
        }
        area.backing = Some(Backing { pager: shared_memory(request.len)?, first: 0 });
        area.name = Name::Text(Arc::from(&b"/dev/zero (deleted)"[..]));
    }
    Ok(area)
}

fn shared_memory(len: u64) -> Result<Arc<dyn Pager>> {
    use core::sync::atomic::{AtomicU64, Ordering};
    static NEXT_INODE: AtomicU64 = AtomicU64::new(1025);
    crate::ensure_room()?;
    Ok(Arc::new(SharedMemory::new(len.div_ceil(PAGE), NEXT_INODE.fetch_add(1, Ordering::Relaxed))))
}

impl State {
    /// Bytes of a range that are mapped.
    pub fn mapped_bytes(&self, start: u64, end: u64) -> u64 {
        self.overlapping(start, end).map(|area| area.end.min(end) - area.start.max(start)).sum()
    }

    /// Finds where `len` bytes go.
    fn place(&mut self, hint: u64, len: u64, flags: u32) -> Result<u64> {
        if len > USER_END {
            return Err(Errno::ENOMEM);
        }
        if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0 {
            if !hint.is_multiple_of(PAGE) {
                return Err(Errno::EINVAL);
            }
            let (start, end) = page_range(hint, len).ok_or(Errno::ENOMEM)?;
            if start < USER_START {
                return Err(Errno::EPERM);
            }
            if flags & MAP_FIXED_NOREPLACE != 0 && !self.is_free(start, end) {
                return Err(Errno::EEXIST);
            }
            return Ok(start);
        }
        if hint != 0 {
            let hint = hint.saturating_add(PAGE - 1) / PAGE * PAGE;
            let hint = hint.max(USER_START);
            if let Some((start, end)) = page_range(hint, len)
                && self.is_free(start, end.saturating_add(self.gap_below(end)))
            {
                return Ok(start);
            }
        }
        if flags & MAP_32BIT != 0 {
            return self.search(0x4000_0000, 0x8000_0000, len, &mut 0).ok_or(Errno::ENOMEM);
        }
        self.free_place(len).ok_or(Errno::ENOMEM)
    }

    /// What has to stay free below the next area behind `address`, if that is a stack.
    fn gap_below(&self, address: u64) -> u64 {
        let next = self.areas.range(address..).next().map(|(_, area)| area);
        next.filter(|area| area.flags.contains(AreaFlags::GROWS_DOWN) && area.start - address < STACK_GAP)
            .map_or(0, |_| STACK_GAP)
    }

    /// The highest free place below the base of mappings; anywhere else if there is none.
    pub fn free_place(&mut self, len: u64) -> Option<u64> {
        let top = self.layout.mmap_base;
        if len <= self.largest_hole {
            (self.search_from, self.largest_hole) = (top, 0);
        }
        let mut largest = self.largest_hole;
        if let Some(start) = self.search(USER_START, self.search_from, len, &mut largest) {
            (self.search_from, self.largest_hole) = (start, largest);
            return Some(start);
        }
        (self.search_from, self.largest_hole) = (top, u64::MAX);
        self.search(USER_START, USER_END - STACK_GAP, len, &mut largest)
    }

    /// The highest free place in a range; `largest` becomes the size of the largest hole above it, if that is larger.
    fn search(&self, bottom: u64, top: u64, len: u64, largest: &mut u64) -> Option<u64> {
        let mut end = match self.area_at(top) {
            Some(area) => area_bottom(area).min(top),
            None => top - self.gap_below(top).min(top),
        };
        for (_, area) in self.areas.range(..top).rev() {
            if area.end <= bottom {
                break;
            }
            let hole = end.saturating_sub(area.end);
            if hole >= len {
                return end.checked_sub(len).filter(|start| *start >= bottom);
            }
            *largest = hole.max(*largest);
            end = end.min(area_bottom(area));
        }
        end.checked_sub(len).filter(|start| *start >= bottom)
    }
}

/// Where what lies below an area has to end.
fn area_bottom(area: &Area) -> u64 {
    let gap = if area.flags.contains(AreaFlags::GROWS_DOWN) { STACK_GAP } else { 0 };
    area.start.saturating_sub(gap)
}
