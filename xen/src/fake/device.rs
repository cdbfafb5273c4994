//! A xenbus device over a table, without XenStore, for tests of drivers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::string::{String, ToString};

use super::{FakeXen, Progress};
use crate::xenbus::{Device, DeviceError, State};
use crate::{Clock, DomId};

/// From these nothing comes that a wait is for.
const GONE: [State; 3] = [State::Closing, State::Closed, State::Unknown];

struct Tables {
    front: BTreeMap<String, String>,
    back: BTreeMap<String, String>,
    front_state: State,
    back_state: State,
    fail_publish: bool,
}

/// A device whose two directories are tables. Clones share them: the driver takes one, the fake back end another.
#[derive(Clone)]
pub struct FakeDevice {
    xen: FakeXen,
    name: String,
    id: u32,
    backend: DomId,
    tables: Rc<RefCell<Tables>>,
}

impl FakeDevice {
    /// A device that both ends have not looked at yet: front `Initialising`, back `InitWait`.
    pub fn new(xen: &FakeXen, name: &str, id: u32, backend: DomId) -> Self {
        let tables = Tables {
            front: BTreeMap::new(),
            back: BTreeMap::new(),
            front_state: State::Initialising,
            back_state: State::InitWait,
            fail_publish: false,
        };
        Self { xen: xen.clone(), name: name.to_string(), id, backend, tables: Rc::new(RefCell::new(tables)) }
    }

    /// Sets a key of the front end's directory, as the toolstack does.
    pub fn set_front(&self, key: &str, value: &str) {
        self.tables.borrow_mut().front.insert(key.to_string(), value.to_string());
    }

    /// Sets a key of the back end's directory.
    pub fn set_back(&self, key: &str, value: &str) {
        self.tables.borrow_mut().back.insert(key.to_string(), value.to_string());
    }

    /// Removes a key of the back end's directory.
    pub fn remove_back(&self, key: &str) {
        self.tables.borrow_mut().back.remove(key);
    }

    /// A key the front end published.
    pub fn front(&self, key: &str) -> Option<String> {
        self.tables.borrow().front.get(key).cloned()
    }

    /// A number the front end published.
    pub fn front_number(&self, key: &str) -> Option<u32> {
        self.front(key)?.parse().ok()
    }

    /// The front end's state.
    pub fn front_state(&self) -> State {
        self.tables.borrow().front_state
    }

    /// Sets the front end's state, as the toolstack does when it makes the device.
    pub fn set_front_state(&self, state: State) {
        self.tables.borrow_mut().front_state = state;
    }

    /// Sets the back end's state.
    pub fn set_back_state(&self, state: State) {
        self.tables.borrow_mut().back_state = state;
    }

    /// Makes `publish` fail as a XenStore that refuses does.
    pub fn fail_publish(&self, fail: bool) {
        self.tables.borrow_mut().fail_publish = fail;
    }
}

impl FakeDevice {
    fn wait(
        &self,
        wanted: &[State],
        hopeless: &[State],
        waiting_for: &'static str,
        deadline_ns: Option<u64>,
    ) -> Result<State, DeviceError> {
        let start = self.xen.now_ns();
        loop {
            let state = self.tables.borrow().back_state;
            if wanted.contains(&state) {
                return Ok(state);
            }
            if hopeless.contains(&state) {
                return Err(DeviceError::BackendGone { device: self.name.clone(), state });
            }
            if self.xen.step_peers() == Progress::None && self.tables.borrow().back_state == state {
                let deadline = deadline_ns.expect("lost wake-up: waiting for a back end that never moves");
                self.xen.advance_ns(deadline.saturating_sub(self.xen.now_ns()));
                let waited_ms = (self.xen.now_ns() - start) / 1_000_000;
                return Err(DeviceError::TimedOut {
                    device: self.name.clone(),
                    waiting_for,
                    state,
                    waited_ms,
                });
            }
        }
    }
}

impl Device for FakeDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> u32 {
        self.id
    }

    fn backend_domain(&self) -> DomId {
        self.backend
    }

    fn read(&self, key: &str) -> Result<Option<String>, DeviceError> {
        match key {
            "state" => Ok(Some(self.front_state().raw().to_string())),
            key => Ok(self.front(key)),
        }
    }

    fn read_backend(&self, key: &str) -> Result<Option<String>, DeviceError> {
        Ok(self.tables.borrow().back.get(key).cloned())
    }

    fn publish(&self, keys: &[(&str, &str)], state: State) -> Result<(), DeviceError> {
        let mut tables = self.tables.borrow_mut();
        if tables.fail_publish {
            return Err(DeviceError::Store { path: self.name.clone(), error: "EACCES".to_string() });
        }
        for (key, value) in keys {
            tables.front.insert(key.to_string(), value.to_string());
        }
        tables.front_state = state;
        Ok(())
    }

    fn retract(&self, keys: &[&str]) -> Result<(), DeviceError> {
        let mut tables = self.tables.borrow_mut();
        for key in keys {
            let below = std::format!("{key}/");
            tables.front.retain(|at, _| at != key && !at.starts_with(&below));
        }
        Ok(())
    }

    fn backend_state(&self) -> Result<State, DeviceError> {
        Ok(self.tables.borrow().back_state)
    }

    fn wait_backend(
        &self,
        wanted: &[State],
        waiting_for: &'static str,
        deadline_ns: Option<u64>,
    ) -> Result<State, DeviceError> {
        self.wait(wanted, &GONE, waiting_for, deadline_ns)
    }

    fn await_backend(
        &self,
        wanted: &[State],
        waiting_for: &'static str,
        deadline_ns: Option<u64>,
    ) -> Result<State, DeviceError> {
        self.wait(wanted, &[], waiting_for, deadline_ns)
    }
}
