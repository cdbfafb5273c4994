//! The PV network front end.
#![cfg_attr(not(test), no_std)]
