//! Example guest: xenstore-ls.
#![cfg_attr(not(test), no_std)]
