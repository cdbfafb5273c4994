//! The devices of a kind as they come, change and go (`xl network-attach`, `xl block-detach`), and what a front end has to do about it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use xen::xenbus::{Device, DeviceError, State};
use xen::{Platform, SharedMemory};

use crate::{Watch, XenStore, XenbusDevice, enumerate};

/// What is to be told of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// It is there, and was not before; or it has another back end than before.
    Appeared,
    /// Something in its directory or its back end's has changed. It may even have gone and come again.
    Changed,
    /// XenStore does not say what it should. Told once, until the device goes or is right.
    Malformed(DeviceError),
    /// The toolstack has removed it.
    Gone,
}

enum Followed<P: Platform, M: SharedMemory> {
    /// It was not looked at yet, or is about to go.
    Unknown,
    /// The back end's directory, and changes in it.
    Good(String, Watch<P, M>),
    /// What was told of it.
    Bad(DeviceError),
}

/// The devices of a kind. Each has one watch, on its back end's directory; and the list of them has one.
pub struct Follower<P: Platform, M: SharedMemory> {
    store: XenStore<P, M>,
    kind: String,
    list: Watch<P, M>,
    devices: BTreeMap<u32, Followed<P, M>>,
    /// All is to be looked at: news may have been lost, or xenstored has not fired the watch that is new.
    lost: bool,
}

impl<P: Platform, M: SharedMemory> Follower<P, M> {
    /// Follows the devices of a kind (`vif`, `vbd`). The first [`Follower::poll`] tells of those that are there.
    pub fn new(store: &XenStore<P, M>, kind: &str) -> Result<Self, DeviceError> {
        let path = format!("device/{kind}");
        let list = store.watch(&path).map_err(|error| failed(&path, error))?;
        Ok(Self { store: store.clone(), kind: kind.into(), list, devices: BTreeMap::new(), lost: true })
    }

    /// Tells of all that has changed since the last call. Does not wait for news: see [`XenStore::event`], to be read before.
    /// After an error the next call looks at everything.
    pub fn poll(&mut self, mut tell: impl FnMut(u32, News)) -> Result<(), DeviceError> {
        let result = self.look(&mut tell);
        self.lost = result.is_err();
        result
    }

    fn look(&mut self, tell: &mut impl FnMut(u32, News)) -> Result<(), DeviceError> {
        let Self { list, devices, kind, lost, .. } = self;
        let path = format!("device/{kind}");
        let mut is_listed = !*lost;
        let mut touched = Vec::new();
        if *lost {
            touched.extend(devices.keys());
        }
        while let Some(changed) = list.try_next().map_err(|error| failed(&path, error))? {
            is_listed = false;
            // `device/vif/0/state`; a change of the list as a whole names no device.
            let id = changed.strip_prefix(&path).and_then(|rest| rest.strip_prefix('/'));
            touched.extend(id.and_then(|rest| rest.split('/').next()).and_then(|id| id.parse::<u32>().ok()));
        }
        for (id, followed) in devices.iter() {
            let Followed::Good(back, watch) = followed else { continue };
            while watch.try_next().map_err(|error| failed(back, error))?.is_some() {
                touched.push(*id);
            }
        }
        if !is_listed {
            self.look_at_list(&mut touched, tell)?;
        }
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().try_for_each(|id| self.look_at(id, tell))
    }

    /// Finds out which devices there are; those that are new are `touched`.
    fn look_at_list(
        &mut self,
        touched: &mut Vec<u32>,
        tell: &mut impl FnMut(u32, News),
    ) -> Result<(), DeviceError> {
        let ids = enumerate(&self.store, &self.kind)?;
        self.devices.retain(|id, _| {
            let stays = ids.binary_search(id).is_ok();
            if !stays {
                tell(*id, News::Gone);
            }
            stays
        });
        for id in ids {
            self.devices.entry(id).or_insert_with(|| {
                touched.push(id);
                Followed::Unknown
            });
        }
        Ok(())
    }

    /// Sees whether a device is still what it was.
    fn look_at(&mut self, id: u32, tell: &mut impl FnMut(u32, News)) -> Result<(), DeviceError> {
        let Some(followed) = self.devices.get_mut(&id) else { return Ok(()) };
        match XenbusDevice::new(&self.store, &self.kind, id) {
            Ok(device) => {
                let path = device.backend_path();
                if matches!(followed, Followed::Good(known, _) if known == path) {
                    tell(id, News::Changed);
                    return Ok(());
                }
                let watch = self.store.watch(path).map_err(|error| failed(path, error))?;
                *followed = Followed::Good(path.into(), watch);
                tell(id, News::Appeared);
            }
            Err(error @ DeviceError::Store { .. }) => return Err(error),
            // The list will say that it is gone.
            Err(DeviceError::Missing { .. }) if matches!(followed, Followed::Good(..)) => {
                *followed = Followed::Unknown;
            }
            Err(error) if matches!(followed, Followed::Bad(known) if *known == error) => {}
            Err(error) => {
                *followed = Followed::Bad(error.clone());
                tell(id, News::Malformed(error));
            }
        }
        Ok(())
    }
}

fn failed(path: &str, error: crate::Error) -> DeviceError {
    DeviceError::Store { path: path.into(), error: error.to_string() }
}

/// What a front end has to do about its device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing; wait for news.
    Rest,
    /// Connect: the device is new and its back end waits.
    Connect,
    /// Say that this side is closed: the back end is on its way out, and there is no connection to end.
    Close,
    /// End the connection, and begin a new one when the back end is there again.
    Reconnect,
    /// Forget the connection, whose device the toolstack has removed and made anew, and then see.
    Renew,
    /// End the connection: the device is being removed.
    Remove,
}

/// What the front end of `device` has to do, being connected or not.
pub fn next_step<D: Device>(device: &D, is_connected: bool) -> Result<Step, DeviceError> {
    let back = device.backend_state()?;
    if back == State::Unknown {
        // Nothing else can be read there.
        return Ok(if is_connected { Step::Remove } else { Step::Rest });
    }
    // The toolstack writes it into a new device's directory; this side does while it connects.
    let is_new = matches!(device.read("state")?.as_deref().map(str::trim), Some("1") | None);
    // Written together with `Closing` by a toolstack that is about to remove the device.
    let stays = device.read_backend("online")?.is_none_or(|online| online.trim() != "0");
    Ok(match (is_connected, back) {
        (false, State::InitWait) if is_new && stays => Step::Connect,
        (false, State::Closing) => Step::Close,
        (false, _) => Step::Rest,
        (true, _) if is_new => Step::Renew,
        (true, State::Closing | State::Closed) if !stays => Step::Remove,
        (true, State::Closing | State::Closed | State::InitWait | State::Initialising) => Step::Reconnect,
        (true, _) => Step::Rest,
    })
}
