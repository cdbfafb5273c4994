//! Address spaces: their parts, and what the operations on them share.

use alloc::collections::{BTreeMap, LinkedList};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use linux_base::{Errno, Mutex, Result, host};
use spin::Once;

use crate::area::{Area, AreaFlags};
use crate::copy::Translations;
use crate::{Broken, Frame, Name, PAGE_SIZE, PageTables, Prot, Rights, Tables, Totals};

/// User addresses lie below.
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;
/// Below this nobody maps, so that a null pointer stays one (`vm.mmap_min_addr`).
pub(crate) const USER_START: u64 = 0x1_0000;
/// So much stays free below a stack.
pub(crate) const STACK_GAP: u64 = 256 * PAGE;
/// Areas of an address space at most (`vm.max_map_count`).
pub(crate) const MAX_AREAS: usize = 65_530;
pub(crate) const PAGE: u64 = PAGE_SIZE as u64;

/// Limits of a process (`RLIMIT_*`) that bear on its memory, in bytes; `u64::MAX` is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `RLIMIT_AS`: all that is mapped.
    pub address_space: u64,
    /// `RLIMIT_DATA`: private writable memory.
    pub data: u64,
    /// `RLIMIT_STACK`: how far stacks grow.
    pub stack: u64,
    /// `RLIMIT_MEMLOCK`; none for who has `CAP_IPC_LOCK`.
    pub locked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { address_space: u64::MAX, data: u64::MAX, stack: 8 << 20, locked: 8 << 20 }
    }
}

/// Whether the places in an address space are random (`personality(2)`, `ADDR_NO_RANDOMIZE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Randomize {
    /// They are.
    Yes,
    /// They are always the same.
    No,
}

/// Where things go in an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Address behind the first stack.
    pub stack_top: u64,
    /// Mappings are placed below, from the top.
    pub mmap_base: u64,
    /// Where an executable goes that can go anywhere.
    pub executable_base: u64,
    /// How far the heap lies behind the executable's end.
    pub heap_gap: u64,
}

impl Layout {
    fn new(randomize: Randomize, stack_limit: u64) -> Self {
        let random = |pages: u64| match randomize {
            Randomize::No => 0,
            Randomize::Yes => {
                let mut bytes = [0; 8];
                host::host().random(&mut bytes);
                u64::from_le_bytes(bytes) % pages * PAGE
            }
        };
        let stack_top = USER_END - random(1 << 22);
        let stack_room = stack_limit.clamp(128 << 20, USER_END / 6 * 5).next_multiple_of(PAGE) + STACK_GAP;
        Self {
            stack_top,
            mmap_base: (USER_END - (1 << 34) - stack_room - random(1 << 28)).min(stack_top - stack_room),
            executable_base: 0x5555_5555_4000 + random(1 << 28),
            heap_gap: random(1 << 13),
        }
    }
}

/// What a process has mapped. Threads share it, and whoever looks at `/proc`.
pub struct AddressSpace {
    id: u64,
    /// Buffers of calls in progress: their pages are to stay.
    pub(crate) buffers: AtomicUsize,
    pub(crate) state: Mutex<State>,
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        crate::evict::unregister(self.id);
    }
}

pub(crate) struct State {
    pub tables: Tables,
    pub areas: BTreeMap<u64, Area>,
    /// Pages of areas that may not be touched at all (`PROT_NONE`): there is no entry that says so and keeps the page.
    pub hidden: BTreeMap<u64, Frame>,
    pub layout: Layout,
    pub heap: core::ops::Range<u64>,
    pub limits: Limits,
    pub totals: Totals,
    pub translations: Translations,
    /// Between here and the base of mappings there is no room for more than `largest_hole` bytes.
    pub search_from: u64,
    pub largest_hole: u64,
    /// New areas are `mlock`ed (`MCL_FUTURE`).
    pub lock_future: bool,
}

/// What an operation has removed, to be dropped when the lock is no longer held: the last reference to a file may do anything.
/// No array: there may be any number, and memory in one piece is not to be had when a program gives its memory back.
pub(crate) type Removed = LinkedList<Area>;

impl AddressSpace {
    /// An empty address space; `ENOMEM`.
    pub fn new(randomize: Randomize, limits: Limits) -> Result<Arc<Self>> {
        let layout = Layout::new(randomize, limits.stack);
        Ok(Self::with_state(State {
            tables: Tables::new()?,
            areas: BTreeMap::new(),
            hidden: BTreeMap::new(),
            layout,
            heap: 0..0,
            limits,
            totals: Totals::default(),
            translations: Translations::default(),
            search_from: layout.mmap_base,
            largest_hole: 0,
            lock_future: false,
        }))
    }

    pub(crate) fn with_state(state: State) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let space = Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            buffers: AtomicUsize::new(0),
            state: Mutex::new(state),
        });
        crate::evict::register(&space);
        space
    }

    /// A number that no other address space has or will have.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where things go.
    pub fn layout(&self) -> Layout {
        self.state.lock().layout
    }

    /// Changes the limits.
    pub fn set_limits(&self, limits: Limits) {
        self.state.lock().limits = limits;
    }

    /// Names anonymous memory, as `PR_SET_VMA_ANON_NAME` does: `EINVAL` for bad alignment, `ENOMEM` for a hole, `EBADF` for what is
    /// not anonymous.
    pub fn set_name(&self, start: u64, len: u64, name: Name) -> Result<()> {
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let (start, end) = page_range(start, len).ok_or(Errno::EINVAL)?;
        crate::ensure_room()?;
        let mut removed = Removed::new();
        let mut state = self.state.lock();
        let result = state.rename(start, end, &name, &mut removed);
        drop(state);
        result
    }

    /// Why user mode must not run here any more, if so: the process is to be killed.
    pub fn broken(&self) -> Option<Broken> {
        self.state.lock().tables.broken()
    }

    /// Lends the page tables, to have the processor use them. The lock is held meanwhile.
    pub fn with_tables<T>(&self, run: impl FnOnce(&mut Tables) -> T) -> T {
        run(&mut self.state.lock().tables)
    }
}

/// The page of zeroes that all share.
pub(crate) fn zero_frame() -> Result<&'static Frame> {
    static ZERO: Once<Frame> = Once::new();
    ZERO.try_call_once(Frame::zeroed_for_kernel)
}

impl State {
    /// The area at an address.
    pub fn area_at(&self, address: u64) -> Option<&Area> {
        self.areas.range(..=address).next_back().map(|(_, area)| area).filter(|area| address < area.end)
    }

    /// The areas that share something with a range.
    pub fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Area> {
        let first = self.area_at(start).map_or(start, |area| area.start);
        self.areas.range(first..end.max(first)).map(|(_, area)| area)
    }

    /// Whether nothing is mapped in a range.
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        self.overlapping(start, end).next().is_none()
    }

    /// Adds an area, and counts it. Returns what was merged away.
    pub fn insert(&mut self, area: Area, removed: &mut Removed) {
        self.totals.add(&area);
        let start = area.start;
        self.areas.insert(start, area);
        self.merge_at(start, removed);
    }

    /// Merges the area that begins at `start` with the one before and the one behind, where that is possible.
    pub fn merge_at(&mut self, start: u64, removed: &mut Removed) {
        let before = self.areas.range(..start).next_back().map(|(key, _)| *key);
        let mut first = start;
        if let Some(before) = before
            && self.join(before, start, removed)
        {
            first = before;
        }
        if let Some(end) = self.areas.get(&first).map(|area| area.end) {
            self.join(first, end, removed);
        }
    }

    fn join(&mut self, first: u64, second: u64, removed: &mut Removed) -> bool {
        match (self.areas.get(&first), self.areas.get(&second)) {
            (Some(one), Some(other)) if one.continues_in(other) => {}
            _ => return false,
        }
        let (Some(other), Some(one)) = (self.areas.remove(&second), self.areas.get_mut(&first)) else {
            return false;
        };
        one.end = other.end;
        one.flags |= other.flags & AreaFlags::TOUCHED;
        if other.backing.is_some() {
            removed.push_back(other);
        }
        true
    }

    /// Splits areas so that none lies across an address.
    pub fn split_at(&mut self, address: u64) {
        let Some(start) = self.area_at(address).map(|area| area.start) else { return };
        if start < address
            && let Some(area) = self.areas.get_mut(&start)
        {
            let tail = area.split_off(address);
            self.areas.insert(address, tail);
        }
    }

    /// Takes whole areas out of the map, leaving their pages as they are.
    pub fn take_areas(&mut self, start: u64, end: u64, removed: &mut Removed) {
        self.split_at(start);
        self.split_at(end);
        while let Some((&key, _)) = self.areas.range(start..end).next() {
            if let Some(area) = self.areas.remove(&key) {
                self.totals.remove(&area);
                if area.backing.is_some() {
                    removed.push_back(area);
                }
            }
        }
        // The hole may be larger than what was removed.
        self.largest_hole = u64::MAX;
    }

    /// Drops the pages of a range; the areas stay.
    pub fn drop_pages(&mut self, start: u64, end: u64) {
        self.translations.forget();
        let (totals, zero) = (&mut self.totals, zero_number());
        self.tables.clear(start, end, &mut |_, frame| {
            if Some(frame.number()) != zero {
                totals.resident -= 1;
            }
        });
        while let Some((&key, _)) = self.hidden.range(start..end).next() {
            self.hidden.remove(&key);
            self.totals.resident -= 1;
        }
    }

    /// Removes what is in a range.
    pub fn unmap(&mut self, start: u64, end: u64, removed: &mut Removed) {
        if self.is_free(start, end) {
            return;
        }
        self.drop_pages(start, end);
        self.take_areas(start, end, removed);
    }

    /// Maps a page where none is, and counts it.
    pub fn install(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        let counts = Some(frame.number()) != zero_number();
        self.tables.set(address, frame, rights)?;
        if counts {
            self.totals.add_resident();
        }
        Ok(())
    }

    /// Whether so many more bytes may be mapped; `data` says whether they count as data.
    pub fn has_room(&self, bytes: u64, data: bool) -> bool {
        let fits = |used: u64, limit: u64| used.checked_add(bytes).is_some_and(|sum| sum <= limit);
        fits(self.totals.size * PAGE, self.limits.address_space)
            && (!data || fits(self.totals.data * PAGE, self.limits.data))
    }

    /// Changes the name of anonymous memory in a range; `ENOMEM` for a hole (the rest is changed), `EBADF` for what has an object.
    pub fn rename(&mut self, start: u64, end: u64, name: &Name, removed: &mut Removed) -> Result<()> {
        if self.overlapping(start, end).any(|area| area.backing.is_some()) {
            return Err(Errno::EBADF);
        }
        if self.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        let is_whole = self.mapped_bytes(start, end) == end - start;
        self.split_at(start);
        self.split_at(end);
        for (_, area) in self.areas.range_mut(start..end) {
            area.name = name.clone();
        }
        self.merge_at(start, removed);
        self.merge_at(end, removed);
        if is_whole { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}

/// The number of the page of zeroes, if there is one already.
pub(crate) fn zero_number() -> Option<usize> {
    zero_frame().ok().map(Frame::number)
}

/// The smallest range of whole pages that holds `len` bytes from `start`; `None` if that is not the user's.
pub(crate) fn page_range(start: u64, len: u64) -> Option<(u64, u64)> {
    let end = start.checked_add(len)?.checked_next_multiple_of(PAGE)?;
    (end <= USER_END).then_some((start, end))
}

static OVERCOMMITS_ALWAYS: AtomicBool = AtomicBool::new(false);

/// From now on a mapping may be larger than the memory (`vm.overcommit_memory` 1).
pub fn overcommit_always() {
    OVERCOMMITS_ALWAYS.store(true, Ordering::Relaxed);
}

/// Whether a single mapping of so many bytes could ever be filled. What could not is refused, as Linux does by default
/// (`vm.overcommit_memory` 0); apart from that, what is never touched costs nothing.
pub(crate) fn is_obvious_overcommit(area: &Area, bytes: u64) -> bool {
    let is_accounted = area.prot.contains(Prot::WRITE) || area.is_shared() && area.name == Name::None;
    is_accounted
        && !area.is_foreign()
        && !area.flags.contains(AreaFlags::NO_RESERVE)
        && bytes / PAGE > crate::frame::total_pages() as u64
        && !OVERCOMMITS_ALWAYS.load(Ordering::Relaxed)
}

/// Whether all bits are those of [`Prot`].
pub(crate) fn parse_prot(bits: u32) -> Option<Prot> {
    Prot::from_bits(bits)
}
