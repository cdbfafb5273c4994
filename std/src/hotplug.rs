//! Devices that come and go: one thread watches XenStore for those of every kind that is in use. What waits for a back end runs in a
//! thread that ends afterwards ([`Workers`]), so no back end holds the others up, and an idle guest pays for one small stack.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use minios::Xen;
use minios::sync::{CpuLocal, Mutex};
use minios::thread::{Builder, SpawnError, Thread};
use xen::memory::RawPage;
use xen::{Clock, Events};
use xenstore::News;

use crate::store;

/// The devices of a kind.
pub(crate) type Follower = xenstore::Follower<Xen, RawPage>;

/// Takes the news of a device, in the watching thread: it must not wait for a back end.
pub(crate) type Tell = fn(u32, News);

/// Whether a device is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It is, or has just come.
    Here,
    /// It is about to go, or has gone.
    Going,
}

/// How long to leave alone what fails at once, as a XenStore that does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Kinds that the watching thread has not taken over yet.
static NEW: Mutex<Vec<CpuLocal<(Follower, Tell)>>> = Mutex::new(Vec::new());
static WATCHER: Mutex<Option<Arc<Thread>>> = Mutex::new(None);

/// Has the devices of one more kind watched.
pub(crate) fn follow(follower: Follower, tell: Tell) -> Result<(), SpawnError> {
    NEW.lock().push(CpuLocal::new((follower, tell)));
    let mut watcher = WATCHER.lock();
    match &*watcher {
        Some(thread) => thread.unpark(),
        None => {
            let thread = Builder::new("devices").stack_len(24 * 1024).spawn(watch)?;
            *watcher = Some(thread.thread().clone());
        }
    }
    Ok(())
}

fn watch() {
    let Some(store) = store::store() else { return };
    let mut kinds: Vec<CpuLocal<(Follower, Tell)>> = Vec::new();
    let mut has_failed = false;
    loop {
        // The count first: an event after the look ends the wait.
        let seen = store.event();
        kinds.append(&mut NEW.lock());
        let mut failure = None;
        for kind in &mut kinds {
            let (follower, tell) = &mut **kind;
            failure = follower.poll(*tell).err().or(failure);
        }
        if let Some(error) = failure.as_ref().filter(|_| !has_failed) {
            log::warn!("devices: {error}");
        }
        has_failed = failure.is_some();
        let pause = u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX);
        Xen.wait(&[seen], has_failed.then(|| Xen.now_ns().saturating_add(pause)));
    }
}

/// Work that waits for back ends: a thread for each device that there is something to do for.
pub(crate) struct Workers {
    /// The devices at work on, and whether there was news meanwhile.
    busy: Mutex<Vec<(u32, bool)>>,
    stack_len: usize,
    work: fn(u32),
}

impl Workers {
    /// `work` is to do whatever has to be done about a device, and to return.
    pub const fn new(stack_len: usize, work: fn(u32)) -> Self {
        Self { busy: Mutex::new(Vec::new()), stack_len, work }
    }

    /// Has a device worked on, if `is_needed`; one that is worked on is looked at again afterwards in any case.
    pub fn run(&'static self, id: u32, name: String, is_needed: impl FnOnce() -> bool) {
        if self.note_busy(id) || !is_needed() {
            return;
        }
        self.busy.lock().push((id, false));
        let work = move || {
            loop {
                (self.work)(id);
                let mut busy = self.busy.lock();
                let Some(at) = busy.iter().position(|(other, _)| *other == id) else { return };
                let Some((_, again)) = busy.get_mut(at) else { return };
                if !core::mem::take(again) {
                    busy.swap_remove(at);
                    return;
                }
            }
        };
        if let Err(error) = Builder::new(name.clone()).stack_len(self.stack_len).spawn(work) {
            log::error!("{name}: {error}");
            self.busy.lock().retain(|(other, _)| *other != id);
        }
    }

    fn note_busy(&self, id: u32) -> bool {
        let mut busy = self.busy.lock();
        let found = busy.iter_mut().find(|(other, _)| *other == id);
        found.map(|(_, again)| *again = true).is_some()
    }
}
