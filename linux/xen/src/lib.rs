//! The devices of `/dev/xen`, for a device model: an unmodified QEMU in a stub domain.
//!
//! | module | what it has |
//! |---|---|
//! | [`Privcmd`] | `privcmd`: hypercalls on the target, its memory and its resources mapped |
//! | [`Evtchn`] | `evtchn`: event channels with the target |
//! | [`Xenbus`] | `xenbus`: the XenStore protocol, a session for each open file |
//! | [`Gntdev`] | `gntdev`: pages that the target grants, mapped and copied |
//! | [`Gntalloc`] | `gntalloc`: pages that are granted to the target or to the control domain |
//! | [`Devices`] | all of them, as the kernel opens them |
//! | [`Host`] | what they need of Xen and of the program's address space: the kernel, or a fake |
//!
//! Ioctl numbers, structures and error codes are those of Linux's drivers. Beyond what Linux does, a program gets at one other
//! domain alone, the target: a hypercall is decoded, checked, made by the kernel with copies of its arguments, and its results are
//! copied back. What a device model has no use for is `EPERM` and a line in the log.
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
