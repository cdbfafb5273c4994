//! What waits at an end, and what its senders have under way.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_base::{PollEvents, WaitQueue};

use super::names::Name;
use super::rights::Rights;
use crate::options::BUFFER_MOST;

/// What a message costs besides its bytes.
const OVERHEAD: usize = 256;

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

    /// Bytes that still may be sent; `None` when there is room for nothing.
    pub(super) fn room(&self) -> Option<usize> {
        let room = self.limit.load(Ordering::Relaxed).saturating_sub(self.used());
        Some(room).filter(|room| *room > OVERHEAD)
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
    ) -> Self {
        let charged = data.len() + OVERHEAD;
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
