//! A std-like API for guests: net, fs, thread, time, io, and main!.
#![cfg_attr(not(test), no_std)]
