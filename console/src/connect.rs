//! The further consoles, `device/console/N` (`io/console.h`, `io/xenbus.h`): the front end grants the ring page and makes the
//! event channel, and says so in XenStore.

use alloc::format;
use core::fmt;

use xen::xenbus::{Device, DeviceError, State};
use xen::{Access, EventError, EventPort, GrantError, Platform, SharedPage};

use crate::Console;

/// What the back end is told.
const KEYS: [&str; 2] = ["ring-ref", "port"];

/// Why a console could not be connected.
#[derive(Debug)]
pub enum ConnectError {
    /// XenStore or the back end.
    Device(DeviceError),
    /// No page can be granted.
    Grant(GrantError),
    /// There is no event channel.
    Event(EventError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "{error}"),
            Self::Grant(error) => write!(f, "ring page: {error}"),
            Self::Event(error) => write!(f, "event channel: {error}"),
        }
    }
}

impl core::error::Error for ConnectError {}

impl<P: Platform> Console<P, SharedPage<P>> {
    /// Connects a further console; waits for its back end until the deadline. On failure all that was shared is taken back.
    pub fn connect<D: Device>(
        platform: &P,
        device: &D,
        deadline_ns: Option<u64>,
    ) -> Result<Self, ConnectError> {
        let ready = [State::InitWait, State::Initialised, State::Connected];
        device.wait_backend(&ready, "InitWait of the back end", deadline_ns).map_err(ConnectError::Device)?;
        let peer = device.backend_domain();
        let page = SharedPage::new(platform, peer, Access::ReadWrite).map_err(ConnectError::Grant)?;
        let port = EventPort::alloc(platform, peer).map_err(ConnectError::Event)?;
        let values = [format!("{}", page.gref()), format!("{}", port.port())];
        let keys: [(&str, &str); 2] = core::array::from_fn(|at| (KEYS[at], values[at].as_str()));
        let connected = device
            .publish(&keys, State::Initialised)
            .and_then(|()| device.wait_backend(&[State::Connected], "Connected of the back end", deadline_ns))
            .and_then(|_| device.publish(&[], State::Connected));
        if let Err(error) = connected {
            // The first error is the one to tell.
            let _ = device.publish(&[], State::Closed);
            let _ = device.retract(&KEYS);
            return Err(ConnectError::Device(error));
        }
        Ok(Self::new(platform, page, port))
    }
}
