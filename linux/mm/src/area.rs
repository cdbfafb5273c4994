//! A part of an address space whose pages have the same rights and origin.

use alloc::sync::Arc;

use crate::{PAGE_SIZE, Pager, Rights};

bitflags::bitflags! {
    /// What a program may do with a page (`PROT_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Prot: u32 {
        /// Reading.
        const READ = 1;
        /// Writing; x86 has no pages that can be written and not read.
        const WRITE = 2;
        /// Executing; neither are there any that can be executed and not read.
        const EXEC = 4;
    }
}

bitflags::bitflags! {
    /// Properties of an area.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct AreaFlags: u32 {
        /// Writes are seen by all who map the object.
        const SHARED = 1;
        /// Grows down when the page below is touched.
        const GROWS_DOWN = 1 << 1;
        /// Not in the child of a fork.
        const DONT_FORK = 1 << 2;
        /// Empty in the child of a fork.
        const WIPE_ON_FORK = 1 << 3;
        /// `mlock`ed; nothing is ever swapped out, so this is accounting.
        const LOCKED = 1 << 4;
        /// `MAP_NORESERVE`, for `/proc`.
        const NO_RESERVE = 1 << 5;
        /// Not in a core dump.
        const DONT_DUMP = 1 << 6;
        /// Some page may differ from the object's: a fork has to copy the entries.
        const TOUCHED = 1 << 7;
        /// Random access is expected: no fault-around.
        const RANDOM = 1 << 8;
        /// Filled with frames of other domains alone ([`Pager::is_foreign`]).
        const FOREIGN = 1 << 9;
    }
}

impl AreaFlags {
    /// What two areas may differ in and still be merged.
    const MERGEABLE: Self = Self::TOUCHED;
}

/// What `/proc/PID/maps` shows at the end of a line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Name {
    /// Nothing.
    #[default]
    None,
    /// `[stack]`, `[vdso]`, `[vvar]`.
    Special(&'static str),
    /// A path, or what `PR_SET_VMA_ANON_NAME` set.
    Text(Arc<[u8]>),
}

/// Where the frames in a foreign area come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A domain that is looked after.
    Domain(u16),
    /// Grants of any domains.
    Grants,
}

/// The object behind an area.
#[derive(Clone)]
pub(crate) struct Backing {
    pub pager: Arc<dyn Pager>,
    /// The page of the object at the start of the area.
    pub first: u64,
}

/// Counts an area that may write to its object; see [`Pager::mapped_for_write`].
pub(crate) struct WriteClaim(Arc<dyn Pager>);

impl WriteClaim {
    pub fn new(pager: Arc<dyn Pager>) -> Self {
        pager.mapped_for_write(true);
        Self(pager)
    }
}

impl Clone for WriteClaim {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl Drop for WriteClaim {
    fn drop(&mut self) {
        self.0.mapped_for_write(false);
    }
}

/// A range of pages with the same rights and origin.
#[derive(Clone)]
pub(crate) struct Area {
    pub start: u64,
    pub end: u64,
    pub prot: Prot,
    /// What `mprotect` may set.
    pub allowed: Prot,
    pub flags: AreaFlags,
    pub backing: Option<Backing>,
    pub claim: Option<WriteClaim>,
    pub name: Name,
    /// Whose frames are mapped in a foreign area: all of one origin.
    pub origin: Option<Origin>,
    /// The page behind the last fault, and how many pages that brought: sequential access gets more at once.
    pub next_fault: u64,
    pub batch: u8,
}

impl Area {
    /// Anonymous private memory.
    pub fn anonymous(start: u64, end: u64, prot: Prot) -> Self {
        Self {
            start,
            end,
            prot,
            allowed: Prot::all(),
            flags: AreaFlags::empty(),
            backing: None,
            claim: None,
            name: Name::None,
            origin: None,
            next_fault: 0,
            batch: 1,
        }
    }

    pub fn pages(&self) -> u64 {
        (self.end - self.start) / PAGE_SIZE as u64
    }

    /// Whether it is filled with frames of other domains alone.
    pub fn is_foreign(&self) -> bool {
        self.flags.contains(AreaFlags::FOREIGN)
    }

    pub fn is_shared(&self) -> bool {
        self.flags.contains(AreaFlags::SHARED)
    }

    /// Whether it counts as data (`RLIMIT_DATA`): private, writable, not a stack.
    pub fn is_data(&self) -> bool {
        self.prot.contains(Prot::WRITE) && !self.flags.intersects(AreaFlags::SHARED | AreaFlags::GROWS_DOWN)
    }

    /// The rights of an entry for a page that may be written at once.
    pub fn full_rights(&self) -> Rights {
        Rights { write: self.prot.contains(Prot::WRITE), execute: self.prot.contains(Prot::EXEC) }
    }

    /// The rights of an entry for a page whose first write is to fault.
    pub fn read_rights(&self) -> Rights {
        Rights { write: false, ..self.full_rights() }
    }

    /// The page of the object at an address.
    pub fn index(&self, backing: &Backing, address: u64) -> u64 {
        backing.first + (address - self.start) / PAGE_SIZE as u64
    }

    /// Cuts off and returns what is at and behind `address`, which lies inside.
    pub fn split_off(&mut self, address: u64) -> Self {
        let mut tail = self.clone();
        tail.set_start(address);
        self.end = address;
        tail
    }

    /// Moves the start within the area, and what it shows with it.
    pub fn set_start(&mut self, start: u64) {
        if let Some(backing) = &mut self.backing {
            backing.first =
                backing.first.wrapping_add_signed((start as i64 - self.start as i64) / PAGE_SIZE as i64);
        }
        self.start = start;
    }

    /// Whether `next` goes on where this area ends, in every respect.
    pub fn continues_in(&self, next: &Self) -> bool {
        let backing = match (&self.backing, &next.backing) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                Arc::ptr_eq(&one.pager, &other.pager) && one.first + self.pages() == other.first
            }
            _ => false,
        };
        let same = |flags: AreaFlags| flags.difference(AreaFlags::MERGEABLE);
        backing
            && self.end == next.start
            && (self.prot, self.allowed) == (next.prot, next.allowed)
            && same(self.flags) == same(next.flags)
            && !self.flags.intersects(AreaFlags::GROWS_DOWN | AreaFlags::FOREIGN)
            && self.name == next.name
    }
}
