//! The further consoles, `device/console/N`, N from 1: two threads of the caller serve each.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use console::{Front, Link};
use minios::Xen;
use minios::sync::CpuLocal;
use minios::thread::{self, Thread};
use spin::Once;
use xen::{Clock, Events, Wake};

use crate::store::{self, Device, DeviceError, XenbusDevice};

/// How long to leave alone what fails at once, a broken XenStore too.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a back end that takes no output is told of it again.
const NUDGE_NS: u64 = 1_000_000_000;

/// The numbers of the further consoles.
pub fn further() -> Vec<u32> {
    let found = store::devices("console").unwrap_or_else(|error| {
        log::warn!("consoles: {error}");
        Vec::new()
    });
    found.into_iter().filter(|id| *id > 0).collect()
}

/// A further console: one thread is to [`Further::follow`] its back end, and one to [`Further::serve`] it.
pub struct Further {
    id: u32,
    front: CpuLocal<Front<Xen, XenbusDevice>>,
    server: Once<Arc<Thread>>,
    is_gone: AtomicBool,
}

impl Further {
    /// The console of that number, not connected yet. `None` where there is no XenStore.
    pub fn new(id: u32) -> Option<Result<Self, DeviceError>> {
        let device = XenbusDevice::new(store::store()?, "console", id);
        Some(device.map(|device| Self {
            id,
            front: CpuLocal::new(Front::new(&Xen, device)),
            server: Once::new(),
            is_gone: AtomicBool::new(false),
        }))
    }

    /// The name that the toolstack has given it, as xl does to a channel.
    pub fn name(&self) -> Option<String> {
        self.front.device().read("name").ok().flatten()
    }

    /// Writes bytes as they are, as far as there is room, and returns how many: none while it is not connected.
    pub fn write_raw(&self, bytes: &[u8]) -> usize {
        self.front.write_raw(bytes)
    }

    /// Takes input that is there, and returns how many bytes.
    pub fn read(&self, into: &mut [u8]) -> usize {
        self.front.read(into)
    }

    /// Waits until the back end has taken what was written, or until the deadline.
    pub fn flush(&self, deadline_ns: u64) {
        self.front.flush(deadline_ns);
    }

    /// Connects the console, closes it when its back end does, and connects it again; returns when it was taken away.
    pub fn follow(&self) {
        let mut has_failed = false;
        loop {
            let link = self.front.follow(None);
            self.is_gone.store(matches!(link, Ok(Link::Gone)), Ordering::Relaxed);
            if let Some(server) = self.server.get() {
                server.unpark();
            }
            match link {
                Ok(Link::Gone) => return,
                Ok(link) => {
                    log::debug!("console {}: {link:?}", self.id);
                    has_failed = false;
                }
                Err(error) => {
                    if !has_failed {
                        log::warn!("console {}: {error}", self.id);
                    }
                    has_failed = true;
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Calls `look` now and whenever there may be input, or room for output; returns when the console was taken away.
    pub fn serve(&self, mut look: impl FnMut()) {
        self.server.call_once(thread::current);
        let mut has_failed = false;
        while !self.is_gone.load(Ordering::Relaxed) {
            let point = self.front.wait_point();
            look();
            let link = self.front.link();
            if let Link::Failed(why) = link
                && !has_failed
            {
                log::warn!("console {}: {why}", self.id);
            }
            has_failed = matches!(link, Link::Failed(_));
            match point {
                Some(point) => {
                    let deadline = self.front.has_output().then(|| Xen.now_ns().saturating_add(NUDGE_NS));
                    if Xen.wait(&[point], deadline) == Wake::TimedOut {
                        self.front.nudge();
                    }
                }
                None => thread::park(),
            }
        }
    }
}
