//! How a system call that a signal interrupted goes on. The numbers never reach a program; they are those of Linux's
//! `linux/errno.h`.

use linux_base::{Errno, Result};

/// Starts again if the handler was set with `SA_RESTART`, or if there is no handler.
pub fn restartable() -> Errno {
    Errno::from_number(512)
}

/// Starts again only if no handler was called.
pub fn unless_handled() -> Errno {
    Errno::from_number(514)
}

/// Goes on by `restart_syscall` if no handler was called.
pub fn by_block() -> Errno {
    Errno::from_number(516)
}

/// Whether it is one of these.
pub fn is_restart(errno: Errno) -> bool {
    matches!(errno.number(), 512 | 514 | 516)
}

/// Makes `EINTR` restartable.
pub fn on_interrupt<T>(result: Result<T>) -> Result<T> {
    result.map_err(|errno| if errno == Errno::EINTR { restartable() } else { errno })
}
