//! The PV console front end.
#![cfg_attr(not(test), no_std)]
