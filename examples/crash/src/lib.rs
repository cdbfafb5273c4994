//! Example guest: crash.
#![cfg_attr(not(test), no_std)]
