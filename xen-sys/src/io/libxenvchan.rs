//! `io/libxenvchan.h`: `struct vchan_interface`, as offsets into its page.

/// Left is what the client writes and the server reads.
pub const LEFT_CONS: usize = 0;
pub const LEFT_PROD: usize = 4;
/// Right is what the server writes and the client reads.
pub const RIGHT_CONS: usize = 8;
pub const RIGHT_PROD: usize = 12;
/// Two bytes each.
pub const LEFT_ORDER: usize = 16;
pub const RIGHT_ORDER: usize = 18;
/// A byte each.
pub const CLI_LIVE: usize = 20;
pub const SRV_LIVE: usize = 21;
pub const CLI_NOTIFY: usize = 22;
pub const SRV_NOTIFY: usize = 23;
/// References of four bytes, those of the left ring first.
pub const GRANTS: usize = 24;

pub const VCHAN_NOTIFY_WRITE: u8 = 1;
pub const VCHAN_NOTIFY_READ: u8 = 2;
