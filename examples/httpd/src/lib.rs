//! An HTTP/1.1 file server for Minios: the protocol.
//!
//! The library part is tested on the developer's machine: [`http`], which knows neither sockets nor files, and
//! [`site`], which gives it the files of a VFS. The guest around it is `main.rs`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod http;
pub mod site;
