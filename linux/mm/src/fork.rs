//! `fork`: a copy of an address space that shares all pages until one side writes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use linux_base::Result;

use crate::area::{Area, AreaFlags};
use crate::copy::Translations;
use crate::space::State;
use crate::{AddressSpace, PageTables, Totals};

impl AddressSpace {
    /// A copy for a child; `ENOMEM`. Neither side may write to private pages until it has its own.
    pub fn fork(&self) -> Result<Arc<Self>> {
        // The child's tables and areas are made all at once.
        let needed = {
            let state = self.state.lock();
            state.tables.table_pages() + state.areas.len() / 16 + state.hidden.len() / 64
        };
        crate::room::ensure_free(needed)?;
        let child = self.state.lock().fork()?;
        Ok(Self::with_state(child))
    }
}

impl State {
    fn fork(&mut self) -> Result<Self> {
        let mut areas = BTreeMap::new();
        let mut hidden = BTreeMap::new();
        let mut totals = Totals::default();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (start, area) in &self.areas {
            if area.flags.contains(AreaFlags::DONT_FORK) {
                continue;
            }
            let mut copy = area.clone();
            copy.flags.remove(AreaFlags::LOCKED);
            totals.add(&copy);
            areas.insert(*start, copy);
            if !has_own_pages(area) {
                continue;
            }
            for (address, frame) in self.hidden.range(area.start..area.end) {
                hidden.insert(*address, frame.clone());
                totals.add_resident();
            }
            match ranges.last_mut() {
                Some(last) if last.end == area.start => last.end = area.end,
                _ => {
                    ranges.try_reserve(1)?;
                    ranges.push(area.start..area.end);
                }
            }
        }
        self.translations.forget();
        let zero = crate::space::zero_number();
        let tables = self.tables.fork(&ranges, &mut |_, entry| {
            if Some(entry.number) != zero {
                totals.add_resident();
            }
        })?;
        Ok(Self {
            tables,
            areas,
            hidden,
            layout: self.layout,
            heap: self.heap.clone(),
            limits: self.limits,
            totals,
            translations: Translations::default(),
            search_from: self.search_from,
            largest_hole: u64::MAX,
            lock_future: false,
        })
    }
}

/// Whether a child cannot get the pages of an area where this side got them.
fn has_own_pages(area: &Area) -> bool {
    !area.is_shared()
        && area.flags.contains(AreaFlags::TOUCHED)
        && !area.flags.contains(AreaFlags::WIPE_ON_FORK)
}
