//! Pages that pipes have read empty, kept for the next writes of any pipe: neither zeroed nor allocated again.
//!
//! Their old bytes stay in them. A [`crate::Chunk`] says which bytes count, and nobody sees others.

use alloc::vec::Vec;

use linux_base::{Mutex, Result};
use linux_mm::Frame;

/// Pages that are kept, of all pipes together: two full ones.
const MAX: usize = 32;

static PAGES: Mutex<Vec<Frame>> = Mutex::new(Vec::new());

/// A page with any bytes. `ENOMEM` if there is none.
pub(crate) fn take() -> Result<Frame> {
    let kept = PAGES.lock().pop();
    kept.map_or_else(Frame::zeroed, Ok)
}

/// Keeps a page, unless somebody else has it too or there are enough.
pub(crate) fn give(frame: Frame) {
    if !frame.is_unique() {
        return;
    }
    let mut pages = PAGES.lock();
    if pages.len() < MAX && pages.try_reserve(1).is_ok() {
        pages.push(frame);
    }
}
