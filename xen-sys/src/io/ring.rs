//! `io/ring.h`: the head of a shared ring. Slots follow it, each as large as the larger of request and response.

pub const REQ_PROD: usize = 0;
pub const REQ_EVENT: usize = 4;
pub const RSP_PROD: usize = 8;
pub const RSP_EVENT: usize = 12;
/// Bytes before the first slot.
pub const HEADER_LEN: usize = 64;
