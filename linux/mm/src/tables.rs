//! What an address space needs from page tables.

use core::ops::Range;
use core::ptr::NonNull;

use linux_base::Result;

use crate::Frame;

/// Why page tables are of no use any more: a change was not made, or only a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// There was no memory to make it.
    OutOfMemory,
    /// The hypervisor refused it.
    Refused,
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "there is no memory for a change of its page tables",
            Self::Refused => "Xen refuses a change of its page tables",
        })
    }
}

/// What an entry allows beside reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    /// Writing.
    pub write: bool,
    /// Executing.
    pub execute: bool,
}

/// An entry that maps a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The page ([`Frame::number`]); the entry holds a reference to it.
    pub number: usize,
    /// What it allows.
    pub rights: Rights,
    /// Whether it was written through this entry, as far as the tables know.
    pub dirty: bool,
}

/// What is mapped at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapped {
    /// A page of ours.
    Own(Entry),
    /// A frame of another domain, and what it allows.
    Foreign(Rights),
}

/// Frames of another domain, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frames<'a> {
    /// As the other domain counts them: the hypervisor translates.
    Guest(&'a [u64]),
    /// As the machine does: those of a resource that was acquired.
    Machine(&'a [u64]),
}

impl<'a> Frames<'a> {
    /// The numbers.
    pub fn numbers(self) -> &'a [u64] {
        match self {
            Self::Guest(numbers) | Self::Machine(numbers) => numbers,
        }
    }
}

/// Page tables of a process.
///
/// Frames of other domains have entries too, which hold no reference and are seen by `foreign`, `show` and `clear` alone.
///
/// Changes are collected and reach the processor with [`PageTables::commit`] at the latest; each entry holds a reference to its
/// page. What is collected for an address is not seen by [`PageTables::entry`] before the commit. Addresses are those of pages
/// below [`crate::USER_END`]. Dropping the tables drops the references of all entries.
///
/// A change that fails for good makes the tables [`Broken`]: user mode must not run on them again, and nothing more is changed.
/// Each entry that is still there has its reference; that of one that came or went by the change may be lost, and the page
/// with it, so that no page is ever freed that somebody may reach.
pub trait PageTables: Sized + Send {
    /// Empty tables; `ENOMEM`.
    fn new() -> Result<Self>;

    /// What is mapped at a page: one walk.
    fn look(&self, address: u64) -> Option<Mapped>;

    /// The entry that maps a page of ours.
    fn entry(&self, address: u64) -> Option<Entry> {
        match self.look(address)? {
            Mapped::Own(entry) => Some(entry),
            Mapped::Foreign(_) => None,
        }
    }

    /// Why they are of no use any more, if so.
    fn broken(&self) -> Option<Broken>;

    /// Maps a page where nothing is mapped. `ENOMEM` when there is no page for a table; the frame is dropped then.
    fn set(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()>;

    /// Maps another page in place of the one that is mapped, which is dropped; it is committed. `ENOMEM` for broken tables.
    fn replace(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()>;

    /// Unmaps a page and returns it; it is to be dropped after the commit, and forgotten if that fails.
    fn take(&mut self, address: u64) -> Option<Frame>;

    /// Calls `each` for the entries of a range, in order.
    fn visit(&self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry));

    /// Gives the entries of a range other rights; it is committed. `ENOMEM` for broken tables.
    fn protect(&mut self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry) -> Rights) -> Result<()>;

    /// Unmaps a range, frames of other domains too, unless the tables break. `gone` is called for each page when the processor no longer knows of it; no commit
    /// is needed afterwards.
    fn clear(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame));

    /// Maps frames of another domain where nothing is mapped; it takes effect at once. `errors` gets the hypervisor's errno for each,
    /// positive, and 0 for those that are mapped. `ENOMEM` when there is no page for a table, and for broken tables.
    fn map_foreign(
        &mut self,
        address: u64,
        domain: u16,
        frames: Frames<'_>,
        write: bool,
        errors: &mut [i32],
    ) -> Result<()>;

    /// As [`PageTables::map_foreign`], by grants: the granting domain and its reference. `status` gets `GNTST_*`.
    fn map_grants(
        &mut self,
        address: u64,
        grants: &[(u16, u32)],
        write: bool,
        status: &mut [i16],
    ) -> Result<()>;

    /// Whether a frame of another domain is mapped, and may be written.
    fn foreign(&self, address: u64) -> Option<Rights> {
        match self.look(address)? {
            Mapped::Own(_) => None,
            Mapped::Foreign(rights) => Some(rights),
        }
    }

    /// Has the kernel see up to `pages` frames of other domains that are mapped one behind another from `address` on: `run` gets
    /// where, and how many. `EFAULT` if it cannot see the first. `domain` is whose they are, unless they came by grants.
    fn show(
        &mut self,
        address: u64,
        pages: usize,
        domain: u16,
        run: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<()>;

    /// Tables for a child with the pages of the ranges, for both without the right to write; it is committed on both sides. Calls
    /// `each` for the pages as they were. `ENOMEM` as for [`PageTables::set`]; some pages may have lost the right nevertheless.
    fn fork(&mut self, ranges: &[Range<u64>], each: &mut dyn FnMut(u64, Entry)) -> Result<Self>;

    /// Does what was collected; `ENOMEM` for broken tables.
    fn commit(&mut self) -> Result<()>;

    /// How many pages the tables take themselves.
    fn table_pages(&self) -> usize;
}
