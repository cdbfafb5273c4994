//! From the main thread's first instruction to the application's `main`, and back.

use minios::boot;

use crate::process::{self, Termination};
use crate::{console, env, shutdown, store};

/// Runs the application; what [`main!`](crate::main) calls.
pub fn run<T: Termination>(main: fn() -> T, options: &[&str]) {
    console::start();
    if let Some(level) = env::option("loglevel")
        && !minios::console::set_level(level)
    {
        log::warn!("option loglevel={level}: not one of off, error, warn, info, debug, trace");
    }
    for key in env::unknown_options(options) {
        log::warn!("unknown option `{key}` on the kernel command line");
    }
    let capabilities = boot::capabilities();
    log::debug!("{capabilities:?}, entry to main {} us", boot::entry_to_main_ns() / 1000);
    if !capabilities.rdrand {
        log::warn!("the processor has no RDRAND: random numbers depend on timing alone");
    }
    store::start();
    shutdown::start();
    process::exit(main().report())
}
