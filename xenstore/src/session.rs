//! A session: the messages of a program that speaks the protocol itself, on the connection that all share.
//!
//! A session's own request numbers and tokens are restored in what comes back; xenstored sees numbers of the connection. Its
//! transactions are nobody else's. Dropped, its watches and transactions end. Requests that manage domains, or that would undo what
//! others on the connection have made, are answered `EACCES` here.

use alloc::rc::Rc;
use alloc::vec::Vec;

use xen::{Platform, SharedMemory};

use crate::client::Shared;
use crate::wire::Message;
use crate::{Error, XenStore};

/// A session. Nothing of it waits; a listener on the port that calls [`XenStore::pump`] brings replies and events.
pub struct Session<P: Platform, M: SharedMemory> {
    shared: Rc<Shared<P, M>>,
    key: u32,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a request that found no room was not taken"]
pub enum Submitted {
    /// It is on its way, or answered.
    Yes,
    /// Too many are under way, or too many replies wait to be taken: later.
    NoRoom,
}

impl<P: Platform, M: SharedMemory> XenStore<P, M> {
    /// A new session. `wake` is called when there may be a message, or room; it must not wait. `None` if there are too many.
    pub fn session(&self, wake: Rc<dyn Fn()>) -> Option<Session<P, M>> {
        let shared = self.tree().shared.clone();
        let key = shared.connection.borrow_mut().sessions.open(wake)?;
        Some(Session { shared, key })
    }
}

impl<P: Platform, M: SharedMemory> Session<P, M> {
    /// Sends a request, with the session's own numbers in it. Without room for it, the session is woken when there is.
    pub fn submit(&self, message: &Message) -> Result<Submitted, Error> {
        {
            let mut connection = self.shared.connection.borrow_mut();
            if let Some(why) = connection.ended() {
                return Err(Error::Broken(why));
            }
            if !connection.session_has_room(self.key) {
                return Ok(Submitted::NoRoom);
            }
            connection.submit_for_session(self.key, message);
        }
        self.shared.pump_once();
        Ok(Submitted::Yes)
    }

    /// The bytes of the next reply or event.
    pub fn take(&self) -> Result<Option<Vec<u8>>, Error> {
        // Room for others, it may be.
        self.shared.change(|connection| match (connection.sessions.take(self.key), connection.ended()) {
            (None, Some(why)) => Err(Error::Broken(why)),
            (message, _) => Ok(message),
        })
    }

    /// Whether [`Session::take`] has something, the connection's end included.
    pub fn is_ready(&self) -> bool {
        let connection = self.shared.connection.borrow();
        connection.ended().is_some() || connection.sessions.has_message(self.key)
    }

    /// Whether a request would be taken, or refused for good. If not, the session is woken when it would.
    pub fn has_room(&self) -> bool {
        let mut connection = self.shared.connection.borrow_mut();
        connection.ended().is_some() || connection.session_has_room(self.key)
    }
}

impl<P: Platform, M: SharedMemory> Drop for Session<P, M> {
    fn drop(&mut self) {
        self.shared.connection.borrow_mut().close_session(self.key);
        self.shared.pump_once();
    }
}
