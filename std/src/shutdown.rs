//! `xl shutdown` and `xl reboot`.
//!
//! Unless the application says otherwise, the guest ends as soon as it is asked to, with success. An application that wants
//! to finish something calls [`watch`] first and then looks at [`requested`] or waits with [`wait`]; it has [`GRACE`] to
//! return from `main`.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use minios::sync::WaitQueue;
use minios::thread::{self, Builder};
use xenstore::control::{Control, Request};

use crate::process::{self, ExitCode};
use crate::store;

/// How long an application that watches may take to return from `main`.
pub const GRACE: Duration = Duration::from_secs(10);

static WATCHED: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);
static REBOOT: AtomicBool = AtomicBool::new(false);
static CHANGED: WaitQueue = WaitQueue::new();

/// The application will return from `main` by itself when it is asked to shut down.
pub fn watch() {
    WATCHED.store(true, Ordering::Relaxed);
}

/// Whether the guest was asked to shut down.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Waits until the guest is asked to shut down. Implies [`watch`].
pub fn wait() {
    watch();
    loop {
        let seen = CHANGED.seq();
        if requested() {
            return;
        }
        CHANGED.wait(seen, None);
    }
}

pub(crate) fn wants_reboot() -> bool {
    REBOOT.load(Ordering::Relaxed)
}

pub(crate) fn start() {
    if store::store().is_none() {
        return;
    }
    if let Err(error) = Builder::new("control").stack_len(16 * 1024).spawn(serve) {
        log::warn!("xl shutdown will not be heard: {error}");
    }
}

fn serve() {
    let Some(store) = store::store() else { return };
    loop {
        let Err(error) = listen(store) else { return };
        log::warn!("xl shutdown is not heard: {error}");
        if matches!(error, xenstore::Error::Broken(_)) {
            return;
        }
        // The new watch fires at once: nothing is missed.
        thread::sleep(Duration::from_secs(5));
    }
}

fn listen(store: &store::Store) -> Result<(), xenstore::Error> {
    let control = Control::new(store)?;
    loop {
        match control.next(None)? {
            Some(Request::Poweroff | Request::Halt) => obey("shutdown"),
            Some(Request::Reboot) => {
                REBOOT.store(true, Ordering::Relaxed);
                obey("reboot");
            }
            Some(Request::Suspend) => log::warn!("xl asks to suspend, which this guest does not do"),
            Some(Request::Unknown(word)) => log::warn!("control/shutdown holds `{word}`, which is unknown"),
            None => {}
        }
    }
}

fn obey(what: &str) {
    log::info!("xl asks for {what}");
    REQUESTED.store(true, Ordering::Relaxed);
    CHANGED.wake_all();
    if WATCHED.load(Ordering::Relaxed) {
        thread::sleep(GRACE);
        log::warn!("the application has not returned within {} s", GRACE.as_secs());
    }
    process::exit(ExitCode::SUCCESS)
}
