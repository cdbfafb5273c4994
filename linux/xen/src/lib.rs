//! The devices of `/dev/xen`, for unmodified programs: in a stub domain for QEMU, the device model of one other domain, the target; in
//! other guests for what talks with other domains by grants, event channels and XenStore.
//!
//! | module | what it has |
//! |---|---|
//! | [`Privcmd`] | `privcmd`: hypercalls on the target, its memory and its resources mapped |
//! | [`Evtchn`] | `evtchn`: event channels with other domains |
//! | [`Xenbus`] | `xenbus`: the XenStore protocol, a session for each open file |
//! | [`Gntdev`] | `gntdev`: pages that others grant, mapped and copied |
//! | [`Gntalloc`] | `gntalloc`: pages that are granted to others |
//! | [`Devices`] | all of them, as the kernel opens them |
//! | [`Host`] | what they need of Xen and of the program's address space: the kernel, or a fake |
//!
//! Ioctl numbers, structures and error codes are those of Linux's drivers. Beyond what Linux does, where there is a target a program
//! gets at no other domain, but may offer pages and event channels to the control domain. A hypercall is decoded, checked, made by
//! the kernel with copies of its arguments, and its results are copied back. What is for a device model alone, and what it has no
//! use for either, is `EPERM` and a line in the log.
//!
//! There is no `/dev/xen/hypercall`: `libxencall` takes anonymous memory where it is missing, and the kernel copies from any.
#![cfg_attr(not(any(test, feature = "fuzzing")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod devices;
mod evtchn;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fake;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod gntalloc;
mod gntdev;
mod host;
mod privcmd;
mod refuse;
mod request;
mod xenbus;

#[cfg(test)]
mod tests;

pub use devices::{Device, Devices, MAX_PORTS};
pub use evtchn::Evtchn;
pub use gntalloc::Gntalloc;
pub use gntdev::Gntdev;
pub use host::{GrantedPage, Host, PortListener, Session};
pub use privcmd::Privcmd;
pub use xenbus::Xenbus;

/// The control domain.
pub(crate) const DOM0: u16 = 0;
/// `DOMID_FIRST_RESERVED`: domains have numbers below.
pub(crate) const FIRST_RESERVED: u16 = 0x7ff0;
/// `DOMID_INVALID`
pub(crate) const DOMID_INVALID: u16 = 0x7ff4;
