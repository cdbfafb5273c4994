//! From the kernel command line to the first program, and the end of the guest.
//!
//! The program of the command line is process 1, as in a container: it gets SIGTERM on `xl shutdown`, and its end is the guest's.
//! Unlike Linux's process 1 it is subject to signals that it does not handle, and it need not reap: orphans that it inherits go
//! as soon as they end.

mod disks;
mod files;
mod init;
pub mod mounts;
mod pts;
mod ramdisk;
pub mod stubdom;
mod user;

use minios_std::process::ExitCode;

use crate::task::WaitStatus;

/// The number of the first process.
pub const INIT: u32 = 1;

/// The options of this image, beside those that the runtime knows.
pub const OPTIONS: &[&str] =
    &["root", "overlay", "env", "user", "cwd", "tmpfs", "strace", "options", "stubdom", "taps", "xen"];

/// The main thread.
pub fn main() -> ExitCode {
    crate::host::init();
    if let Err(reason) = start() {
        log::error!("{reason}");
        return ExitCode::FAILURE;
    }
    shutdown::watch_forever()
}

fn start() -> Result<(), alloc::string::String> {
    linux_mm::set_reclaimer(linux_mm::Reclaimer { free: reclaim, clean: linux_vfs::reclaim::clean_pages });
    mounts::mount_all()?;
    disks::follow();
    crate::tun::set_aside();
    crate::network::follow();
    files::write_all();
    timers::start();
    init::start()
}

/// Frees pages when memory is short: so many of files at most, and then those that the caches of disks keep.
fn reclaim(wanted: usize, of_files: usize) -> usize {
    let freed = linux_vfs::reclaim::reclaim(wanted.min(of_files));
    match wanted.saturating_sub(freed) {
        0 => freed,
        more => {
            freed + minios_std::block::shrink(more.saturating_mul(linux_mm::PAGE_SIZE)) / linux_mm::PAGE_SIZE
        }
    }
}

mod timers {
    /// Has the timers of programs expire.
    pub fn start() {
        let run = || crate::call::timer::queue().run_while(|| true);
        if let Err(error) = minios::thread::Builder::new("timers").stack_len(24 * 1024).spawn(run) {
            log::warn!("alarms and timers do not expire: {error}");
        }
    }
}

mod shutdown {
    use linux_task::signal::{SigInfo, Signal};

    use super::INIT;
    use crate::task::table;

    /// Waits for `xl shutdown` and passes it on.
    pub fn watch_forever() -> ! {
        minios_std::shutdown::wait();
        if let Some(init) = table::process(INIT) {
            let _ = crate::signal::send(&init, SigInfo::kernel(Signal::TERM));
        }
        loop {
            minios::thread::park();
        }
    }
}

/// How the guest ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It is gone.
    Poweroff,
    /// It starts again.
    Reboot,
}

/// Ends the guest at the wish of a program.
pub fn end(end: End) -> ! {
    if end == End::Reboot {
        minios_std::process::finish();
        minios::power::shutdown(minios::power::Reason::Reboot);
    }
    crate::console::finish();
    minios_std::process::exit(ExitCode::SUCCESS)
}

/// The first program has ended: so does the guest, with its status.
pub fn init_has_ended(status: WaitStatus) -> ! {
    if stubdom::is_one() {
        stubdom::has_ended(status);
    }
    crate::console::finish();
    let code = match status {
        WaitStatus::Exited(code) => code,
        WaitStatus::Killed(signal) => {
            minios::println!("the program was ended by {}", signal.name());
            // What `xl shutdown` asked for is no failure.
            if minios_std::shutdown::requested() && signal == linux_task::signal::Signal::TERM {
                0
            } else {
                128 + signal.number()
            }
        }
    };
    minios_std::process::exit(ExitCode(code))
}
