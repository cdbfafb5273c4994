//! `control/shutdown`: how `xl shutdown` and `xl reboot` ask the guest.
//!
//! The toolstack writes a word; the guest acknowledges by emptying the node in a transaction, and then obeys. libxl
//! makes `control/feature-poweroff` and `control/feature-reboot` writable for us and nothing else in `control`.

use alloc::string::{String, ToString};

use xen::{Platform, SharedMemory};

use crate::{Error, Watch, XenStore};

const SHUTDOWN: &str = "control/shutdown";

/// What the toolstack asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// `xl shutdown`
    Poweroff,
    /// `xl reboot`
    Reboot,
    /// As `Poweroff`.
    Halt,
    /// `xl save`; a guest that does not suspend ignores it, and xl's wait ends with an error there.
    Suspend,
    /// Another word, for the log.
    Unknown(String),
}

/// The watch on `control/shutdown`.
pub struct Control<P: Platform, M: SharedMemory> {
    store: XenStore<P, M>,
    watch: Watch<P, M>,
}

impl<P: Platform, M: SharedMemory> Control<P, M> {
    /// Watches the node and says what we obey. A request that was there before is the first one.
    pub fn new(store: &XenStore<P, M>) -> Result<Self, Error> {
        let watch = store.watch(SHUTDOWN)?;
        for feature in ["control/feature-poweroff", "control/feature-reboot", "control/feature-halt"] {
            match store.write(feature, "1") {
                // A toolstack that did not make the node does not look at it either.
                Err(Error::Refused(_)) => {}
                other => other?,
            }
        }
        Ok(Self { store: store.clone(), watch })
    }

    /// Waits for the next request until the deadline; `None` then. It is acknowledged already, unless it is `Suspend`,
    /// whose acknowledgement would promise what we do not do.
    pub fn next(&self, deadline_ns: Option<u64>) -> Result<Option<Request>, Error> {
        while self.watch.next(deadline_ns)?.is_some() {
            let request = self.store.transaction(|transaction| {
                let word = transaction.find(SHUTDOWN)?.unwrap_or_default();
                let request = Request::parse(word.trim());
                if !matches!(request, None | Some(Request::Suspend)) {
                    transaction.write(SHUTDOWN, "")?;
                }
                Ok::<_, Error>(request)
            })?;
            if request.is_some() {
                return Ok(request);
            }
        }
        Ok(None)
    }
}

impl Request {
    /// From the node's value; an empty one asks for nothing.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" => return None,
            "poweroff" => Self::Poweroff,
            "reboot" => Self::Reboot,
            "halt" => Self::Halt,
            "suspend" => Self::Suspend,
            other => Self::Unknown(other.to_string()),
        })
    }
}
