//! `io/console.h`: `struct xencons_interface`, as offsets into its page.

pub const IN_LEN: usize = 1024;
pub const OUT_LEN: usize = 2048;
pub const IN: usize = 0;
pub const OUT: usize = 1024;
pub const IN_CONS: usize = 3072;
pub const IN_PROD: usize = 3076;
pub const OUT_CONS: usize = 3080;
pub const OUT_PROD: usize = 3084;
