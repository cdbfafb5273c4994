//! Disks that come and go: those that are open let go of a back end that goes, and meet it when it comes back, though nobody uses
//! them just then.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;
use xenstore::News;

use super::{Disk, OPEN, Presence, cached};
use crate::hotplug::{self, Follower, Workers};
use crate::store::{self, Device as _, DeviceError, State, XenbusDevice};

pub(super) static ON_CHANGE: Once<fn(&str, Presence)> = Once::new();

static WORKERS: Workers = Workers::new(32 * 1024, attend);

/// Has the disks watched, if they are not yet.
pub(super) fn start() {
    static IS_STARTED: AtomicBool = AtomicBool::new(false);
    let Some(store) = store::store() else { return };
    if IS_STARTED.swap(true, Ordering::Relaxed) {
        return;
    }
    match Follower::new(store, "vbd") {
        Ok(follower) => {
            if let Err(error) = hotplug::follow(follower, news) {
                log::warn!("disks that come and go are not noticed: {error}");
            }
        }
        Err(error) => log::warn!("disks that come and go are not noticed: {error}"),
    }
}

fn news(id: u32, news: News) {
    let name = blkfront::device_name(id);
    match &news {
        News::Malformed(error) => return log::warn!("{name}: {error}"),
        News::Changed => {}
        News::Appeared => tell(&name, Presence::Here),
        News::Gone => tell(&name, Presence::Going),
    }
    WORKERS.run(id, name.clone(), || is_to_be_attended(id, &name));
}

fn tell(name: &str, presence: Presence) {
    if let Some(tell) = ON_CHANGE.get() {
        tell(name, presence);
    }
}

/// Whether there is something to do that may have to wait for the back end, or for who is opening a disk just now.
fn is_to_be_attended(id: u32, name: &str) -> bool {
    let Some(open) = OPEN.try_lock() else { return true };
    let disk = open.get(name).cloned();
    drop(open);
    match (disk, state(id)) {
        // One that nobody has opened: the toolstack would wait for an answer.
        (None, Ok((State::Closing, device))) => {
            if let Err(error) = device.publish(&[], State::Closed)
                && !matches!(state(id), Err(DeviceError::Missing { .. }))
            {
                log::warn!("{name}: {error}");
            }
            false
        }
        (None, _) => false,
        (Some(disk), Ok((State::Connected, _))) => {
            refresh(name, &disk);
            false
        }
        (Some(_), _) => true,
    }
}

fn state(id: u32) -> Result<(State, XenbusDevice), DeviceError> {
    let missing = || DeviceError::Missing { path: alloc::format!("device/vbd/{id}") };
    let device = XenbusDevice::new(store::store().ok_or_else(missing)?, "vbd", id)?;
    Ok((device.backend_state()?, device))
}

/// Sees whether the disk has another size.
fn refresh(name: &str, disk: &Disk) {
    let before = disk.disk().size_bytes;
    if let Ok(now) = disk.refresh()
        && now.size_bytes != before
    {
        log::info!("{name}: {} bytes, not {before}", now.size_bytes);
    }
}

/// Has an open disk see what has become of its back end; one that has gone and that nobody holds is forgotten.
fn attend(id: u32) {
    let name: String = blkfront::device_name(id);
    let Some(disk) = OPEN.lock().get(&name).cloned() else { return };
    let connections = disk.stats().connections;
    disk.attend();
    if disk.stats().connections != connections {
        log::info!("{name}: connected again");
        cached::came_back(&name);
    }
    if !matches!(state(id), Err(DeviceError::Missing { .. })) {
        return;
    }
    drop(cached::give_up(&name));
    let mut open = OPEN.lock();
    // The table's and this one.
    if Arc::strong_count(&disk) <= 2 {
        open.remove(&name);
        log::info!("{name}: gone");
    }
}
