//! `/proc/PID/mem`: the memory of a process as a file.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::{Errno, File, Mode, Result, Sink, Source, Stat};
use linux_mm::AddressSpace;
use linux_vfs::inode::OpenRequest;
use linux_vfs::pseudo::Content;

use super::{Of, check_inspect};

/// The content of the file.
pub struct Memory(pub Of);

impl Content for Memory {
    fn read(&self) -> Result<Vec<u8>> {
        Err(Errno::EIO)
    }

    fn open(&self, _: &OpenRequest<'_>) -> Option<Result<Arc<dyn File>>> {
        let open = || -> Result<Arc<dyn File>> {
            check_inspect(&self.0)?;
            Ok(Arc::new(MemoryFile(self.0.space().ok_or(Errno::ESRCH)?)))
        };
        Some(open())
    }
}

struct MemoryFile(Arc<AddressSpace>);

/// So much is copied at a time, and never beyond a page.
const STEP: usize = 1024;

fn step(offset: u64, left: usize) -> usize {
    left.min(STEP - (offset % STEP as u64) as usize)
}

impl File for MemoryFile {
    fn read(&self, offset: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        let mut bytes = [0; STEP];
        let mut done = 0;
        while into.room() > 0 {
            let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
            let Some(chunk) = bytes.get_mut(..step(at, into.room())) else { break };
            if self.0.read_bytes(at, chunk).is_err() {
                break;
            }
            done += into.push(chunk)?;
        }
        if done == 0 && into.room() > 0 { Err(Errno::EIO) } else { Ok(done) }
    }

    fn write(&self, offset: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        let mut bytes = [0; STEP];
        let mut done = 0;
        while from.left() > 0 {
            let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
            let Some(chunk) = bytes.get_mut(..step(at, from.left())) else { break };
            let pulled = from.pull(chunk)?;
            let chunk = chunk.get(..pulled).unwrap_or_default();
            if pulled == 0 || self.0.write_bytes(at, chunk).is_err() {
                from.unpull(pulled);
                break;
            }
            done += pulled;
        }
        if done == 0 && from.left() > 0 { Err(Errno::EIO) } else { Ok(done) }
    }

    fn stat(&self) -> Result<Stat> {
        Ok(Stat { mode: Mode(Mode::REGULAR | 0o600), nlink: 1, blksize: 4096, ..Stat::default() })
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
