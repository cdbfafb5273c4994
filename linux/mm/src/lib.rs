//! The memory of processes: pages, address spaces, and copies between kernel and user.
//!
//! | type | what it is |
//! |---|---|
//! | [`Frame`] | a reference to a page |
//! | [`Pager`] | where the pages of a mapped file come from; [`SharedMemory`] is the one without a file |
//! | [`ForeignArea`] | an object that is filled with frames of other domains |
//! | [`AddressSpace`] | what a process has mapped: `mmap` and its relatives, faults, `fork`, copies to and from user memory |
//! | [`UserSink`], [`UserSource`] | buffers of a program for `read` and `write` |
//! | [`PageTables`] | what an address space needs from the hardware's tables; there is one for Xen and a fake for tests |
//!
//! The kernel never follows a pointer of a program: it walks the page tables in software and copies through its own mapping of
//! the page, so a bad pointer is `EFAULT` and no fault. The lock of an address space is never held over [`Pager::page`], which may
//! wait for a disk; what was found before is looked at again afterwards.
#![cfg_attr(not(test), no_std)]
#![expect(unsafe_code, reason = "pages are raw memory, counted by hand")]

extern crate alloc;

mod advise;
mod area;
mod brk;
mod copy;
mod evict;
mod fault;
mod foreign;
mod fork;
mod frame;
mod futex;
mod io;
mod lock;
mod map;
mod pager;
mod protect;
mod remap;
mod report;
mod room;
mod shared;
mod space;
mod span;
mod tables;

#[cfg(not(target_os = "none"))]
mod fake;
#[cfg(target_os = "none")]
mod guest;
#[cfg(target_os = "none")]
mod view;

#[cfg(not(target_os = "none"))]
pub use fake::{FakeForeign, FakeTables as Tables};
#[cfg(target_os = "none")]
pub use guest::GuestTables as Tables;

pub use area::{Name, Prot};
pub use evict::{Copies, unmap_pages};
pub use fault::{Access, FaultOutcome, SegvCode};
pub use foreign::ForeignArea;
pub use frame::{Frame, PAGE_SIZE};
pub use futex::FutexKey;
pub use io::{IoRange, UserSink, UserSource};
pub use map::{MapObject, MapRequest};
pub use pager::Pager;
pub use report::{AreaInfo, Totals};
pub use room::{Reclaimer, ensure_room, ensure_room_for_file, is_scarce, set_reclaimer};
pub use shared::SharedMemory;
pub use space::{AddressSpace, Layout, Limits, Randomize, USER_END, overcommit_always};
pub use tables::{Broken, Entry, Frames, Mapped, PageTables, Rights};

#[cfg(test)]
mod tests;
