//! `fork`: a copy of an address space that shares all pages until one side writes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use linux_base::Result;

use crate::area::{Area, AreaFlags};
use crate::copy::Translations;
use crate::space::State;
use crate::{AddressSpace, PageTables, Tables, Totals};

impl AddressSpace {
    /// A copy for a child; `ENOMEM`. Neither side may write to private pages until it has its own.
    pub fn fork(&self) -> Result<Arc<Self>> {
        crate::ensure_room()?;
        let mut state = self.state.lock();
        let child = state.fork();
        // Also when it failed: some entries of this side have changed.
        state.tables.commit();
        child.map(Self::with_state)
    }
}

impl State {
    fn fork(&mut self) -> Result<Self> {
        self.translations.forget();
        let mut child = Self {
            tables: Tables::new()?,
            areas: BTreeMap::new(),
            hidden: BTreeMap::new(),
            layout: self.layout,
            heap: self.heap.clone(),
            limits: self.limits,
            totals: Totals::default(),
            translations: Translations::default(),
            search_from: self.search_from,
            largest_hole: u64::MAX,
            lock_future: false,
        };
        for (start, area) in &self.areas {
            if area.flags.contains(AreaFlags::DONT_FORK) {
                continue;
            }
            let mut copy = area.clone();
            copy.flags.remove(AreaFlags::LOCKED);
            child.totals.add(&copy);
            child.areas.insert(*start, copy);
            if !has_own_pages(area) {
                continue;
            }
            let (totals, zero) = (&mut child.totals, crate::space::zero_number());
            self.tables.share(&mut child.tables, area.start, area.end, &mut |_, entry| {
                if Some(entry.number) != zero {
                    totals.add_resident();
                }
            })?;
            for (address, frame) in self.hidden.range(area.start..area.end) {
                child.hidden.insert(*address, frame.clone());
                child.totals.add_resident();
            }
        }
        child.tables.commit();
        Ok(child)
    }
}

/// Whether a child cannot get the pages of an area where this side got them.
fn has_own_pages(area: &Area) -> bool {
    !area.is_shared() && area.flags.contains(AreaFlags::TOUCHED) && !area.flags.contains(AreaFlags::WIPE_ON_FORK)
}
