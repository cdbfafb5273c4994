//! An open file whose content is made at reading.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::{Errno, File, Mutex, Result, Sink, Source, Stat};

use super::{Content, PseudoInode};
use crate::inode::Inode;

/// The most that one call can write.
const WRITE_MAX: usize = 4096;

/// An open file. Its content is made when a reader begins at the start, and stays as it is until the reader has it whole.
pub(super) struct PseudoFile {
    inode: Arc<PseudoInode>,
    content: Arc<dyn Content>,
    read: Mutex<Option<Arc<Vec<u8>>>>,
}

impl PseudoFile {
    pub(super) fn new(inode: Arc<PseudoInode>, content: Arc<dyn Content>) -> Arc<Self> {
        Arc::new(Self { inode, content, read: Mutex::new(None) })
    }
}

impl File for PseudoFile {
    fn read(&self, offset: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        let known = self.read.lock().clone().filter(|_| offset != 0);
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = Arc::new(self.content.read()?);
                *self.read.lock() = Some(bytes.clone());
                bytes
            }
        };
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        if rest.is_empty() {
            return Ok(0);
        }
        into.push(rest)
    }

    fn write(&self, offset: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        if from.left() > WRITE_MAX {
            return Err(Errno::EINVAL);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(from.left())?;
        bytes.resize(from.left(), 0);
        let pulled = from.pull(&mut bytes)?;
        bytes.truncate(pulled);
        self.content.write(&bytes, offset)
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.inode.stat())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
