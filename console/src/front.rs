//! A further console, `device/console/N`, and the states of its back end (`io/console.h`, `io/xenbus.h`): the front end grants
//! the ring page, makes the event channel and says so in XenStore; closes when the back end closes; and connects again
//! when it offers to.
//!
//! One thread follows the states ([`Front::follow`]), another serves the ring: it asks [`Front::wait_point`], then moves bytes
//! by [`Front::read`] and [`Front::write_raw`], then waits for an event past that point. While there is no connection
//! nothing is read, and bytes to be written wait with who has them.

use alloc::format;
use core::cell::RefCell;
use core::fmt;

use xen::xenbus::{Device, DeviceError, State};
use xen::{
    Access, EventError, EventPort, EventSeq, GrantError, PeerMisbehaved, Platform, Port, SharedPage, Wake,
};

use crate::Console;

/// What the back end is told.
const KEYS: [&str; 2] = ["ring-ref", "port"];
/// States of a back end that takes a connection, or was there before us; that has to be asked; and that is no more.
const OFFERS: [State; 5] =
    [State::InitWait, State::Initialised, State::Connected, State::Closed, State::Unknown];
/// States of a back end that is not, or no longer, the one that was connected to.
const LEFT: [State; 5] =
    [State::Closing, State::Closed, State::Unknown, State::Initialising, State::InitWait];
/// How long a back end that has started anew may take to go on.
const PATIENCE_NS: u64 = 2_000_000_000;

/// Why a console could not be connected, or its back end not be followed.
#[derive(Debug)]
pub enum FrontError {
    /// XenStore or the back end.
    Device(DeviceError),
    /// No page can be granted.
    Grant(GrantError),
    /// There is no event channel.
    Event(EventError),
}

impl fmt::Display for FrontError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "{error}"),
            Self::Grant(error) => write!(f, "ring page: {error}"),
            Self::Event(error) => write!(f, "event channel: {error}"),
        }
    }
}

impl core::error::Error for FrontError {}

impl From<DeviceError> for FrontError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// How a further console stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// It is connected.
    Up,
    /// It has not been connected yet, or its back end has closed it.
    Down,
    /// The toolstack has taken it away.
    Gone,
    /// The back end broke the protocol. The console stays as it is until the back end closes it, and then connects again.
    Failed(PeerMisbehaved),
}

/// A further console. Threads share it by reference.
pub struct Front<P: Platform, D: Device> {
    platform: P,
    device: D,
    console: RefCell<Option<Console<P, SharedPage<P>>>>,
}

impl<P: Platform, D: Device> Front<P, D> {
    /// A console that is not connected yet.
    pub fn new(platform: &P, device: D) -> Self {
        Self { platform: platform.clone(), device, console: RefCell::new(None) }
    }

    /// The device in XenStore.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Whether bytes can flow; of a console that is gone this says [`Link::Down`].
    pub fn link(&self) -> Link {
        match &*self.console.borrow() {
            Some(console) => console.check().map_or_else(Link::Failed, |()| Link::Up),
            None => Link::Down,
        }
    }

    /// Takes input that is there; returns how many bytes.
    pub fn read(&self, into: &mut [u8]) -> usize {
        self.console.borrow().as_ref().map_or(0, |console| console.read(into).unwrap_or(0))
    }

    /// Writes bytes as they are, as far as there is room, and returns how many. A back end that broke the protocol gets none, and
    /// they are lost.
    pub fn write_raw(&self, bytes: &[u8]) -> usize {
        self.console.borrow().as_ref().map_or(0, |console| console.write_raw(bytes))
    }

    /// What to wait past, for an event: ask before looking at the console. `None` while it is not connected.
    pub fn wait_point(&self) -> Option<(Port, EventSeq)> {
        self.console.borrow().as_ref().map(Console::wait_point)
    }

    /// Whether the back end has not taken all that is in the ring. It may be another than was told of it, started in place of one
    /// that ended without a word: then [`Front::nudge`] it.
    pub fn has_output(&self) -> bool {
        self.console.borrow().as_ref().is_some_and(|console| !console.all_taken())
    }

    /// Tells the back end again of what is in the ring.
    pub fn nudge(&self) {
        if let Some(console) = &*self.console.borrow() {
            console.nudge();
        }
    }

    /// Waits until the back end has taken what is in the ring, or until the deadline.
    pub fn flush(&self, deadline_ns: u64) -> Wake {
        while let Some(point) = self.wait_point().filter(|_| self.has_output()) {
            // A back end that only rings does not hold us beyond the deadline.
            let is_over = deadline_ns <= self.platform.now_ns();
            if is_over || self.platform.wait(&[point], Some(deadline_ns)) == Wake::TimedOut {
                return Wake::TimedOut;
            }
        }
        Wake::Event
    }

    /// Does what is next: connects when the back end offers to; when connected, waits until it goes, and closes. An error of a
    /// back end that was too slow, or went meanwhile, is followed by another try. For a thread of its own: it waits for
    /// each step of the back end until `deadline_ns` has come.
    pub fn follow(&self, deadline_ns: Option<u64>) -> Result<Link, FrontError> {
        if self.console.borrow().is_none() {
            let offered = self.wait_offer(deadline_ns)?;
            if !offered {
                return Ok(Link::Gone);
            }
            self.connect(deadline_ns)?;
            return Ok(Link::Up);
        }
        let state = self.device.wait_backend(&LEFT, "back end that closes", deadline_ns)?;
        if matches!(state, State::Initialising | State::InitWait) {
            // Another one has started. QEMU's goes on with the ring that is there; of any other a new one is asked.
            let patience = Some(self.platform.now_ns().saturating_add(PATIENCE_NS));
            let goes_on =
                self.device.wait_backend(&[State::Connected], "Connected of the back end", patience);
            if goes_on.is_ok() {
                self.nudge();
                return Ok(Link::Up);
            }
        }
        self.close(state, deadline_ns)
    }

    /// Waits until the back end takes a connection; `false` if it is not there any more.
    fn wait_offer(&self, deadline_ns: Option<u64>) -> Result<bool, FrontError> {
        let mut wanted: &[State] = &OFFERS;
        loop {
            match self.device.await_backend(wanted, "InitWait of the back end", deadline_ns)? {
                State::Unknown => return Ok(false),
                State::Closed => {
                    // It waits for us to begin anew.
                    self.device.publish(&[], State::Initialising)?;
                    wanted = &[State::InitWait, State::Unknown];
                }
                _ => return Ok(true),
            }
        }
    }

    fn connect(&self, deadline_ns: Option<u64>) -> Result<(), FrontError> {
        let peer = self.device.backend_domain();
        let page = SharedPage::new(&self.platform, peer, Access::ReadWrite).map_err(FrontError::Grant)?;
        let port = EventPort::alloc(&self.platform, peer).map_err(FrontError::Event)?;
        let values = [format!("{}", page.gref()), format!("{}", port.port())];
        let keys: [(&str, &str); 2] = core::array::from_fn(|at| (KEYS[at], values[at].as_str()));
        let wanted = "Connected of the back end";
        let connected = self
            .device
            .publish(&keys, State::Initialised)
            .and_then(|()| self.device.wait_backend(&[State::Connected], wanted, deadline_ns))
            .and_then(|_| self.device.publish(&[], State::Connected));
        if let Err(error) = connected {
            // The first error is the one to tell.
            let _ = self.retire();
            return Err(FrontError::Device(error));
        }
        *self.console.borrow_mut() = Some(Console::new(&self.platform, page, port));
        Ok(())
    }

    /// The back end closes, has closed, or is no more: lets go of the ring once it has.
    fn close(&self, state: State, deadline_ns: Option<u64>) -> Result<Link, FrontError> {
        let console = self.console.borrow_mut().take();
        let mut result = Ok(());
        if state == State::Closing {
            // It unmaps the ring when it sees us closed.
            result = self.device.publish(&[], State::Closed).and_then(|()| {
                let wanted = [State::Closed, State::Unknown, State::Initialising, State::InitWait];
                self.device.await_backend(&wanted, "Closed of the back end", deadline_ns).map(drop)
            });
        }
        drop(console);
        let retired = self.retire();
        if state == State::Unknown {
            return Ok(Link::Gone);
        }
        result.and(retired)?;
        Ok(Link::Down)
    }

    fn retire(&self) -> Result<(), DeviceError> {
        self.device.publish(&[], State::Closed)?;
        self.device.retract(&KEYS)
    }
}

impl<P: Platform, D: Device> Drop for Front<P, D> {
    fn drop(&mut self) {
        if self.console.get_mut().is_some() {
            // Nobody is left to hear of an error.
            let _ = self.retire();
        }
    }
}
