//! What an address space needs from page tables.

use core::ops::Range;

use linux_base::Result;

use crate::Frame;

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

/// Page tables of a process.
///
/// Changes are collected and reach the processor with [`PageTables::commit`] at the latest; each entry holds a reference to its
/// page. What is collected for an address is not seen by [`PageTables::entry`] before the commit. Addresses are those of pages
/// below [`crate::USER_END`]. Dropping the tables drops the references of all entries.
pub trait PageTables: Sized + Send {
    /// Empty tables; `ENOMEM`.
    fn new() -> Result<Self>;

    /// The entry that maps a page.
    fn entry(&self, address: u64) -> Option<Entry>;

    /// Maps a page where nothing is mapped. `ENOMEM` when there is no page for a table; the frame is dropped then.
    fn set(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()>;

    /// Maps another page in place of the one that is mapped, and returns that; it is to be dropped after the commit.
    fn replace(&mut self, address: u64, frame: Frame, rights: Rights) -> Option<Frame>;

    /// Unmaps a page and returns it; it is to be dropped after the commit.
    fn take(&mut self, address: u64) -> Option<Frame>;

    /// Calls `each` for the entries of a range, in order.
    fn visit(&self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry));

    /// Gives the entries of a range other rights.
    fn protect(&mut self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry) -> Rights);

    /// Unmaps a range. `gone` is called for each page when the processor no longer knows of it; no commit is needed afterwards.
    fn clear(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame));

    /// Tables for a child with the pages of the ranges, for both without the right to write; it is committed on both sides. Calls
    /// `each` for the pages as they were. `ENOMEM` as for [`PageTables::set`]; some pages may have lost the right nevertheless.
    fn fork(&mut self, ranges: &[Range<u64>], each: &mut dyn FnMut(u64, Entry)) -> Result<Self>;

    /// Does what was collected.
    fn commit(&mut self);

    /// How many pages the tables take themselves.
    fn table_pages(&self) -> usize;
}
