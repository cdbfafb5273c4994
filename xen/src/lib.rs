//! The seams between drivers and Xen: shared pages, rings, events, and FakeXen.
#![cfg_attr(not(test), no_std)]
