//! The Xen ABI: numbers and repr(C) structures, nothing else.
#![cfg_attr(not(test), no_std)]
