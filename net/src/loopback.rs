//! The loopback device: IP packets go round through a queue whose buffers are used again.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;

/// IP packets on the loopback interface are at most this long.
pub(crate) const MTU: usize = 65535;
/// Packets in flight before senders wait.
const DEPTH: usize = 256;
/// Buffers kept for later.
const SPARE: usize = 4;

#[derive(Default)]
pub(crate) struct Loopback {
    queue: RefCell<VecDeque<Vec<u8>>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

pub(crate) struct Received<'a> {
    packet: Vec<u8>,
    device: &'a Loopback,
}

pub(crate) struct Sender<'a> {
    device: &'a Loopback,
}

impl Loopback {
    pub(crate) fn receive(&self) -> Option<(Received<'_>, Sender<'_>)> {
        let packet = self.queue.borrow_mut().pop_front()?;
        Some((Received { packet, device: self }, Sender { device: self }))
    }

    pub(crate) fn transmit(&self) -> Option<Sender<'_>> {
        (self.queue.borrow().len() < DEPTH).then_some(Sender { device: self })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }
}

impl Received<'_> {
    pub(crate) fn consume<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        let result = f(&self.packet);
        let mut spare = self.device.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(self.packet);
        }
        result
    }
}

impl Sender<'_> {
    pub(crate) fn consume<R>(self, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut packet = self.device.spare.borrow_mut().pop().unwrap_or_default();
        packet.clear();
        packet.resize(len, 0);
        let result = f(&mut packet);
        self.device.queue.borrow_mut().push_back(packet);
        result
    }
}
