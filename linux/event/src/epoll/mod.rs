//! `epoll(7)`: readiness of many files, told by the files.
//!
//! Each file that is added becomes an item, a watcher of the file's queue. A change puts the item on the ready list,
//! once; [`Epoll::collect`] looks only at that list, so its cost does not grow with the files that are silent. Level-triggered
//! items stay on the list as long as they are ready, edge-triggered ones come back with the next change.

mod item;
mod nesting;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use linux_base::{Errno, File, Mutex, OpenFile, PollEvents, Result, Stat, WaitQueue, Watch, abi};

use crate::anonymous_stat;
use item::{Closer, Interest, Item, Key, Notifier};

/// Files in one instance; more is `ENOSPC`.
const MAX_ITEMS: usize = 1 << 18;

/// What `epoll_ctl(2)` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// `EPOLL_CTL_ADD`.
    Add(EpollEvent),
    /// `EPOLL_CTL_MOD`.
    Modify(EpollEvent),
    /// `EPOLL_CTL_DEL`.
    Delete,
}

/// `struct epoll_event`: 12 bytes on x86-64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EpollEvent {
    /// `EPOLL*` bits.
    pub events: u32,
    /// What the program wants to be told with them.
    pub data: u64,
}

impl EpollEvent {
    /// How many bytes it is in memory.
    pub const SIZE: usize = 12;

    /// From a program's memory.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, data @ ..] = bytes;
        Self { events: u32::from_le_bytes([a, b, c, d]), data: u64::from_le_bytes(data) }
    }

    /// For a program's memory.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (events, data) = bytes.split_at_mut(4);
        events.copy_from_slice(&self.events.to_le_bytes());
        data.copy_from_slice(&self.data.to_le_bytes());
        bytes
    }
}

/// An item and what ties it to its file; dropping it cuts the ties.
struct Entry {
    item: Arc<Item>,
    _watches: [Watch; 2],
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Key, Entry>,
    ready: VecDeque<Arc<Item>>,
}

/// An epoll instance.
pub struct Epoll {
    inner: Mutex<Inner>,
    queue: WaitQueue,
    /// Instances that this one has been added to.
    parents: Mutex<Vec<Weak<Epoll>>>,
    myself: Weak<Epoll>,
}

impl Epoll {
    /// An instance without files.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|myself| Self {
            inner: Mutex::default(),
            queue: WaitQueue::new(),
            parents: Mutex::default(),
            myself: myself.clone(),
        })
    }

    /// `epoll_ctl(2)` for a descriptor and the open file that it refers to.
    pub fn control(&self, fd: i32, file: &Arc<OpenFile>, control: Control) -> Result<()> {
        if file.file().queue().is_none() {
            return Err(Errno::EPERM);
        }
        let child = file.downcast_arc::<Self>();
        if child.as_ref().is_some_and(|child| core::ptr::eq(Arc::as_ptr(child), self)) {
            return Err(Errno::EINVAL);
        }
        let key = Key::new(fd, file);
        match control {
            Control::Add(event) => self.add(key, file, child, event),
            Control::Modify(event) => self.modify(key, event),
            Control::Delete => self.remove(key),
        }
    }

    fn add(&self, key: Key, file: &Arc<OpenFile>, child: Option<Arc<Self>>, event: EpollEvent) -> Result<()> {
        let interest = Interest::new(event, true)?;
        let is_exclusive = interest.is_exclusive();
        if is_exclusive && child.is_some() {
            return Err(Errno::EINVAL);
        }
        {
            let inner = self.inner.lock();
            if inner.entries.contains_key(&key) {
                return Err(Errno::EEXIST);
            }
            if inner.entries.len() >= MAX_ITEMS {
                return Err(Errno::ENOSPC);
            }
        }
        if let Some(child) = child {
            self.adopt(&child)?;
        }
        let item = Item::new(key, file, interest, self.myself.clone());
        let queue = file.file().queue().ok_or(Errno::EPERM)?;
        let notifier = Arc::new(Notifier(item.clone()));
        let watch = if is_exclusive { queue.watch_exclusively(notifier) } else { queue.watch(notifier) };
        let closing = file.closing().watch(Arc::new(Closer::new(&item)));
        let entry = Entry { item: item.clone(), _watches: [watch, closing] };
        let replaced = self.inner.lock().entries.insert(key, entry);
        drop(replaced);
        self.look_at(&item, file);
        Ok(())
    }

    fn modify(&self, key: Key, event: EpollEvent) -> Result<()> {
        let item = self.inner.lock().entries.get(&key).map(|entry| entry.item.clone());
        let item = item.ok_or(Errno::ENOENT)?;
        if item.interest().is_exclusive() {
            return Err(Errno::EINVAL);
        }
        item.set_interest(Interest::new(event, false)?);
        if let Some(file) = item.file() {
            self.look_at(&item, &file);
        }
        Ok(())
    }

    /// Takes a file out; `ENOENT` if it is not in.
    fn remove(&self, key: Key) -> Result<()> {
        let (entry, queued) = {
            let mut inner = self.inner.lock();
            let entry = inner.entries.remove(&key).ok_or(Errno::ENOENT)?;
            let place = inner.ready.iter().position(|item| Arc::ptr_eq(item, &entry.item));
            let queued = place.and_then(|place| inner.ready.remove(place));
            (entry, queued)
        };
        entry.item.forget();
        if let Some(child) = entry.item.file().and_then(|file| file.downcast_arc::<Self>()) {
            child.leave(self);
        }
        drop((entry, queued));
        Ok(())
    }

    /// Takes out an item whose file has closed.
    fn item_closed(&self, item: &Item) {
        // `ENOENT` is nothing to tell: a program may take it out at the same time.
        let _ = self.remove(item.key());
    }

    /// Puts an item on the ready list if its file is ready now.
    fn look_at(&self, item: &Arc<Item>, file: &OpenFile) {
        if !item.interest().matching(file.file().poll()).is_empty() && self.push_back(item) {
            self.queue.wake(PollEvents::READABLE);
        }
    }

    /// A file has told of a change: puts its item on the ready list and wakes who waits.
    fn enqueue(&self, item: &Arc<Item>) {
        self.push_back(item);
        self.queue.wake(PollEvents::READABLE);
    }

    /// `epoll_wait(2)` without waiting: hands up to `max` events to `emit` and returns how many. 0 means: wait on the queue.
    /// `EFAULT` and the like of `emit` end it, and the event stays.
    pub fn collect(&self, max: usize, emit: &mut dyn FnMut(EpollEvent) -> Result<()>) -> Result<usize> {
        // Items that stay ready go to the end of the list, and are not looked at twice.
        let mut left_to_see = self.inner.lock().ready.len();
        let mut done = 0;
        let mut failed = None;
        while done < max && left_to_see > 0 {
            left_to_see -= 1;
            let Some(item) = self.pop_ready() else { break };
            let Some(file) = item.file() else { continue };
            let interest = item.interest();
            let events = interest.matching(file.file().poll());
            if events.is_empty() {
                continue;
            }
            if let Err(errno) = emit(EpollEvent { events: events.bits(), data: interest.data() }) {
                self.push_front(item);
                failed = Some(errno);
                break;
            }
            done += 1;
            if interest.is_oneshot() {
                item.disarm(interest);
            } else if !interest.is_edge() {
                self.push_back(&item);
            }
        }
        if left_to_see > 0 {
            // Another thread may take what did not fit here.
            self.queue.wake(PollEvents::READABLE);
        }
        match failed {
            Some(errno) if done == 0 => Err(errno),
            _ => Ok(done),
        }
    }

    /// Whether [`Epoll::collect`] would find something now.
    pub fn has_ready(&self) -> bool {
        let mut left_to_see = self.inner.lock().ready.len();
        while left_to_see > 0 {
            left_to_see -= 1;
            let Some(item) = self.pop_ready() else { return false };
            let is_ready =
                item.file().is_some_and(|file| !item.interest().matching(file.file().poll()).is_empty());
            if is_ready {
                self.push_front(item);
                return true;
            }
        }
        false
    }

    /// Whether a thread waits for it now, or somebody polls it.
    fn is_waited_for(&self) -> bool {
        self.queue.is_watched()
    }

    /// Takes the first item off the list. From now on a change of its file puts it there again, so nothing is lost between
    /// here and looking at the file.
    fn pop_ready(&self) -> Option<Arc<Item>> {
        let mut inner = self.inner.lock();
        let item = inner.ready.pop_front()?;
        item.unmark_queued();
        Some(item)
    }

    /// Puts an item at the end of the list, unless it is there: the list does not grow beyond the number of items.
    fn push_back(&self, item: &Arc<Item>) -> bool {
        let mut inner = self.inner.lock();
        let is_new = item.mark_queued();
        if is_new {
            inner.ready.push_back(item.clone());
        }
        is_new
    }

    fn push_front(&self, item: Arc<Item>) {
        let mut inner = self.inner.lock();
        if item.mark_queued() {
            inner.ready.push_front(item);
        }
    }

    /// Descriptor, events and data of each file, for `/proc/PID/fdinfo`.
    pub fn items(&self) -> Vec<(i32, EpollEvent)> {
        let inner = self.inner.lock();
        inner
            .entries
            .values()
            .map(|entry| (entry.item.key().fd(), entry.item.interest().as_event()))
            .collect()
    }
}

impl File for Epoll {
    fn stat(&self) -> Result<Stat> {
        Ok(anonymous_stat())
    }

    fn poll(&self) -> PollEvents {
        if self.has_ready() { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Checks the third argument of `epoll_wait(2)`.
pub fn check_max_events(max: i32) -> Result<usize> {
    let limit = i32::MAX as usize / EpollEvent::SIZE;
    usize::try_from(max).ok().filter(|max| (1..=limit).contains(max)).ok_or(Errno::EINVAL)
}

/// Checks the operation of `epoll_ctl(2)`; `event` reads the program's structure, where the operation has one.
pub fn control_of(op: i32, event: impl FnOnce() -> Result<EpollEvent>) -> Result<Control> {
    match u32::try_from(op) {
        Ok(abi::general::EPOLL_CTL_ADD) => event().map(Control::Add),
        Ok(abi::general::EPOLL_CTL_MOD) => event().map(Control::Modify),
        Ok(abi::general::EPOLL_CTL_DEL) => Ok(Control::Delete),
        _ => Err(Errno::EINVAL),
    }
}
