//! What a guest's application is written with: the parts of `std` that make sense here, over `minios`, `net` and `fs`.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! minios_std::main!(main);
//!
//! fn main() {
//!     minios_std::println!("hello from {}", minios_std::env::hostname());
//! }
//! ```
//!
//! | module | like `std`'s | what it does |
//! |---|---|---|
//! | [`mod@env`] | `env` | the kernel command line: options, and the program's arguments after `--` |
//! | [`thread`], [`sync`], [`time`] | the same | cooperative threads, locks and channels, clocks |
//! | [`net`] | `net` | TCP, UDP, names; the interfaces come up at the first use |
//! | [`fs`] | `fs` | files of the disks and the ramdisk; mounted at the first use |
//! | [`io`] | `io` | `Read` and `Write` |
//! | [`process`] | `process` | exit codes, and what becomes of them |
//! | [`shutdown`] | | `xl shutdown` and `xl reboot`, for applications that want to finish something |
//! | [`block`], [`store`], [`stats`] | | disks (whole ones as files, written through a page cache), XenStore, and what the guest has used so far |
//! | [`vchan`] | | byte streams to other domains |
//!
//! What an application does not use is not linked: `hello` has no network.
#![no_std]
#![forbid(unsafe_code)]
#![cfg(target_os = "none")]

extern crate alloc;

pub mod block;
pub mod console;
pub mod env;
pub mod fs;
mod further;
mod hotplug;
pub mod io;
pub mod net;
pub mod process;
pub mod shutdown;
mod start;
pub mod stats;
pub mod store;
pub mod time;
pub mod vchan;

pub use log;
pub use minios::thread;
pub use minios::{print, println, sync};

#[doc(hidden)]
pub use minios::entry as __entry;
#[doc(hidden)]
pub use start::run as __run;

/// Names the function that the guest runs. It returns `()`, an [`process::ExitCode`], or a `Result` of either whose error can
/// be displayed; see [`process`] for what becomes of it. `options` are those of the command line that the application itself
/// understands; others are warned of.
#[macro_export]
macro_rules! main {
    ($main:path) => {
        $crate::main!($main, options: &[]);
    };
    ($main:path, options: $options:expr) => {
        fn __minios_std_main() {
            $crate::__run($main, $options)
        }
        $crate::__entry!(__minios_std_main);
    };
}
