//! Example guest: blktest.
#![cfg_attr(not(test), no_std)]
