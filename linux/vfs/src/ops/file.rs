//! Operations on open files that go beyond [`linux_base::File`]: `ftruncate`, `fallocate`, `lseek`.

use linux_base::{Errno, Mode, OpenFile, Result};

use crate::block::BlockDeviceFile;
use crate::context::Context;
use crate::inotify::{self, event};
use crate::path::Location;
use crate::regular::RegularFile;
use crate::tree::Fallocate;

const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;
const ZERO_RANGE: u32 = 16;

impl Context<'_> {
    /// `ftruncate(2)`.
    pub fn truncate_file(&self, file: &OpenFile, len: u64) -> Result<()> {
        if !file.flags().can_write() {
            let is_path = file.flags().contains(linux_base::OpenFlags::PATH);
            return Err(if is_path { Errno::EBADF } else { Errno::EINVAL });
        }
        let regular = file.downcast::<RegularFile>().ok_or(Errno::EINVAL)?;
        if len > self.file_size_limit && len > regular.node().len() {
            return Err(Errno::EFBIG);
        }
        regular.node().resize(len)?;
        self.drop_privileges(&**regular.node())?;
        tell_modified(file);
        Ok(())
    }

    /// `fallocate(2)`, with `mode` as there.
    pub fn fallocate(&self, file: &OpenFile, mode: u32, offset: i64, len: i64) -> Result<()> {
        if offset < 0 || len <= 0 {
            return Err(Errno::EINVAL);
        }
        let what = match mode {
            0 => Fallocate::Allocate,
            KEEP_SIZE => Fallocate::AllocateKeepSize,
            _ if mode == PUNCH_HOLE | KEEP_SIZE => Fallocate::PunchHole,
            ZERO_RANGE => Fallocate::Zero,
            _ if mode == ZERO_RANGE | KEEP_SIZE => Fallocate::ZeroKeepSize,
            _ => return Err(Errno::EOPNOTSUPP),
        };
        if !file.flags().can_write() {
            return Err(Errno::EBADF);
        }
        if let Some(disk) = file.downcast::<BlockDeviceFile>() {
            return match what {
                Fallocate::Zero | Fallocate::ZeroKeepSize => disk.zero_range(offset as u64, len as u64),
                _ => Err(Errno::EOPNOTSUPP),
            };
        }
        let Some(regular) = file.downcast::<RegularFile>() else {
            return Err(match file.file().stat()?.mode.kind() {
                Mode::FIFO => Errno::ESPIPE,
                Mode::DIRECTORY => Errno::EISDIR,
                _ => Errno::ENODEV,
            });
        };
        let end = (offset as u64).checked_add(len as u64).ok_or(Errno::EFBIG)?;
        if end > self.file_size_limit && end > regular.node().len() {
            return Err(Errno::EFBIG);
        }
        regular.node().fallocate(what, offset as u64, len as u64)?;
        self.drop_privileges(&**regular.node())?;
        tell_modified(file);
        Ok(())
    }
}

/// Where `lseek(2)` goes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// The start.
    Start,
    /// The present offset.
    Current,
    /// The end.
    End,
    /// The next data.
    Data,
    /// The next hole.
    Hole,
}

/// `lseek(2)`.
pub fn seek(file: &OpenFile, offset: i64, whence: Whence) -> Result<u64> {
    if !file.file().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    let limit = file.file().seek_limit();
    let base = match whence {
        Whence::Data | Whence::Hole if limit.is_some() => return Err(Errno::EINVAL),
        Whence::Start => 0,
        Whence::Current => file.offset(),
        Whence::End => file.file().seek_end()?,
        Whence::Data | Whence::Hole => {
            let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            let found = match file.downcast::<RegularFile>() {
                Some(regular) => regular.node().seek(from, whence == Whence::Data)?,
                None => {
                    let end = file.file().seek_end()?;
                    if from >= end {
                        return Err(Errno::ENXIO);
                    }
                    if whence == Whence::Data { from } else { end }
                }
            };
            file.set_offset(found);
            return Ok(found);
        }
    };
    let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
    let to = base.checked_add(offset).ok_or(Errno::EINVAL)?;
    let to = u64::try_from(to).map_err(|_| Errno::EINVAL)?;
    if limit.is_some_and(|limit| to > limit) {
        return Err(Errno::EINVAL);
    }
    file.set_offset(to);
    Ok(to)
}

fn tell_modified(file: &OpenFile) {
    if let Some(place) = file.place::<Location>() {
        inotify::tell(place.dentry(), event::MODIFY);
    }
}
