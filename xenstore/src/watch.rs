//! Watches.

use alloc::rc::Rc;
use alloc::string::String;

use xen::{Platform, SharedMemory};
use xen_sys::io::xs_wire::{XS_RESET_WATCHES, XS_WATCH};

use crate::client::Shared;
use crate::connection::decimal;
use crate::tree::checked;
use crate::{Error, XenStore};

/// Changes at or below a path. The first event comes at once, for the path itself. An event that waits already is not
/// queued twice, and more than 64 become one for the watched path. Dropped, it is unwatched.
pub struct Watch<P: Platform, M: SharedMemory> {
    shared: Rc<Shared<P, M>>,
    token: u32,
}

impl<P: Platform, M: SharedMemory> XenStore<P, M> {
    /// Watches a path, or `@releaseDomain` and the like.
    pub fn watch(&self, path: &str) -> Result<Watch<P, M>, Error> {
        let shared = &self.tree().shared;
        let token = shared.connection.borrow_mut().add_watch(checked(path)?);
        let mut digits = [0; 10];
        let reply = self.call(XS_WATCH, &[path.as_bytes(), b"\0", decimal(token, &mut digits), b"\0"]);
        // Refused, there is nothing to unwatch; unanswered, there may be.
        if let Err(Error::Refused(_) | Error::TooLong(_)) = reply {
            shared.connection.borrow_mut().drop_watch(token);
        }
        let watch = Watch { shared: shared.clone(), token };
        reply.map(|_| watch)
    }

    /// Makes xenstored forget all watches of this domain, those of an earlier kernel. To be called before the first
    /// [`XenStore::watch`]. Not every xenstored knows it (`ENOSYS`).
    pub fn reset_watches(&self) -> Result<(), Error> {
        self.call(XS_RESET_WATCHES, &[b"\0"]).map(drop)
    }
}

impl<P: Platform, M: SharedMemory> Watch<P, M> {
    /// The path that has changed, relative if the watched one is; waits for it until the deadline, and gives `None` then.
    pub fn next(&self, deadline_ns: Option<u64>) -> Result<Option<String>, Error> {
        self.shared.wait_for(deadline_ns, |connection| connection.take_event(self.token))
    }

    /// The path that has changed, if one has.
    pub fn try_next(&self) -> Result<Option<String>, Error> {
        self.shared.pump_once();
        self.shared.connection.borrow_mut().take_event(self.token)
    }
}

impl<P: Platform, M: SharedMemory> Drop for Watch<P, M> {
    fn drop(&mut self) {
        self.shared.connection.borrow_mut().remove_watch(self.token);
        self.shared.pump_once();
    }
}
