//! A file in an epoll instance.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, Ordering};

use linux_base::abi::general::{EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP};
use linux_base::{Errno, Mutex, OpenFile, PollEvents, Result, Watcher};

use super::{Epoll, EpollEvent};

/// Behaviour, as against events.
const BEHAVIOUR: u32 = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
/// What may go with `EPOLLEXCLUSIVE`.
const WITH_EXCLUSIVE: u32 = PollEvents::IN
    .union(PollEvents::OUT)
    .union(PollEvents::ERR)
    .union(PollEvents::HUP)
    .union(PollEvents::READABLE)
    .union(PollEvents::WRITABLE)
    .bits()
    | EPOLLET
    | EPOLLEXCLUSIVE
    | EPOLLWAKEUP;

/// By what an instance knows a file: the descriptor's number when it was added, and the open file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(i32, usize);

impl Key {
    pub fn new(fd: i32, file: &Arc<OpenFile>) -> Self {
        Self(fd, Arc::as_ptr(file).addr())
    }

    pub fn fd(self) -> i32 {
        self.0
    }
}

/// What a program wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    event: EpollEvent,
    /// Off after an event of a one-shot item.
    is_armed: bool,
}

impl Interest {
    /// `EINVAL` for `EPOLLEXCLUSIVE` with what does not go with it.
    pub fn new(event: EpollEvent, is_added: bool) -> Result<Self> {
        if event.events & EPOLLEXCLUSIVE != 0 && (!is_added || event.events & !WITH_EXCLUSIVE != 0) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { event, is_armed: true })
    }

    /// Which of a file's events are to be told.
    pub fn matching(self, events: PollEvents) -> PollEvents {
        if self.is_armed { events & self.mask() } else { PollEvents::empty() }
    }

    fn mask(self) -> PollEvents {
        PollEvents::from_bits_retain(self.event.events & !BEHAVIOUR) | PollEvents::ERR | PollEvents::HUP
    }

    pub fn data(self) -> u64 {
        self.event.data
    }

    pub fn as_event(self) -> EpollEvent {
        self.event
    }

    pub fn is_edge(self) -> bool {
        self.event.events & EPOLLET != 0
    }

    pub fn is_oneshot(self) -> bool {
        self.event.events & EPOLLONESHOT != 0
    }

    pub fn is_exclusive(self) -> bool {
        self.event.events & EPOLLEXCLUSIVE != 0
    }
}

/// A file that was added.
pub struct Item {
    key: Key,
    file: Weak<OpenFile>,
    epoll: Weak<Epoll>,
    interest: Mutex<Interest>,
    /// Whether it is on the ready list; changed only under the instance's lock.
    is_queued: AtomicBool,
    /// It has been taken out of the instance and does not come back.
    is_gone: AtomicBool,
}

impl Item {
    pub fn new(key: Key, file: &Arc<OpenFile>, interest: Interest, epoll: Weak<Epoll>) -> Arc<Self> {
        Arc::new(Self {
            key,
            file: Arc::downgrade(file),
            epoll,
            interest: Mutex::new(interest),
            is_queued: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
        })
    }

    pub fn key(&self) -> Key {
        self.key
    }

    pub fn file(&self) -> Option<Arc<OpenFile>> {
        self.file.upgrade()
    }

    pub fn interest(&self) -> Interest {
        *self.interest.lock()
    }

    pub fn set_interest(&self, interest: Interest) {
        *self.interest.lock() = interest;
    }

    /// Ends the telling of a one-shot item, unless it was modified since `reported`.
    pub fn disarm(&self, reported: Interest) {
        let mut interest = self.interest.lock();
        if *interest == reported {
            interest.is_armed = false;
        }
    }

    /// Returns whether it was not on the list before, and may go there.
    pub fn mark_queued(&self) -> bool {
        !self.is_gone.load(Ordering::Acquire) && !self.is_queued.swap(true, Ordering::AcqRel)
    }

    pub fn unmark_queued(&self) {
        self.is_queued.store(false, Ordering::Release);
    }

    pub fn forget(&self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

/// What a file's queue tells.
pub struct Notifier(pub Arc<Item>);

impl Watcher for Notifier {
    fn notify(&self, events: PollEvents) {
        let item = &self.0;
        // A hint of nothing may be anything.
        let events = if events.is_empty() { PollEvents::all() } else { both_names(events) };
        let is_wanted = !item.interest().matching(events).is_empty();
        if is_wanted && let Some(epoll) = item.epoll.upgrade() {
            epoll.enqueue(item);
        }
    }

    fn is_waiting(&self) -> bool {
        self.0.epoll.upgrade().is_some_and(|epoll| epoll.is_waited_for())
    }
}

/// Whoever tells of one name of an event means the other too.
fn both_names(mut events: PollEvents) -> PollEvents {
    if events.intersects(PollEvents::READABLE) {
        events |= PollEvents::READABLE;
    }
    if events.intersects(PollEvents::WRITABLE) {
        events |= PollEvents::WRITABLE;
    }
    events
}

/// Takes an item out when the last reference to its open file goes.
pub struct Closer(Weak<Item>);

impl Closer {
    pub fn new(item: &Arc<Item>) -> Self {
        Self(Arc::downgrade(item))
    }
}

impl Watcher for Closer {
    fn notify(&self, _: PollEvents) {
        if let Some(item) = self.0.upgrade()
            && let Some(epoll) = item.epoll.upgrade()
        {
            epoll.item_closed(&item);
        }
    }
}
