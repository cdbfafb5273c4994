//! The end of the guest.
//!
//! | `main` returns | code | shutdown reason that `xl` sees |
//! |---|---|---|
//! | `()`, `Ok(())`, `ExitCode(0)` | 0 | poweroff, or reboot if `xl reboot` asked for it |
//! | `ExitCode(n)` | n | crash |
//! | `Err(error)` | 1, and the error is logged | crash |
//!
//! The code is also in XenStore, at `data/exit-code` of the domain, and on the console if it is not 0.

use alloc::string::ToString;
use core::fmt::Display;

use minios::power::{Reason, shutdown};
use minios::sync::SpinLock;

use crate::{console, shutdown as request, store};

/// What the program says of its success; 0 is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: Self = Self(0);
    /// It did not.
    pub const FAILURE: Self = Self(1);
}

/// What `main` may return.
pub trait Termination {
    /// The exit code; logs an error if there is one.
    fn report(self) -> ExitCode;
}

impl Termination for () {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Termination for ExitCode {
    fn report(self) -> ExitCode {
        self
    }
}

impl<T: Termination, E: Display> Termination for Result<T, E> {
    fn report(self) -> ExitCode {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                log::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}

static BEFORE_END: SpinLock<Option<fn()>> = SpinLock::new(None);

/// Names what is done before the guest ends: disks are written back. What is not used is not linked.
pub(crate) fn before_end(run: fn()) {
    *BEFORE_END.lock() = Some(run);
}

/// Does what has to be done before the guest ends, for who ends it otherwise than by [`exit`].
pub fn finish() {
    let run = *BEFORE_END.lock();
    if let Some(run) = run {
        run();
    }
}

/// Ends the guest with a code, without returning to `main`. What was written to disks is written back and flushed first.
pub fn exit(code: ExitCode) -> ! {
    finish();
    if code != ExitCode::SUCCESS {
        crate::println!("exit code {}", code.0);
    }
    if let Some(store) = store::store()
        && let Err(error) = store.write("data/exit-code", code.0.to_string())
    {
        log::debug!("exit code not written to XenStore: {error}");
    }
    console::finish();
    shutdown(match code {
        ExitCode::SUCCESS if request::wants_reboot() => Reason::Reboot,
        ExitCode::SUCCESS => Reason::Poweroff,
        _ => Reason::Crash,
    })
}
