//! The runtime: implements the seams of the xen crate on real Xen.
#![cfg_attr(not(test), no_std)]
