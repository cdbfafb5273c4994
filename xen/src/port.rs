//! An event channel that closes itself.

use crate::{DomId, EventError, EventSeq, Events, Port, Wake};

/// An event channel of ours, closed on drop.
pub struct EventPort<E: Events> {
    events: E,
    port: Port,
}

impl<E: Events + Clone> EventPort<E> {
    /// A new channel for `peer` to bind.
    pub fn alloc(events: &E, peer: DomId) -> Result<Self, EventError> {
        Ok(Self { events: events.clone(), port: events.alloc_unbound(peer)? })
    }

    /// A channel that exists already (those of `start_info`), owned from here on.
    pub fn from_existing(events: &E, port: Port) -> Self {
        Self { events: events.clone(), port }
    }

    /// Its number.
    pub fn port(&self) -> Port {
        self.port
    }

    /// Raises an event at the other end.
    pub fn notify(&self) {
        self.events.notify(self.port);
    }

    /// Lets no more events in, as [`Events::mute`].
    pub fn mute(&self) {
        self.events.mute(self.port);
    }

    /// Lets them in again.
    pub fn unmute(&self) {
        self.events.unmute(self.port);
    }

    /// The count of events so far; read it before looking at shared memory.
    pub fn seq(&self) -> EventSeq {
        self.events.seq(self.port)
    }

    /// Waits until the count has moved past `seen`, or until the deadline.
    pub fn wait(&self, seen: EventSeq, deadline_ns: Option<u64>) -> Wake {
        self.events.wait(&[(self.port, seen)], deadline_ns)
    }
}

impl<E: Events> Drop for EventPort<E> {
    fn drop(&mut self) {
        self.events.close(self.port);
    }
}
