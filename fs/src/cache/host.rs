//! What a cache wants of who runs it: memory, waiting, and somebody who writes back.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::LINE;

/// Memory of one line: [`LINE`] bytes.
pub trait Page: Send {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
    /// Its bytes.
    fn bytes_mut(&mut self) -> &mut [u8];
}

impl Page for Box<[u8]> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// What there is to do for [`super::Cache::tend`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Something is dirty: call it some seconds from now, and again until nothing is.
    Soon,
    /// Much is dirty: call it now.
    Now,
}

/// Who runs a cache.
///
/// The waiting is an event count: a thread takes [`Host::seq`], looks, and waits until the count is another one. None of it is
/// called with a lock held.
pub trait Host: Send + Sync {
    /// The count.
    fn seq(&self) -> u32;

    /// Waits until the count is no longer `seen`. May return early.
    fn wait(&self, seen: u32);

    /// Moves the count, and wakes all who wait.
    fn wake(&self);

    /// There is work for who writes back in the background, if there is anybody.
    fn work(&self, work: Work) {
        let _ = work;
    }

    /// A page; `None` when there is no memory. Called with a lock held: it does not wait.
    fn page(&self) -> Option<Box<dyn Page>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(LINE).ok()?;
        bytes.resize(LINE, 0);
        Some(Box::new(bytes.into_boxed_slice()))
    }

    /// Whether there is memory enough to keep more than now. Called with a lock held.
    fn may_grow(&self) -> bool {
        true
    }
}

/// A host that spins: for a cache that only reads, which never waits.
#[derive(Default)]
pub(super) struct Spinning(AtomicU32);

impl Host for Spinning {
    fn seq(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    fn wait(&self, _: u32) {
        core::hint::spin_loop();
    }

    fn wake(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
