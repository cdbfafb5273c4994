//! The runtime of a Xen PV guest: it implements the seams of the `xen` crate on real Xen.
//!
//! | module | what it does |
//! |---|---|
//! | [`boot`] | ELF notes, entry, `start_info`, the order of things |
//! | [`memory`] | frames, page tables, page allocator, heap |
//! | [`trap`], [`crash`] | exceptions and panics: registers, backtrace, `SCHEDOP_shutdown(crash)` |
//! | [`events`], [`grants`], [`time`], [`entropy`] | what Xen gives: event channels, grant table v1, clocks, and RDRAND |
//! | [`foreign`] | hypercalls on another domain, and a window on its memory, for a device model |
//! | [`thread`], [`sync`] | cooperative threads, and what they wait on |
//! | [`user`] | user mode: registers, page tables, preemption, time for a vDSO |
//! | [`console`] | `print!`, `log`, and the way out that works in a crash |
//! | [`cmdline`] | options and arguments of the kernel command line |
//! | [`platform`] | [`Xen`], the value that drivers are given |
//!
//! Kernel code runs with event delivery masked: nothing interrupts it, and it looks at pending events whenever a thread
//! yields, waits or idles. So locks need no interrupt variant. What is per-CPU is in `thread/cpu.rs` and [`sync::CpuLocal`], for the day
//! there is a second vCPU.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    any(test, target_os = "none"),
    expect(unsafe_code, reason = "this crate is the one that talks to Xen and to the processor")
)]

extern crate alloc;

pub mod cmdline;
pub mod memory;
pub mod symbols;
pub mod time;

#[cfg(target_os = "none")]
pub mod boot;
#[cfg(target_os = "none")]
pub mod console;
#[cfg(target_os = "none")]
pub mod crash;
pub mod entropy;
#[cfg(target_os = "none")]
pub mod events;
#[cfg(target_os = "none")]
pub mod foreign;
#[cfg(target_os = "none")]
pub mod grants;
#[cfg(target_os = "none")]
pub mod hypercall;
#[cfg(target_os = "none")]
pub mod platform;
#[cfg(target_os = "none")]
pub mod sync;
#[cfg(target_os = "none")]
pub mod thread;
#[cfg(target_os = "none")]
pub mod trap;
#[cfg(target_os = "none")]
pub mod user;

#[cfg(target_os = "none")]
pub use platform::Xen;

/// Ends the guest. The reasons are those that `xl` sees.
#[cfg(target_os = "none")]
pub mod power {
    use xen_sys::sched;

    /// Why the guest ends.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Reason {
        /// It is done.
        Poweroff,
        /// `xl` starts it again.
        Reboot,
        /// It failed; `on_crash` of the xl.cfg applies.
        Crash,
    }

    /// Ends the guest.
    pub fn shutdown(reason: Reason) -> ! {
        let reason = match reason {
            Reason::Poweroff => sched::SHUTDOWN_POWEROFF,
            Reason::Reboot => sched::SHUTDOWN_REBOOT,
            Reason::Crash => sched::SHUTDOWN_CRASH,
        };
        loop {
            crate::hypercall::shutdown(reason);
        }
    }
}
