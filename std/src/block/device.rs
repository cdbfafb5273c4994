//! A disk as a cache uses it.

use alloc::collections::VecDeque;

use blkfront::{Discard, Request, SubmitError, Token};
use fs::{BlockError, BlockRead, BlockWrite, Extent};

use super::{Disk, Error};

/// A connected disk.
pub(super) struct Device {
    disk: Disk,
    is_read_only: bool,
    sector_bytes: u32,
}

impl Device {
    pub(super) fn new(disk: Disk) -> Self {
        let about = disk.disk();
        Self { disk, is_read_only: about.read_only, sector_bytes: about.sector_size }
    }
}

const REASON: &str = "the disk failed";

fn write_failed(error: &Error, offset: u64, len: u64) -> BlockError {
    log::error!("{error}");
    match error {
        Error::ReadOnly { .. } => BlockError::ReadOnly,
        _ => BlockError::WriteFailed { offset, len, reason: REASON },
    }
}

impl BlockRead for Device {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let len = buffer.len() as u64;
        self.disk.read_at(offset, buffer).map_err(|error| {
            log::error!("{error}");
            BlockError::Failed { offset, len, reason: REASON }
        })
    }

    fn size_bytes(&self) -> u64 {
        // It may have grown.
        self.disk.refresh().unwrap_or_else(|_| self.disk.disk()).size_bytes
    }

    fn read_ahead(&self, offset: u64, len: usize) {
        self.disk.read_ahead(offset, len);
    }
}

impl BlockWrite for Device {
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        self.disk.write_at(offset, data).map_err(|error| write_failed(&error, offset, data.len() as u64))
    }

    fn write_durable(&self, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        self.disk
            .write_durable_at(offset, data)
            .map_err(|error| write_failed(&error, offset, data.len() as u64))
    }

    fn flush(&self) -> Result<(), BlockError> {
        self.disk.flush().map_err(|error| {
            log::error!("{error}");
            BlockError::FlushFailed { reason: REASON }
        })
    }

    /// All on their way together, as far as the ring has room.
    fn write_batch(&self, batch: &mut [Extent]) {
        let mut pending: VecDeque<(usize, Token)> = VecDeque::new();
        let plug = self.disk.plug();
        for index in 0..batch.len() {
            let Some(extent) = batch.get_mut(index) else { break };
            let (offset, mut data) = (extent.offset, core::mem::take(&mut extent.data));
            let len = data.len() as u64;
            let result = loop {
                match self.disk.submit(Request::Write { offset, data }) {
                    Ok(token) => {
                        pending.push_back((index, token));
                        break Ok(());
                    }
                    Err(SubmitError::Refused(error)) => break Err(write_failed(&error, offset, len)),
                    Err(SubmitError::Full(request)) => {
                        let Request::Write { data: back, .. } = request else { break Ok(()) };
                        // Wait for one of ours; the completions of others are theirs.
                        match pending.pop_front() {
                            Some(oldest) => self.finish(batch, oldest),
                            None => break self.write(offset, &back),
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
            self.finish(batch, oldest);
        }
    }

    fn discard(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.disk.discard_at(offset, len, Discard::Hint).map_err(|error| match error {
            Error::Unsupported { .. } => BlockError::Unsupported { operation: "discard" },
            error => write_failed(&error, offset, len),
        })
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn sector_bytes(&self) -> u32 {
        self.sector_bytes
    }

    fn generation(&self) -> u64 {
        self.disk.stats().connections
    }
}

impl Device {
    /// Waits for a write that was submitted.
    fn finish(&self, batch: &mut [Extent], (index, token): (usize, Token)) {
        let Some(extent) = batch.get_mut(index) else { return };
        let ended = self.disk.wait(token).and_then(|completion| completion.result);
        extent.result = ended.map_err(|error| write_failed(&error, extent.offset, 0));
    }
}
