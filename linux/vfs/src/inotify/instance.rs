//! An inotify instance: watches, and the queue of events.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::Ordering;

use linux_base::file::{IoFlags, UserMemory};
use linux_base::{Errno, File, Mode, Mutex, OpenFile, OpenFlags, PollEvents, Result, Sink, Stat, WaitQueue};

use super::{Mark, event};
use crate::context::Context;
use crate::inode::{Inode, is_same};
use crate::path::{Location, walk_may as may};

/// The most events that wait (`/proc/sys/fs/inotify/max_queued_events`).
const EVENTS_MAX: usize = 16384;
/// The most watches of an instance.
const WATCHES_MAX: usize = 65536;
/// Bytes of `struct inotify_event` without the name; names are filled up to a multiple of it.
const HEADER: usize = 16;
/// `FIONREAD`.
const FIONREAD: u32 = 0x541b;

/// An inotify instance.
pub struct Inotify {
    this: Weak<Inotify>,
    state: Mutex<State>,
    queue: WaitQueue,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    marks: BTreeMap<i32, Arc<Mark>>,
    last_descriptor: i32,
}

#[derive(PartialEq, Eq)]
struct Event {
    descriptor: i32,
    mask: u32,
    cookie: u32,
    name: Box<[u8]>,
}

impl Event {
    /// Bytes that a reader gets.
    fn len(&self) -> usize {
        HEADER + if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER) }
    }

    fn bytes(&self) -> Vec<u8> {
        let len = self.len();
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&self.descriptor.to_le_bytes());
        bytes.extend_from_slice(&self.mask.to_le_bytes());
        bytes.extend_from_slice(&self.cookie.to_le_bytes());
        bytes.extend_from_slice(&((len - HEADER) as u32).to_le_bytes());
        bytes.extend_from_slice(&self.name);
        bytes.resize(len, 0);
        bytes
    }
}

impl Inotify {
    /// A new instance, open (`inotify_init1(2)`).
    pub fn open(flags: OpenFlags) -> Arc<OpenFile> {
        let instance = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            state: Mutex::default(),
            queue: WaitQueue::new(),
        });
        OpenFile::new(instance, flags & OpenFlags::NONBLOCK, b"anon_inode:inotify".to_vec())
    }

    fn add(&self, inode: &Arc<dyn Inode>, mask: u32) -> Result<i32> {
        linux_mm::ensure_room()?;
        let kept = mask & (event::ALL | event::EXCL_UNLINK | event::ONESHOT);
        let mut state = self.state.lock();
        if let Some(mark) = state.marks.values().find(|mark| is_same(&mark.inode, inode)) {
            if mask & event::MASK_CREATE != 0 {
                return Err(Errno::EEXIST);
            }
            let old = if mask & event::MASK_ADD != 0 { mark.mask() } else { 0 };
            mark.mask.store(old | kept, Ordering::Relaxed);
            return Ok(mark.descriptor);
        }
        if state.marks.len() >= WATCHES_MAX {
            return Err(Errno::ENOSPC);
        }
        let descriptor = state.last_descriptor.checked_add(1).ok_or(Errno::ENOSPC)?;
        state.last_descriptor = descriptor;
        let mark = Mark::new(descriptor, kept, &self.this, inode.clone());
        state.marks.insert(descriptor, mark.clone());
        drop(state);
        inode.hooks().marks.lock().push(mark);
        Ok(descriptor)
    }

    /// `inotify_rm_watch(2)`.
    pub fn remove(&self, descriptor: i32) -> Result<()> {
        if self.ignore(descriptor) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Ends a watch and says so in the queue; whether it was there.
    pub(super) fn ignore(&self, descriptor: i32) -> bool {
        let removed = self.state.lock().marks.remove(&descriptor);
        let Some(mark) = removed else { return false };
        mark.detach();
        self.push(descriptor, event::IGNORED, 0, b"");
        true
    }

    pub(super) fn push(&self, descriptor: i32, mask: u32, cookie: u32, name: &[u8]) {
        let event = Event { descriptor, mask, cookie, name: name.into() };
        {
            let mut state = self.state.lock();
            if state.events.back() == Some(&event) || state.events.try_reserve(1).is_err() {
                return;
            }
            if state.events.len() < EVENTS_MAX && linux_mm::ensure_room().is_ok() {
                state.events.push_back(event);
            } else {
                let lost = Event { descriptor: -1, mask: event::OVERFLOW, cookie: 0, name: Box::default() };
                if state.events.back() == Some(&lost) {
                    return;
                }
                state.events.push_back(lost);
            }
        }
        self.queue.wake(PollEvents::READABLE);
    }
}

impl Context<'_> {
    /// `inotify_add_watch(2)` on a place: the watch's number. Whether links are followed (`IN_DONT_FOLLOW`) is the walk's matter.
    pub fn watch(&self, instance: &Inotify, place: &Location, mask: u32) -> Result<i32> {
        if mask & event::ALL == 0 || mask & event::MASK_ADD != 0 && mask & event::MASK_CREATE != 0 {
            return Err(Errno::EINVAL);
        }
        let inode = place.inode()?;
        if mask & event::ONLY_DIRECTORY != 0 && !inode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        may(self.credentials, inode.access(), 4)?;
        instance.add(inode, mask)
    }
}

impl File for Inotify {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        let mut done = 0;
        loop {
            let event = {
                let mut state = self.state.lock();
                match state.events.front() {
                    Some(event) if event.len() <= into.room() => state.events.pop_front(),
                    Some(_) if done == 0 => return Err(Errno::EINVAL),
                    _ => None,
                }
            };
            match event {
                Some(event) => match into.push(&event.bytes()) {
                    Ok(pushed) => done += pushed,
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => return Ok(done),
                },
                None if done == 0 => return Err(Errno::EAGAIN),
                None => return Ok(done),
            }
        }
    }

    fn stat(&self) -> Result<Stat> {
        Ok(Stat { mode: Mode(0o600), nlink: 1, blksize: 4096, ..Stat::default() })
    }

    fn poll(&self) -> PollEvents {
        if self.state.lock().events.is_empty() { PollEvents::empty() } else { PollEvents::READABLE }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if command != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let len: usize = self.state.lock().events.iter().map(Event::len).sum();
        memory.write_u32(argument, len as u32)?;
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        for mark in core::mem::take(&mut self.state.get_mut().marks).values() {
            mark.detach();
        }
    }
}
