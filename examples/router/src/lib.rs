//! The parts of the router that are not bound to a guest: [`engine`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod engine;
