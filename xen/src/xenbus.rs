//! The device's view of XenStore: its own directory, its back end's, and the states of both (`io/xenbus.h`).
//!
//! The `xenstore` crate implements [`Device`] over the wire; `fake::FakeDevice` over a table, for tests of drivers.

use alloc::string::String;
use core::fmt;

use xen_sys::io::xenbus as abi;

use crate::DomId;

/// `XenbusState` of one end of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No such key: the directory is gone.
    Unknown,
    /// The toolstack made the device.
    Initialising,
    /// The back end waits for details of the front end.
    InitWait,
    /// The front end has published its details.
    Initialised,
    /// In use.
    Connected,
    /// Being taken away.
    Closing,
    /// Gone.
    Closed,
    /// The device's settings change.
    Reconfiguring,
    /// They have changed.
    Reconfigured,
}

impl State {
    /// From the number in a `state` key.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            abi::UNKNOWN => Self::Unknown,
            abi::INITIALISING => Self::Initialising,
            abi::INIT_WAIT => Self::InitWait,
            abi::INITIALISED => Self::Initialised,
            abi::CONNECTED => Self::Connected,
            abi::CLOSING => Self::Closing,
            abi::CLOSED => Self::Closed,
            abi::RECONFIGURING => Self::Reconfiguring,
            abi::RECONFIGURED => Self::Reconfigured,
            _ => return None,
        })
    }

    /// The number for a `state` key.
    pub fn raw(self) -> u32 {
        match self {
            Self::Unknown => abi::UNKNOWN,
            Self::Initialising => abi::INITIALISING,
            Self::InitWait => abi::INIT_WAIT,
            Self::Initialised => abi::INITIALISED,
            Self::Connected => abi::CONNECTED,
            Self::Closing => abi::CLOSING,
            Self::Closed => abi::CLOSED,
            Self::Reconfiguring => abi::RECONFIGURING,
            Self::Reconfigured => abi::RECONFIGURED,
        }
    }
}

/// Why a device operation failed. Every message names the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceError {
    /// XenStore refused or failed; its error by name and the path.
    Store {
        /// The path.
        path: String,
        /// XenStore's error, e.g. `EACCES`.
        error: String,
    },
    /// A key that must be there is missing.
    Missing {
        /// The path.
        path: String,
    },
    /// A key holds what it should not.
    Malformed {
        /// The path.
        path: String,
        /// What it holds.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The back end did not reach a wanted state in time.
    TimedOut {
        /// The device, `vif/0`.
        device: String,
        /// What was waited for.
        waiting_for: &'static str,
        /// The back end's state at the end.
        state: State,
        /// How long.
        waited_ms: u64,
    },
    /// The back end is closing or gone.
    BackendGone {
        /// The device, `vif/0`.
        device: String,
        /// The back end's state.
        state: State,
    },
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { path, error } => write!(f, "XenStore {path}: {error}"),
            Self::Missing { path } => write!(f, "XenStore {path} is missing"),
            Self::Malformed { path, value, expected } => {
                write!(f, "XenStore {path} holds {value:?}, which is not {expected}")
            }
            Self::TimedOut { device, waiting_for, state, waited_ms } => {
                write!(f, "{device}: no {waiting_for} after {waited_ms} ms, the back end is {state:?}")
            }
            Self::BackendGone { device, state } => write!(f, "{device}: the back end is {state:?}"),
        }
    }
}

impl core::error::Error for DeviceError {}

/// One device of this guest, as a driver sees it.
pub trait Device {
    /// `vif/0`, `vbd/51712`: for messages.
    fn name(&self) -> &str;
    /// The number in its path: the handle of a vif, the device number of a vbd.
    fn id(&self) -> u32;
    /// The domain its back end runs in.
    fn backend_domain(&self) -> DomId;
    /// A key of our directory, `None` if it is missing.
    fn read(&self, key: &str) -> Result<Option<String>, DeviceError>;
    /// A key of the back end's directory, `None` if it is missing.
    fn read_backend(&self, key: &str) -> Result<Option<String>, DeviceError>;
    /// Writes the keys and then our state, all in one transaction.
    fn publish(&self, keys: &[(&str, &str)], state: State) -> Result<(), DeviceError>;
    /// Removes keys of ours that are no longer true; missing ones are no error.
    fn retract(&self, keys: &[&str]) -> Result<(), DeviceError>;
    /// The back end's state now.
    fn backend_state(&self) -> Result<State, DeviceError>;
    /// Waits until the back end's state is one of `wanted`; `waiting_for` says in an error what for. A state from which
    /// `wanted` can no longer come (`Closing`, `Closed`, `Unknown`) ends the wait with `BackendGone`, unless wanted.
    fn wait_backend(
        &self,
        wanted: &[State],
        waiting_for: &'static str,
        deadline_ns: Option<u64>,
    ) -> Result<State, DeviceError>;

    /// As [`Device::wait_backend`], but a back end that is closing or gone may yet come back: all but `wanted` is waited
    /// through.
    fn await_backend(
        &self,
        wanted: &[State],
        waiting_for: &'static str,
        deadline_ns: Option<u64>,
    ) -> Result<State, DeviceError>;

    /// The caller is about to read these keys of the back end's directory: an implementation that has to ask somebody may ask
    /// for all at once.
    fn prefetch_backend(&self, _keys: &[&str]) {}

    /// A number of the back end's directory: `default` if missing, an error if malformed.
    fn backend_number(&self, key: &'static str, default: u64) -> Result<u64, DeviceError> {
        match self.read_backend(key)? {
            None => Ok(default),
            Some(text) => text.trim().parse().map_err(|_| DeviceError::Malformed {
                path: alloc::format!("{} back end key {key}", self.name()),
                value: text,
                expected: "a number",
            }),
        }
    }

    /// A yes-or-no feature of the back end: `1` is yes, `0` or missing is no.
    fn backend_feature(&self, key: &'static str) -> Result<bool, DeviceError> {
        self.backend_number(key, 0).map(|number| number != 0)
    }
}
