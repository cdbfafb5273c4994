//! The traits that a driver needs from what runs it: pages and grants, event channels, time.

use core::fmt;
use core::ptr::NonNull;

use crate::{DomId, GrantRef, Port, SharedMemory};

/// What a grant lets the peer do with the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The peer may read.
    ReadOnly,
    /// The peer may read and write.
    ReadWrite,
}

/// No free page was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

/// The page could not be granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantError {
    /// No page for the buffer.
    OutOfMemory,
    /// The grant table is full; it holds this many entries.
    TableFull(u32),
}

/// The peer still maps the page of this grant: neither may be used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StillMapped(pub GrantRef);

/// Xen refused an event channel operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventError {
    /// `EVTCHNOP_*`, by name.
    pub operation: &'static str,
    /// Xen's errno, positive.
    pub errno: i32,
}

/// How many events a port had seen when somebody looked; what a wait compares with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventSeq(pub u32);

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// One of the ports had an event, or somebody woke the thread; look again.
    Event,
    /// The deadline passed.
    TimedOut,
}

/// Pages, and grants of them to other domains.
///
/// # Safety
/// `alloc_page` and `alloc_pages` return page-aligned, zeroed pages that nothing else refers to until they are given back;
/// `grant` makes exactly that page accessible to exactly that peer, and not for writing if the access is
/// [`Access::ReadOnly`]; `revoke` returns `Ok` only when the peer no longer maps it and can not map it again.
pub unsafe trait Grants {
    /// A zeroed page of our own.
    fn alloc_page(&self) -> Result<NonNull<u8>, OutOfMemory>;

    /// Takes back a page.
    ///
    /// # Safety
    /// `page` came from `alloc_page` of the same platform, is not granted, and is not used afterwards.
    unsafe fn free_page(&self, page: NonNull<u8>);

    /// `count` zeroed pages of our own at consecutive addresses.
    fn alloc_pages(&self, count: usize) -> Result<NonNull<u8>, OutOfMemory>;

    /// Takes back pages at consecutive addresses: a whole run, or a part of one.
    ///
    /// # Safety
    /// They came from `alloc_pages` of the same platform, are not granted, and are not used afterwards.
    unsafe fn free_pages(&self, first: NonNull<u8>, count: usize);

    /// Lets `peer` map the page.
    ///
    /// # Safety
    /// `page` came from `alloc_page` or `alloc_pages`; until `revoke` succeeds nobody makes a Rust reference into it, unless
    /// the access is [`Access::ReadOnly`].
    unsafe fn grant(&self, peer: DomId, page: NonNull<u8>, access: Access) -> Result<GrantRef, GrantError>;

    /// Ends a grant, by one compare-exchange that fails while the peer maps the page (XSA-396). After a failure the
    /// reference is quarantined by the platform; the caller leaks the page.
    ///
    /// # Safety
    /// `gref` came from `grant` of the same platform and was not revoked since.
    unsafe fn revoke(&self, gref: GrantRef) -> Result<(), StillMapped>;
}

/// A page that another domain granted can not be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No memory for the mapping.
    OutOfMemory,
    /// Xen refused.
    Refused {
        /// Whose page.
        domain: DomId,
        /// By which reference.
        gref: GrantRef,
        /// `GNTST_*`, or an errno; negative.
        status: i32,
    },
}

/// Pages of other domains, which these have granted to us.
pub trait Mappings {
    /// Such a page; unmapped when it is dropped.
    type Page: SharedMemory;
    /// Maps what `domain` has granted as `gref`.
    fn map(&self, domain: DomId, gref: GrantRef, access: Access) -> Result<Self::Page, MapError>;
}

/// Event channels. A port counts its events; a wait names the count that the caller last saw, so that an event
/// between looking and waiting is never lost, however many threads wait.
pub trait Events {
    /// A new channel that `peer` may bind.
    fn alloc_unbound(&self, peer: DomId) -> Result<Port, EventError>;
    /// Binds to a channel that `peer` has made for us.
    fn bind_interdomain(&self, peer: DomId, remote: Port) -> Result<Port, EventError>;
    /// Gives the channel back.
    fn close(&self, port: Port);
    /// Raises an event at the other end.
    fn notify(&self, port: Port);
    /// Lets no more events of the port in: they are not counted, and end no wait.
    fn mute(&self, port: Port);
    /// Lets them in again; those that came meanwhile count as one.
    fn unmute(&self, port: Port);
    /// The count of events so far. Read it *before* looking at shared memory.
    fn seq(&self, port: Port) -> EventSeq;
    /// Blocks the calling thread until one of the ports has moved past its count, or until the deadline
    /// (nanoseconds of [`Clock::now_ns`]). May return [`Wake::Event`] early.
    fn wait(&self, ports: &[(Port, EventSeq)], deadline_ns: Option<u64>) -> Wake;
}

/// Time that never steps back.
pub trait Clock {
    /// Nanoseconds since some moment before the guest started.
    fn now_ns(&self) -> u64;
}

/// All that a driver needs.
pub trait Platform: Grants + Events + Clock + Clone + 'static {}
impl<T: Grants + Events + Clock + Clone + 'static> Platform for T {}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory: no free page")
    }
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => OutOfMemory.fmt(f),
            Self::TableFull(entries) => write!(f, "all {entries} grant references are in use"),
        }
    }
}

impl fmt::Display for StillMapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grant {} is still mapped by its peer", self.0)
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => OutOfMemory.fmt(f),
            Self::Refused { domain, gref, status } => {
                write!(f, "grant {gref} of domain {domain} can not be mapped: status {status}")
            }
        }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed with errno {}", self.operation, self.errno)
    }
}

impl core::error::Error for OutOfMemory {}
impl core::error::Error for GrantError {}
impl core::error::Error for StillMapped {}
impl core::error::Error for MapError {}
impl core::error::Error for EventError {}

impl From<OutOfMemory> for GrantError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
