//! Writing to the driver of a disk.

use alloc::collections::VecDeque;

use blkfront::{Discard, Request, SubmitError, Token};
use fs::{BlockError, Extent, Work};

use super::device::{REASON, Writing};
use super::{Disk, Error, writer};

/// All that is needed to write.
pub(super) struct Writes;

fn failed(error: &Error, offset: u64, len: u64) -> BlockError {
    log::error!("{error}");
    match error {
        Error::ReadOnly { .. } => BlockError::ReadOnly,
        _ => BlockError::WriteFailed { offset, len, reason: REASON },
    }
}

impl Writing for Writes {
    fn write(&self, disk: &Disk, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        disk.write_at(offset, data).map_err(|error| failed(&error, offset, data.len() as u64))
    }

    fn write_durable(&self, disk: &Disk, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        disk.write_durable_at(offset, data).map_err(|error| failed(&error, offset, data.len() as u64))
    }

    fn flush(&self, disk: &Disk) -> Result<(), BlockError> {
        disk.flush().map_err(|error| {
            log::error!("{error}");
            BlockError::FlushFailed { reason: REASON }
        })
    }

    /// All on their way together, as far as the ring has room.
    fn write_batch(&self, disk: &Disk, batch: &mut [Extent]) {
        let mut pending: VecDeque<(usize, Token)> = VecDeque::new();
        let plug = disk.plug();
        for index in 0..batch.len() {
            let Some(extent) = batch.get_mut(index) else { break };
            let (offset, mut data) = (extent.offset, core::mem::take(&mut extent.data));
            let len = data.len() as u64;
            let result = loop {
                match disk.submit(Request::Write { offset, data }) {
                    Ok(token) => {
                        pending.push_back((index, token));
                        break Ok(());
                    }
                    Err(SubmitError::Refused(error)) => break Err(failed(&error, offset, len)),
                    Err(SubmitError::Full(request)) => {
                        let Request::Write { data: back, .. } = request else { break Ok(()) };
                        // Wait for one of ours; the completions of others are theirs.
                        match pending.pop_front() {
                            Some(oldest) => finish(disk, batch, oldest),
                            None => break self.write(disk, offset, &back),
                        }
                        data = back;
                    }
                }
            };
            if let Some(extent) = batch.get_mut(index) {
                extent.result = result;
            }
        }
        drop(plug);
        while let Some(oldest) = pending.pop_front() {
            finish(disk, batch, oldest);
        }
    }

    fn discard(&self, disk: &Disk, offset: u64, len: u64) -> Result<(), BlockError> {
        disk.discard_at(offset, len, Discard::Hint).map_err(|error| match error {
            Error::Unsupported { .. } => BlockError::Unsupported { operation: "discard" },
            error => failed(&error, offset, len),
        })
    }

    fn work(&self, work: Work) {
        writer::tell(work);
    }
}

/// Waits for a write that was submitted.
fn finish(disk: &Disk, batch: &mut [Extent], (index, token): (usize, Token)) {
    let Some(extent) = batch.get_mut(index) else { return };
    let ended = disk.wait(token).and_then(|completion| completion.result);
    extent.result = ended.map_err(|error| failed(&error, extent.offset, 0));
}
