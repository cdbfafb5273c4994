//! FakeXen: Xen for one test, on the developer's machine.
//!
//! A [`FakeXen`] holds pages, a grant table, event channels and a clock that only moves when a wait lets it. Peers are
//! closures that run inline whenever the code under test waits ([`FakeXen::add_peer`]); each says whether it did
//! something. A wait that no peer, no event and no deadline can end is a lost wake-up and panics. What real Xen would
//! refuse is refused: dead grants, the wrong domain, writing through a read-only grant. [`World`], the owner, fails the
//! test on drop if a page, a grant, a mapping or a port is left.

mod device;
mod peer;

use std::alloc::Layout;
use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;
use std::vec::Vec;

use crate::{
    Access, Clock, DomId, EventError, EventSeq, Events, GrantError, GrantRef, Grants, OutOfMemory, PAGE_SIZE,
    Port, StillMapped, Wake,
};

pub use device::FakeDevice;
pub use peer::{MapError, MappedPage, Peer, PeerPort};

type PeerStep = Box<dyn FnMut(&FakeXen) -> Progress>;

/// Whether a peer did something when it was run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It did: run the others again.
    Made,
    /// Nothing to do.
    None,
}

/// An allocation of pages in a row, freed with the last of them.
struct Block {
    start: NonNull<u8>,
    pages: usize,
    used: usize,
}

struct Page {
    /// Where its block begins.
    block: usize,
    grants: u32,
}

struct Grant {
    peer: DomId,
    page: NonNull<u8>,
    access: Access,
    mapped: u32,
}

struct Channel {
    peer: DomId,
    open: bool,
    bound: bool,
    /// Events that reached us.
    seq: u32,
    muted: bool,
    /// An event came while the port was muted.
    held_back: bool,
    /// Events for the peer that it has not taken.
    for_peer: u32,
    /// Notifications sent by us, in all.
    sent: u64,
}

impl Channel {
    fn new(peer: DomId, open: bool) -> Self {
        Self { peer, open, bound: false, seq: 0, muted: false, held_back: false, for_peer: 0, sent: 0 }
    }
}

#[derive(Default)]
struct State {
    /// By address, the pages in use.
    pages: RefCell<BTreeMap<usize, Page>>,
    blocks: RefCell<BTreeMap<usize, Block>>,
    page_limit: Cell<Option<usize>>,
    grants: RefCell<BTreeMap<u32, Grant>>,
    grant_limit: Cell<Option<usize>>,
    next_gref: Cell<u32>,
    quarantined: RefCell<Vec<u32>>,
    channels: RefCell<Vec<Channel>>,
    now_ns: Cell<u64>,
    peers: RefCell<Vec<PeerStep>>,
    waits: Cell<u64>,
}

/// A handle to the fake; clone it freely.
#[derive(Clone)]
pub struct FakeXen(Rc<State>);

/// The owner of a [`FakeXen`]: checks for leaks when it is dropped, so keep it until everything else is gone.
pub struct World(FakeXen);

impl World {
    /// An empty world at time 1 s.
    #[expect(clippy::new_without_default, reason = "a world is made on purpose")]
    pub fn new() -> Self {
        let state = State::default();
        state.now_ns.set(1_000_000_000);
        state.next_gref.set(8);
        Self(FakeXen(Rc::new(state)))
    }
}

impl Deref for World {
    type Target = FakeXen;
    fn deref(&self) -> &FakeXen {
        &self.0
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Peers hold mappings and fake back ends: they end first.
        self.0.0.peers.borrow_mut().clear();
        if std::thread::panicking() {
            return;
        }
        let state = &self.0.0;
        let quarantined = state.quarantined.borrow().len();
        let grants = state.grants.borrow();
        let live: Vec<_> = grants.keys().filter(|gref| !state.quarantined.borrow().contains(gref)).collect();
        assert!(live.is_empty(), "grants left: {live:?}");
        let mapped: Vec<_> = grants.iter().filter(|(_, g)| g.mapped > 0).map(|(gref, _)| gref).collect();
        assert!(mapped.is_empty(), "grants still mapped by a peer: {mapped:?}");
        let ports: Vec<_> =
            (state.channels.borrow().iter().enumerate()).filter(|(_, c)| c.open).map(|(p, _)| p).collect();
        assert!(ports.is_empty(), "ports left open: {ports:?}");
        let pages = state.pages.borrow().len();
        assert!(pages == quarantined, "{pages} pages left, {quarantined} of them quarantined");
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for (_, block) in core::mem::take(&mut *self.blocks.borrow_mut()) {
            block.free();
        }
    }
}

impl Block {
    fn free(self) {
        // SAFETY: allocated by `alloc_pages` with this layout; the caller took it out of the table, so it is freed once.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), layout(self.pages)) }
    }
}

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).expect("whole pages are a valid layout")
}

impl FakeXen {
    /// Adds a peer; it runs whenever the code under test waits or [`FakeXen::run_peers`] is called.
    pub fn add_peer(&self, step: impl FnMut(&FakeXen) -> Progress + 'static) {
        self.0.peers.borrow_mut().push(Box::new(step));
    }

    /// Runs the peers until none has anything to do. Panics after 100,000 rounds.
    pub fn run_peers(&self) {
        for _ in 0..100_000 {
            if self.step_peers() == Progress::None {
                return;
            }
        }
        panic!("the peers never come to rest");
    }

    fn step_peers(&self) -> Progress {
        // Taken out so that a peer may add peers.
        let mut peers = core::mem::take(&mut *self.0.peers.borrow_mut());
        let mut progress = Progress::None;
        for step in &mut peers {
            if step(self) == Progress::Made {
                progress = Progress::Made;
            }
        }
        let added = core::mem::replace(&mut *self.0.peers.borrow_mut(), peers);
        self.0.peers.borrow_mut().extend(added);
        progress
    }

    /// What another domain sees of this one.
    pub fn peer(&self, id: DomId) -> Peer {
        Peer::new(self.clone(), id)
    }

    /// Moves the clock.
    pub fn advance_ns(&self, by: u64) {
        self.0.now_ns.set(self.0.now_ns.get() + by);
    }

    /// Makes `alloc_page` fail once so many pages are in use.
    pub fn limit_pages(&self, pages: Option<usize>) {
        self.0.page_limit.set(pages);
    }

    /// Makes `grant` fail once so many grants are in use.
    pub fn limit_grants(&self, grants: Option<usize>) {
        self.0.grant_limit.set(grants);
    }

    /// Grants in use, the quarantined ones included.
    pub fn grants_in_use(&self) -> usize {
        self.0.grants.borrow().len()
    }

    /// Ports that are open on this side.
    pub fn ports_open(&self) -> usize {
        self.0.channels.borrow().iter().filter(|channel| channel.open).count()
    }

    /// Pages in use, the quarantined ones included.
    pub fn pages_in_use(&self) -> usize {
        self.0.pages.borrow().len()
    }

    /// Notifications sent on a port of ours.
    pub fn notifications(&self, port: Port) -> u64 {
        self.0.channels.borrow().get(port.raw() as usize).map_or(0, |channel| channel.sent)
    }

    /// Times that the code under test waited.
    pub fn waits(&self) -> u64 {
        self.0.waits.get()
    }
}

// SAFETY: pages are whole, zeroed allocations kept in a table until `free_page`; `revoke` fails while a `MappedPage` lives.
unsafe impl Grants for FakeXen {
    fn alloc_page(&self) -> Result<NonNull<u8>, OutOfMemory> {
        self.alloc_pages(1)
    }

    unsafe fn free_page(&self, page: NonNull<u8>) {
        // SAFETY: promised by the caller.
        unsafe { self.free_pages(page, 1) }
    }

    fn alloc_pages(&self, count: usize) -> Result<NonNull<u8>, OutOfMemory> {
        assert!(count > 0, "a run has pages");
        if self.0.page_limit.get().is_some_and(|limit| self.pages_in_use() + count > limit) {
            return Err(OutOfMemory);
        }
        // SAFETY: the layout has a size.
        let start = unsafe { std::alloc::alloc_zeroed(layout(count)) };
        let start = NonNull::new(start).ok_or(OutOfMemory)?;
        let address = start.as_ptr() as usize;
        self.0.blocks.borrow_mut().insert(address, Block { start, pages: count, used: count });
        let pages = (0..count).map(|page| (address + page * PAGE_SIZE, Page { block: address, grants: 0 }));
        self.0.pages.borrow_mut().extend(pages);
        Ok(start)
    }

    unsafe fn free_pages(&self, first: NonNull<u8>, count: usize) {
        for page in 0..count {
            let page = first.as_ptr() as usize + page * PAGE_SIZE;
            let page = self.0.pages.borrow_mut().remove(&page).expect("a page was freed that is not in use");
            assert_eq!(page.grants, 0, "a page was freed while granted");
            let mut blocks = self.0.blocks.borrow_mut();
            let used = &mut blocks.get_mut(&page.block).expect("pages belong to blocks").used;
            *used -= 1;
            if *used == 0 {
                blocks.remove(&page.block).expect("looked up above").free();
            }
        }
    }

    unsafe fn grant(&self, peer: DomId, page: NonNull<u8>, access: Access) -> Result<GrantRef, GrantError> {
        let mut pages = self.0.pages.borrow_mut();
        let granted = pages.get_mut(&(page.as_ptr() as usize)).expect("granting a page that is not in use");
        if let Some(limit) = self.0.grant_limit.get().filter(|limit| self.grants_in_use() >= *limit) {
            return Err(GrantError::TableFull(limit as u32));
        }
        let gref = self.0.next_gref.replace(self.0.next_gref.get() + 1);
        granted.grants += 1;
        self.0.grants.borrow_mut().insert(gref, Grant { peer, page, access, mapped: 0 });
        Ok(GrantRef::new(gref))
    }

    unsafe fn revoke(&self, gref: GrantRef) -> Result<(), StillMapped> {
        let mut grants = self.0.grants.borrow_mut();
        let grant = grants.get(&gref.raw()).expect("revoking a grant that does not exist");
        if grant.mapped > 0 {
            self.0.quarantined.borrow_mut().push(gref.raw());
            return Err(StillMapped(gref));
        }
        let page = grant.page.as_ptr() as usize;
        grants.remove(&gref.raw());
        self.0.pages.borrow_mut().get_mut(&page).expect("a granted page is in use").grants -= 1;
        Ok(())
    }
}

impl Events for FakeXen {
    fn alloc_unbound(&self, peer: DomId) -> Result<Port, EventError> {
        let mut channels = self.0.channels.borrow_mut();
        if channels.is_empty() {
            // Port 0 is never given out.
            channels.push(Channel::new(peer, false));
        }
        channels.push(Channel::new(peer, true));
        Ok(Port::new(channels.len() as u32 - 1))
    }

    fn bind_interdomain(&self, peer: DomId, _remote: Port) -> Result<Port, EventError> {
        self.alloc_unbound(peer)
    }

    fn close(&self, port: Port) {
        let mut channels = self.0.channels.borrow_mut();
        let channel = channels.get_mut(port.raw() as usize).filter(|channel| channel.open);
        channel.expect("closing a port that is not open").open = false;
    }

    fn notify(&self, port: Port) {
        let mut channels = self.0.channels.borrow_mut();
        let channel = channels.get_mut(port.raw() as usize).filter(|channel| channel.open);
        let channel = channel.expect("notifying a port that is not open");
        channel.sent += 1;
        channel.for_peer += 1;
    }

    fn mute(&self, port: Port) {
        let mut channels = self.0.channels.borrow_mut();
        channels.get_mut(port.raw() as usize).expect("muting a port that never was").muted = true;
    }

    fn unmute(&self, port: Port) {
        let mut channels = self.0.channels.borrow_mut();
        let channel = channels.get_mut(port.raw() as usize).expect("unmuting a port that never was");
        channel.muted = false;
        channel.seq = channel.seq.wrapping_add(u32::from(core::mem::take(&mut channel.held_back)));
    }

    fn seq(&self, port: Port) -> EventSeq {
        let channels = self.0.channels.borrow();
        EventSeq(channels.get(port.raw() as usize).expect("looking at a port that never was").seq)
    }

    fn wait(&self, ports: &[(Port, EventSeq)], deadline_ns: Option<u64>) -> Wake {
        self.0.waits.set(self.0.waits.get() + 1);
        for _ in 0..100_000 {
            if ports.iter().any(|(port, seen)| self.seq(*port) != *seen) {
                return Wake::Event;
            }
            if deadline_ns.is_some_and(|deadline| deadline <= self.now_ns()) {
                return Wake::TimedOut;
            }
            if self.step_peers() == Progress::None {
                if ports.iter().any(|(port, seen)| self.seq(*port) != *seen) {
                    return Wake::Event;
                }
                let deadline =
                    deadline_ns.expect("lost wake-up: a wait without deadline, and no peer will end it");
                self.0.now_ns.set(deadline.max(self.now_ns()));
                return Wake::TimedOut;
            }
        }
        panic!("the peers never come to rest");
    }
}

impl Clock for FakeXen {
    fn now_ns(&self) -> u64 {
        self.0.now_ns.get()
    }
}

#[cfg(test)]
mod tests;
