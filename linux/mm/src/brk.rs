//! `brk`: the heap.

use crate::area::Area;
use crate::space::{MAX_AREAS, PAGE, Removed, STACK_GAP, USER_END, is_obvious_overcommit};
use crate::{AddressSpace, Prot};

impl AddressSpace {
    /// Sets where the heap begins, empty: behind the executable.
    pub fn set_heap(&self, start: u64) {
        self.state.lock().heap = start..start;
    }

    /// Moves the end of the heap, as `brk(2)`, and returns it; where it was when that cannot be.
    pub fn brk(&self, end: u64) -> u64 {
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        let heap = state.heap.clone();
        if end < heap.start || end > USER_END - PAGE {
            return heap.end;
        }
        let (old, new) = (heap.end.next_multiple_of(PAGE), end.next_multiple_of(PAGE));
        if new < old {
            state.unmap(new, old, &mut removed);
        } else if new > old {
            let area = Area::anonymous(old, new, Prot::READ | Prot::WRITE);
            let in_limit = end - heap.start <= state.limits.data
                && state.has_room(new - old, true)
                && !is_obvious_overcommit(&area, new - old);
            let is_free = state.is_free(old, (new + PAGE).min(USER_END)) && {
                let next = state.areas.range(new..).next().map(|(_, area)| area);
                next.is_none_or(|next| {
                    !next.flags.contains(crate::area::AreaFlags::GROWS_DOWN) || next.start - new >= STACK_GAP
                })
            };
            if !in_limit || !is_free || state.areas.len() >= MAX_AREAS || crate::ensure_room().is_err() {
                return heap.end;
            }
            let mut area = area;
            area.flags.set(crate::area::AreaFlags::LOCKED, state.lock_future);
            state.insert(area, &mut removed);
        }
        state.heap.end = end;
        drop(state);
        end
    }
}
