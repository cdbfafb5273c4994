//! A device's directories in XenStore, for its front-end driver.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};

use xen::xenbus::{Device, DeviceError, State};
use xen::{DomId, Platform, SharedMemory};
use xen_sys::io::xs_wire::{XS_READ, XS_WRITE};

use crate::{Errno, Error, Watch, XenStore};

/// From these nothing comes that a wait is for.
const GONE: [State; 3] = [State::Closing, State::Closed, State::Unknown];

/// A device of this guest: `device/KIND/ID` and the back end's directory that it names.
pub struct XenbusDevice<P: Platform, M: SharedMemory> {
    store: XenStore<P, M>,
    name: String,
    id: u32,
    /// `device/vif/0`
    path: String,
    /// `/local/domain/0/backend/vif/5/0`
    backend: String,
    backend_domain: DomId,
    /// What was asked for ahead; each key is given out once.
    prefetched: RefCell<BTreeMap<String, Option<String>>>,
    /// Made at the first wait, and kept.
    backend_watch: OnceCell<Watch<P, M>>,
}

/// The numbers of this guest's devices of a kind (`vif`, `vbd`, `console`), in order.
pub fn enumerate<P: Platform, M: SharedMemory>(
    store: &XenStore<P, M>,
    kind: &str,
) -> Result<Vec<u32>, DeviceError> {
    let path = format!("device/{kind}");
    let names = match store.directory(&path) {
        Ok(names) => names,
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        Err(error) => return Err(store_error(&path, error)),
    };
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        ids.push(number(&path, name, "a device number")?);
    }
    ids.sort_unstable();
    Ok(ids)
}

impl<P: Platform, M: SharedMemory> XenbusDevice<P, M> {
    /// Looks up where the device's back end is.
    pub fn new(store: &XenStore<P, M>, kind: &str, id: u32) -> Result<Self, DeviceError> {
        let name = format!("{kind}/{id}");
        let path = format!("device/{name}");
        let backend = required(store, format!("{path}/backend"))?;
        let key = format!("{path}/backend-id");
        let backend_domain = number(&key, required(store, key.clone())?, "a domain number")?;
        if crate::tree::checked(&backend).is_err() || !backend.starts_with('/') {
            let path = format!("{path}/backend");
            return Err(DeviceError::Malformed { path, value: backend, expected: "an absolute path" });
        }
        Ok(Self {
            store: store.clone(),
            name,
            id,
            path,
            backend,
            backend_domain: DomId::new(backend_domain),
            prefetched: RefCell::new(BTreeMap::new()),
            backend_watch: OnceCell::new(),
        })
    }

    /// The back end's directory.
    pub fn backend_path(&self) -> &str {
        &self.backend
    }

    /// The store that the device is in.
    pub fn store(&self) -> &XenStore<P, M> {
        &self.store
    }

    fn watch(&self) -> Result<&Watch<P, M>, DeviceError> {
        if self.backend_watch.get().is_none() {
            let path = format!("{}/state", self.backend);
            let watch = self.store.watch(&path).map_err(|error| store_error(&path, error))?;
            // Another thread may have made one while we waited; ours is dropped then.
            let _ = self.backend_watch.set(watch);
        }
        Ok(self.backend_watch.get().expect("set just above"))
    }

    fn wait(
        &self,
        wanted: &[State],
        hopeless: &[State],
        waiting_for: &'static str,
        deadline_ns: Option<u64>,
    ) -> Result<State, DeviceError> {
        let platform = &self.store.tree().shared.platform;
        let start = platform.now_ns();
        let watch = self.watch()?;
        loop {
            // Drained before the look, so that a change after it leaves an event.
            while watch.try_next().map_err(|error| store_error(&self.backend, error))?.is_some() {}
            let state = self.backend_state()?;
            if wanted.contains(&state) {
                return Ok(state);
            }
            if hopeless.contains(&state) {
                return Err(DeviceError::BackendGone { device: self.name.clone(), state });
            }
            // The deadline counts for a back end that never stops changing its state, too.
            let late = deadline_ns.is_some_and(|deadline| platform.now_ns() >= deadline);
            let event = if late {
                None
            } else {
                watch.next(deadline_ns).map_err(|error| store_error(&self.backend, error))?
            };
            if event.is_none() {
                let waited_ms = (platform.now_ns() - start) / 1_000_000;
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

impl<P: Platform, M: SharedMemory> Device for XenbusDevice<P, M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> u32 {
        self.id
    }

    fn backend_domain(&self) -> DomId {
        self.backend_domain
    }

    fn read(&self, key: &str) -> Result<Option<String>, DeviceError> {
        find(&self.store, format!("{}/{key}", self.path))
    }

    fn prefetch_backend(&self, keys: &[&str]) {
        let request = |key: &&str| {
            let path = format!("{}/{key}", self.backend);
            let pending = self.store.submit(XS_READ, &[path.as_bytes(), b"\0"]).ok()?;
            Some((key.to_string(), pending))
        };
        let pending: Vec<_> = keys.iter().filter_map(request).collect();
        let mut prefetched = BTreeMap::new();
        for (key, request) in pending {
            // What failed is asked for again, and fails with its own message.
            match request.wait() {
                Ok(value) => drop(prefetched.insert(key, String::from_utf8(value).ok())),
                Err(error) if error.is_missing() => drop(prefetched.insert(key, None)),
                Err(_) => {}
            }
        }
        *self.prefetched.borrow_mut() = prefetched;
    }

    fn read_backend(&self, key: &str) -> Result<Option<String>, DeviceError> {
        if let Some(value) = self.prefetched.borrow_mut().remove(key) {
            return Ok(value);
        }
        find(&self.store, format!("{}/{key}", self.backend))
    }

    fn publish(&self, keys: &[(&str, &str)], state: State) -> Result<(), DeviceError> {
        self.store
            .transaction(|transaction| {
                // All are on their way before the first answer is waited for.
                let mut pending = Vec::with_capacity(keys.len() + 1);
                let state = state.raw().to_string();
                for (key, value) in keys.iter().chain([&("state", state.as_str())]) {
                    let path = format!("{}/{key}", self.path);
                    let parts: [&[u8]; 3] = [path.as_bytes(), b"\0", value.as_bytes()];
                    match transaction.submit(XS_WRITE, &parts) {
                        Ok(request) => pending.push((path, request)),
                        Err(error) => return Err(StoreError(store_error(&path, error))),
                    }
                }
                for (path, request) in pending {
                    request.wait().map_err(|error| StoreError(store_error(&path, error)))?;
                }
                Ok(())
            })
            .map_err(|StoreError(error)| match error {
                DeviceError::Store { path, error } if path.is_empty() => {
                    DeviceError::Store { path: self.path.clone(), error }
                }
                error => error,
            })
    }

    fn retract(&self, keys: &[&str]) -> Result<(), DeviceError> {
        for key in keys {
            let path = format!("{}/{key}", self.path);
            match self.store.remove(&path) {
                // Once the toolstack has removed the device, there is nothing here that is ours.
                Err(Error::Refused(Errno::Acces)) => {}
                Err(error) if !error.is_missing() => return Err(store_error(&path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn backend_state(&self) -> Result<State, DeviceError> {
        let path = format!("{}/state", self.backend);
        let text = match self.store.read_string(&path) {
            Ok(text) => text,
            // Once the toolstack has removed the directory, what is left above it is not ours to read.
            Err(Error::Refused(Errno::Noent | Errno::Acces)) => return Ok(State::Unknown),
            Err(error) => return Err(store_error(&path, error)),
        };
        let state = text.trim().parse().ok().and_then(State::from_raw);
        state.ok_or(DeviceError::Malformed { path, value: text, expected: "a xenbus state" })
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

/// A device's error through [`XenStore::transaction`], whose own errors have no path yet.
struct StoreError(DeviceError);

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self(store_error("", error))
    }
}

fn store_error(path: &str, error: Error) -> DeviceError {
    DeviceError::Store { path: path.to_string(), error: error.to_string() }
}

fn find<P: Platform, M: SharedMemory>(
    store: &XenStore<P, M>,
    path: String,
) -> Result<Option<String>, DeviceError> {
    match store.find(&path) {
        Err(Error::Malformed { value, .. }) => {
            Err(DeviceError::Malformed { path, value, expected: "UTF-8 text" })
        }
        found => found.map_err(|error| store_error(&path, error)),
    }
}

fn required<P: Platform, M: SharedMemory>(
    store: &XenStore<P, M>,
    path: String,
) -> Result<String, DeviceError> {
    find(store, path.clone())?.ok_or(DeviceError::Missing { path })
}

fn number<T: core::str::FromStr>(
    path: &str,
    value: String,
    expected: &'static str,
) -> Result<T, DeviceError> {
    value.trim().parse().map_err(|_| DeviceError::Malformed { path: path.to_string(), value, expected })
}
