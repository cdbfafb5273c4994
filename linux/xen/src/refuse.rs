//! What is refused is told in the log, but no more than a little.

use core::fmt;

use linux_base::{Errno, Mutex, host};
use linux_task::burst::Burst;

/// Tells, and gives the error.
pub fn refused(what: fmt::Arguments<'_>, errno: Errno) -> Errno {
    static BURST: Mutex<Burst> = Mutex::new(Burst::new());
    let told = BURST.lock().admit(host::host().now_ns());
    if let Some(told) = told {
        if told.missed > 0 {
            log::warn!(target: "xen", "{} more requests of programs were refused", told.missed);
        }
        log::warn!(target: "xen", "refused: {what}");
    }
    errno
}
