//! What can go wrong with a network device.

use alloc::string::String;
use core::fmt;

use xen::xenbus::DeviceError;
use xen::{EventError, GrantError, PeerMisbehaved};

/// Why the device is not to be had. Every message names the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetError {
    /// XenStore, or a back end that is not ready or gone.
    Device(DeviceError),
    /// The back end lacks something without which this driver can not work.
    Unsupported {
        /// The device, `vif/0`.
        device: String,
        /// The missing feature, as its XenStore key.
        feature: &'static str,
    },
    /// No page or grant for a ring or a buffer.
    Grant {
        /// The device, `vif/0`.
        device: String,
        /// Why.
        error: GrantError,
    },
    /// No event channel.
    Event {
        /// The device, `vif/0`.
        device: String,
        /// Why.
        error: EventError,
    },
    /// The back end broke the protocol; the device was shut down.
    Peer {
        /// The device, `vif/0`.
        device: String,
        /// How.
        error: PeerMisbehaved,
    },
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::Unsupported { device, feature } => write!(f, "{device}: the back end has no {feature}"),
            Self::Grant { device, error } => write!(f, "{device}: {error}"),
            Self::Event { device, error } => write!(f, "{device}: {error}"),
            Self::Peer { device, error } => write!(f, "{device}: {error}"),
        }
    }
}

impl core::error::Error for NetError {}

impl From<DeviceError> for NetError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}
