//! The states of a disk: connecting, closing, coming back (`io/xenbus.h`).

use alloc::string::String;
use alloc::vec::Vec;

use xen::Platform;
use xen::xenbus::{Device, DeviceError, State};

use crate::error::Fault;
use crate::link::{Link, LinkError};
use crate::terms::Terms;
use crate::{BlkFront, Disk, Error};

/// How often to look for a back end that was closed and may come back.
const RETRY_NS: u64 = 5_000_000;

impl<P: Platform, D: Device> BlkFront<P, D> {
    /// From nothing to `Connected`. On failure all that was shared is taken back.
    pub(crate) fn establish(&self) -> Result<(), Error> {
        let deadline = self.platform.now_ns().saturating_add(self.config.connect_timeout_ns);
        self.wait_for(&[State::InitWait], "InitWait of the back end", deadline)?;
        // That this side gives up is for the toolstack to see, too; the first error is the one to tell.
        let give_up = |_: &Error| drop(self.device.publish(&[], State::Closed));
        let terms = self.told(Terms::negotiate(&self.device, &self.config)).inspect_err(give_up)?;
        let (peer, id) = (self.device.backend_domain(), self.device.id());
        let link = Link::new(&self.platform, peer, id, terms, self.config.pool_pages);
        let mut link = link.map_err(|error| {
            let disk = self.label.clone();
            match error {
                LinkError::Grant(error) => Error::Grant { disk, error },
                LinkError::Event(error) => Error::Event { disk, error },
            }
        })?;
        match self.handshake(&link, deadline) {
            Ok(disk) => {
                link.offer_segments(disk.max_segments.min(self.config.max_segments.max(1)));
                self.queue().revive(link, disk);
                Ok(())
            }
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.retire(terms);
                drop(link);
                Err(error)
            }
        }
    }

    /// As `establish`, for a driver that is new. One before it may have given the device up: the back end is asked to begin anew.
    pub(crate) fn establish_first(&self) -> Result<(), Error> {
        if self.is_left() && self.told(self.device.backend_state())? == State::Closed {
            self.told(self.device.publish(&[], State::Initialising))?;
            let deadline = self.platform.now_ns().saturating_add(self.config.connect_timeout_ns);
            self.wait_patiently(&[State::InitWait], "InitWait of the back end", deadline)?;
        }
        self.establish()
    }

    /// Whether this side's state says that it has closed, and the toolstack does not take the device away.
    fn is_left(&self) -> bool {
        self.own_state() == Some(State::Closed) && !self.is_going()
    }

    fn own_state(&self) -> Option<State> {
        State::from_raw(self.device.read("state").ok()??.trim().parse().ok()?)
    }

    /// The toolstack is taking the device away.
    fn is_going(&self) -> bool {
        self.device
            .read_backend("online")
            .is_ok_and(|online| online.is_some_and(|online| online.trim() == "0"))
    }

    fn handshake(&self, link: &Link<P>, deadline: u64) -> Result<Disk, Error> {
        let keys = link.terms().keys(&link.rendezvous());
        let keys: Vec<(&str, &str)> =
            keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        self.told(self.device.publish(&keys, State::Initialised))?;
        self.wait_for(&[State::Connected], "Connected of the back end", deadline)?;
        let disk = self.told(Disk::read(&self.device, crate::device_name(self.device.id())))?;
        self.told(self.device.publish(&[], State::Connected))?;
        Ok(disk)
    }

    fn told<T>(&self, result: Result<T, DeviceError>) -> Result<T, Error> {
        result.map_err(|error| Error::Device { disk: self.label.clone(), error })
    }

    fn wait_for(&self, wanted: &[State], what: &'static str, deadline: u64) -> Result<State, Error> {
        self.told(self.device.wait_backend(wanted, what, Some(deadline)))
    }

    /// Finishes what is outstanding, then parts from the back end. Requests after this fail. Pages that the back end still
    /// maps are never used again.
    pub fn close(&self) -> Result<(), Error> {
        self.enter()?;
        self.queue().closing = true;
        let deadline = self.platform.now_ns().saturating_add(self.config.close_timeout_ns);
        self.until(Some(deadline), |queue| {
            queue.reap(None);
            queue.issue(None);
            (queue.fault.is_some() || queue.jobs.is_drained()).then_some(())
        });
        let result = self.part(Fault::Closed);
        self.queue().busy = false;
        result
    }

    /// Connects again to a back end that went away or was closed, or that this side gave up. What is outstanding fails, or
    /// is done again ([`crate::OnLoss::Hold`]).
    pub fn reconnect(&self) -> Result<(), Error> {
        self.enter()?;
        let result = self.begin_anew(self.config.connect_timeout_ns);
        self.queue().busy = false;
        result
    }

    /// To be called when something has changed in the directory of the back end or in the device's own: a disk that nobody waits for
    /// lets go of a back end that goes, meets one that has come back ([`crate::OnLoss::Reconnect`]), and sees how large it is now.
    pub fn attend(&self) {
        let deadline = self.platform.now_ns().saturating_add(self.config.close_timeout_ns);
        loop {
            // An error is no news about the back end; an end of it shows in the fault.
            let _ = self.check_backend();
            let (fault, is_leaving) = {
                let queue = self.queue();
                (queue.fault, queue.leaving_since.is_some() && !queue.closing)
            };
            match fault {
                Some(Fault::Gone(_)) => return self.come_back(),
                // One that says goodbye may answer what it has first.
                None if is_leaving && self.platform.now_ns() < deadline => {
                    self.platform.wait(&[], Some(self.platform.now_ns() + RETRY_NS));
                }
                None => {
                    let _ = self.refresh();
                    return;
                }
                Some(fault) => return self.let_go(fault),
            }
        }
    }

    /// A disk that no longer works is taken away: the toolstack waits for this side.
    fn let_go(&self, fault: Fault) {
        if self.device.backend_state() != Ok(State::Closing) || self.enter().is_err() {
            return;
        }
        if self.queue().link.is_some() {
            let _ = self.part(fault);
        } else {
            let _ = self.device.publish(&[], State::Closed);
        }
        self.queue().busy = false;
    }

    /// Connects again if there is a back end to connect to; else a later patrol tries.
    pub(crate) fn come_back(&self) {
        if self.enter().is_err() {
            return;
        }
        // Why it did not come back shows in its state, at which a later patrol looks.
        if let Ok(state) = self.device.backend_state() {
            let _ = self.part(Fault::Gone(state));
        }
        let may_come = [State::Initialising, State::InitWait, State::Closed];
        if self.config.on_loss == crate::OnLoss::Reconnect
            && self.device.backend_state().is_ok_and(|state| may_come.contains(&state))
            && !self.is_going()
        {
            let _ = self.begin_anew(self.config.patrol_ns);
        }
        self.queue().busy = false;
    }

    fn enter(&self) -> Result<(), Error> {
        let mut queue = self.queue();
        if core::mem::replace(&mut queue.busy, true) {
            return Err(Error::Busy { disk: self.label.clone() });
        }
        Ok(())
    }

    fn begin_anew(&self, patience_ns: u64) -> Result<(), Error> {
        let state = self.told(self.device.backend_state())?;
        // A back end that is slow to go shows in the wait below.
        let _ = self.part(Fault::Gone(state));
        self.told(self.device.publish(&[], State::Initialising))?;
        let deadline = self.platform.now_ns().saturating_add(patience_ns);
        self.wait_patiently(&[State::InitWait], "InitWait of the back end", deadline)?;
        self.establish()
    }

    /// As `wait_for`, but a back end that is closing or gone may yet move on.
    fn wait_patiently(&self, wanted: &[State], what: &'static str, deadline: u64) -> Result<State, Error> {
        loop {
            match self.wait_for(wanted, what, deadline) {
                Err(Error::Device { error: DeviceError::BackendGone { .. }, .. })
                    if self.platform.now_ns() < deadline =>
                {
                    self.platform.wait(&[], Some(self.platform.now_ns() + RETRY_NS));
                }
                other => return other,
            }
        }
    }

    /// Ends the link, whatever it was doing.
    fn part(&self, fault: Fault) -> Result<(), Error> {
        let link = {
            let mut queue = self.queue();
            queue.die(fault);
            queue.link.take()
        };
        let Some(link) = link else { return Ok(()) };
        // A device that the toolstack has removed and made anew knows nothing of the old one's connection.
        let is_new = self.own_state() == Some(State::Initialising);
        let result = if is_new { Ok(()) } else { self.retire(link.terms()) };
        drop(link);
        result
    }

    /// Tells the back end to let go, and waits until it has.
    fn retire(&self, terms: Terms) -> Result<(), Error> {
        let deadline = self.platform.now_ns().saturating_add(self.config.close_timeout_ns);
        self.told(self.device.publish(&[], State::Closing))?;
        let going = [State::Closing, State::Closed, State::Unknown];
        let went = self.wait_for(&going, "Closing of the back end", deadline);
        // It is told that we are gone in any case, and then the keys are no longer true.
        self.told(self.device.publish(&[], State::Closed))?;
        let went = went.and_then(|_| {
            // A back end whose device stays may go on to wait for the next front end.
            let gone = [State::Closed, State::Unknown, State::Initialising, State::InitWait];
            self.wait_patiently(&gone, "Closed of the back end", deadline)
        });
        let keys = terms.untrue_after();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.told(self.device.retract(&keys))?;
        went.map(|_| ())
    }
}
