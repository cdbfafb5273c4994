//! XenStore: wire format, client, and the xenbus device state machine.
#![cfg_attr(not(test), no_std)]
