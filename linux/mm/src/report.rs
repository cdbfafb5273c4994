//! What `/proc` tells of an address space.

use alloc::vec::Vec;

use linux_base::Result;

use crate::area::{Area, AreaFlags};
use crate::space::PAGE;
use crate::{AddressSpace, Name, PageTables, Prot};

/// Sums over an address space, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// All that is mapped (`VmSize`).
    pub size: u64,
    /// The most that was ever mapped (`VmPeak`).
    pub peak_size: u64,
    /// Private writable memory but stacks (`VmData`).
    pub data: u64,
    /// Stacks (`VmStk`).
    pub stack: u64,
    /// What can be executed (`VmExe` and `VmLib` together).
    pub executable: u64,
    /// `mlock`ed (`VmLck`).
    pub locked: u64,
    /// Pages that are there (`VmRSS`), without those of the shared page of zeroes.
    pub resident: u64,
    /// The most that ever were (`VmHWM`).
    pub peak_resident: u64,
    /// Pages of the page tables (`VmPTE`); only in [`AddressSpace::totals`].
    pub tables: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, area: &Area) {
        let pages = area.pages();
        self.size += pages;
        self.peak_size = self.peak_size.max(self.size);
        self.each(area, |total| *total += pages);
    }

    pub(crate) fn remove(&mut self, area: &Area) {
        let pages = area.pages();
        self.size -= pages;
        self.each(area, |total| *total -= pages);
    }

    pub(crate) fn add_resident(&mut self) {
        self.resident += 1;
        self.peak_resident = self.peak_resident.max(self.resident);
    }

    fn each(&mut self, area: &Area, mut change: impl FnMut(&mut u64)) {
        if area.is_data() {
            change(&mut self.data);
        }
        if area.flags.contains(AreaFlags::GROWS_DOWN) {
            change(&mut self.stack);
        }
        if area.prot.contains(Prot::EXEC) && !area.prot.contains(Prot::WRITE) {
            change(&mut self.executable);
        }
        if area.flags.contains(AreaFlags::LOCKED) {
            change(&mut self.locked);
        }
    }
}

/// An area, as `/proc/PID/maps` and `smaps` show it.
#[derive(Clone, Debug)]
pub struct AreaInfo {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
    /// What the program may do.
    pub prot: Prot,
    /// Whether writes are seen by all who map the object.
    pub is_shared: bool,
    /// Where in the object it begins, in bytes.
    pub offset: u64,
    /// Device and inode of the object; zeroes without one.
    pub identity: (u64, u64),
    /// What stands at the end of the line.
    pub name: Name,
    /// Whether it grows down.
    pub is_stack: bool,
    /// `mlock`ed.
    pub is_locked: bool,
    /// `MAP_NORESERVE`.
    pub is_unreserved: bool,
    /// Left out of the child of a fork.
    pub is_not_forked: bool,
    /// Pages that are there; only from [`AddressSpace::area_after`].
    pub resident: u64,
    /// Of those, pages that are nobody else's; only from [`AddressSpace::area_after`].
    pub unshared: u64,
}

impl AddressSpace {
    /// The sums.
    pub fn totals(&self) -> Totals {
        let state = self.state.lock();
        Totals { tables: state.tables.table_pages() as u64, ..state.totals }
    }

    /// All areas, by address. `ENOMEM`.
    pub fn areas(&self) -> Result<Vec<AreaInfo>> {
        let state = self.state.lock();
        let mut infos = Vec::new();
        infos.try_reserve(state.areas.len())?;
        let heap = &state.heap;
        infos.extend(state.areas.values().map(|area| info(area, heap)));
        Ok(infos)
    }

    /// The first area that ends behind `address`, with its pages counted: for `smaps`, and to go through all of them one by one.
    pub fn area_after(&self, address: u64) -> Option<AreaInfo> {
        let state = self.state.lock();
        let area =
            state.area_at(address).or_else(|| state.areas.range(address..).next().map(|(_, area)| area))?;
        let mut info = info(area, &state.heap);
        let zero = crate::space::zero_number();
        state.tables.visit(area.start, area.end, &mut |_, entry| {
            if Some(entry.number) != zero {
                info.resident += 1;
                info.unshared += u64::from(crate::frame::references(entry.number) == 1);
            }
        });
        info.resident += state.hidden.range(area.start..area.end).count() as u64;
        Some(info)
    }
}

fn info(area: &Area, heap: &core::ops::Range<u64>) -> AreaInfo {
    let in_heap =
        area.start < heap.end.next_multiple_of(PAGE) && heap.start < area.end && area.backing.is_none();
    let name = match &area.name {
        Name::None if in_heap => Name::Special("[heap]"),
        name => name.clone(),
    };
    AreaInfo {
        start: area.start,
        end: area.end,
        prot: area.prot,
        is_shared: area.is_shared(),
        offset: area.backing.as_ref().map_or(0, |backing| backing.first * PAGE),
        identity: area.backing.as_ref().map_or((0, 0), |backing| backing.pager.identity()),
        name,
        is_stack: area.flags.contains(AreaFlags::GROWS_DOWN),
        is_locked: area.flags.contains(AreaFlags::LOCKED),
        is_unreserved: area.flags.contains(AreaFlags::NO_RESERVE),
        is_not_forked: area.flags.contains(AreaFlags::DONT_FORK),
        resident: 0,
        unshared: 0,
    }
}
