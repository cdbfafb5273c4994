//! Example guest: httpd.
#![cfg_attr(not(test), no_std)]
