//! The Linux personality: unmodified Linux programs as a Xen PV guest.
//!
//! | module | what it has |
//! |---|---|
//! | [`boot`], [`options`] | from the kernel command line to the first program, and the end of the guest |
//! | [`task`] | processes and threads: their table, clone, exec, exit, wait, groups, limits |
//! | [`signal`] | sending and delivering signals |
//! | [`run`] | the loop of a user thread: user mode, system calls, faults, signals |
//! | [`dispatch`], [`call`] | the system calls: from a number to a function, one file per family |
//! | [`memory`] | address spaces, and copies from and to them |
//! | [`mod@file`] | descriptor tables, paths, what blocks |
//! | [`proc`] | the content of `/proc` and `/sys` |
//! | [`tun`] | taps of device models, each joined to a vif |
//! | [`host`], [`console`] | what the other crates of the personality are given |
//!
//! Nothing that a program passes in may panic: every number is checked where it is used.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "user pages and the vDSO are raw memory")]

extern crate alloc;

mod boot;
mod call;
mod console;
mod dispatch;
mod file;
mod host;
mod memory;
mod network;
mod options;
mod proc;
mod run;
mod signal;
mod task;
mod tun;
mod xen;

minios_std::main!(boot::main, options: boot::OPTIONS);
