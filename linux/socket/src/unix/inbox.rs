//! What waits at an end, and what its senders have under way.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_base::{PollEvents, WaitQueue};

use super::names::Name;
use super::rights::Rights;
use crate::options::BUFFER_MOST;

/// Bytes of a message that Linux keeps in one allocation; the rest goes into pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Stream = 3776,
    Packet = 16064,
}

/// What a message costs its sender: with its book-keeping, as Linux counts it. Programs fill sockets up to see what happens.
fn cost(len: usize, head: Head) -> usize {
    let in_pages = len.saturating_sub(head as usize).next_multiple_of(4096).min(len);
    256 + (len - in_pages + 320).next_power_of_two().max(512) + in_pages
}

/// The bytes that a socket has sent and nobody has read yet.
pub(super) struct Account {
    used: AtomicUsize,
    limit: AtomicUsize,
    queue: WaitQueue,
}

impl Account {
    pub(super) fn new(queue: WaitQueue) -> Self {
        Self { used: AtomicUsize::new(0), limit: AtomicUsize::new(BUFFER_MOST as usize), queue }
    }

    pub(super) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether something may be sent; the last message goes over the limit.
    pub(super) fn has_room(&self) -> bool {
        self.used() < self.limit.load(Ordering::Relaxed)
    }

    /// Whether enough is free to tell those who poll: three quarters.
    pub(super) fn is_writable(&self) -> bool {
        self.used() * 4 <= self.limit.load(Ordering::Relaxed)
    }

    fn charge(&self, len: usize) {
        self.used.fetch_add(len, Ordering::Relaxed);
    }

    fn release(&self, len: usize) {
        let was_writable = self.is_writable();
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(len)));
        if !was_writable && self.is_writable() {
            self.queue.wake(PollEvents::WRITABLE);
        }
    }
}

/// Who sent a message: process, user and group.
pub(super) type Sender = (u32, u32, u32);

/// A datagram, a packet, or a run of a stream's bytes that belong together.
pub(super) struct Message {
    data: Vec<u8>,
    /// Bytes of `data` that were read already.
    start: usize,
    pub(super) rights: Option<Rights>,
    pub(super) sender: Sender,
    /// The sender's name, of datagrams.
    pub(super) from: Option<Arc<Name>>,
    account: Arc<Account>,
    charged: usize,
}

impl Message {
    pub(super) fn new(
        data: Vec<u8>,
        rights: Option<Rights>,
        sender: Sender,
        from: Option<Arc<Name>>,
        account: &Arc<Account>,
        head: Head,
    ) -> Self {
        let charged = cost(data.len(), head);
        account.charge(charged);
        Self { data, start: 0, rights, sender, from, account: account.clone(), charged }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or(&[])
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// The room behind the bytes, if others of the same stream may be put there.
    pub(super) fn tail(&mut self, sender: Sender) -> Option<&mut Vec<u8>> {
        let fits = self.rights.is_none() && self.sender == sender && self.data.capacity() > self.data.len();
        fits.then_some(&mut self.data)
    }

    /// Bytes were put there.
    pub(super) fn grew(&mut self, len: usize) {
        self.charged += len;
        self.account.charge(len);
    }

    /// Bytes were read.
    pub(super) fn advance(&mut self, len: usize) {
        self.start = (self.start + len).min(self.data.len());
        let freed = len.min(self.charged);
        self.charged -= freed;
        self.account.release(freed);
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.account.release(self.charged);
    }
}
