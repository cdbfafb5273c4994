//! Example guest: hello.
#![cfg_attr(not(test), no_std)]
