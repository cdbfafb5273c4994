//! An HTTP/1.1 file server for Minios: the protocol.
//!
//! The library part is [`http`], which knows neither sockets nor files and so is tested on the developer's
//! machine. The guest around it is `main.rs`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod http;
