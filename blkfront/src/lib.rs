//! The PV block front end.
#![cfg_attr(not(test), no_std)]
