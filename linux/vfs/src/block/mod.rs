//! Block devices: whole disks behind the page cache of the `fs` crate.
//!
//! - [`register`] makes the disks known; a [`BlockDeviceFile`] is one that somebody has open, with `O_DIRECT`, `O_SYNC` and `O_DSYNC`.
//! - `fsync` returns after the flush of the disk, and tells each open file description of each error of writing back once.
//! - What the last one who closes it leaves dirty is written in the background at once, and not flushed.
//!
//! Such files wait for the disk, as regular files do.

mod ioctl;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use fs::{BlockError, BlockFile, BlockWrite, DiskCache};
use linux_base::file::{IoFlags, UserMemory};
use linux_base::{Errno, File, OpenFlags, Result, Sink, Source, Stat};

use crate::device::{DeviceKind, DeviceRegistry};
use crate::devtmpfs::XVD;
use crate::path::Location;

/// The most bytes on their way between a program and the cache.
const CHUNK: usize = 128 * 1024;
const RWF_DSYNC: u32 = 2;
const RWF_SYNC: u32 = 4;

/// Finds the disk of a minor number; may wait for it to be connected.
pub type Finder = Arc<dyn Fn(u32) -> Result<Arc<DiskCache>> + Send + Sync>;

/// Registers Xen's disks.
pub fn register(devices: &DeviceRegistry, find: Finder) {
    let opener = move |request: &crate::inode::OpenRequest<'_>, number: linux_base::stat::DeviceNumber| {
        let cache = find(number.minor)?;
        let (place, flags) = (request.location.clone(), request.flags);
        Ok(Arc::new(BlockDeviceFile::new(cache, place, flags)) as Arc<dyn File>)
    };
    devices.register(DeviceKind::Block, XVD, None, Arc::new(opener));
}

/// The name of a disk's node, `xvdc` for `hdc` and `sdc` too: the toolstack's name of a disk may be that of an emulated one, and a
/// device model looks for them all by this.
pub fn node_name(name: &str) -> Option<String> {
    let rest = ["xvd", "hd", "sd"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    Some(format!("xvd{rest}"))
}

/// The minor number of a disk, or of a partition that the toolstack gives as a disk: 16 to each of `xvda`, `xvdb` and so on.
/// As on Linux a disk that is named as an emulated one has its number. `None` for another name.
pub fn minor(name: &str) -> Option<u32> {
    let name = node_name(name)?;
    let rest = name.strip_prefix("xvd")?;
    let letters = rest.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let digits = rest.get(letters.len()..)?;
    let mut index: u32 = 0;
    for letter in letters.bytes() {
        let place = letter.is_ascii_lowercase().then(|| u32::from(letter - b'a') + 1)?;
        index = index.checked_mul(26)?.checked_add(place)?;
    }
    let partition: u32 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let minor = index.checked_sub(1)?.checked_mul(16)?.checked_add(partition)?;
    // As many as a device number has room for.
    (partition < 16 && minor < 1 << 20).then_some(minor)
}

/// A disk that somebody has open.
pub struct BlockDeviceFile {
    file: BlockFile,
    place: Location,
    can_write: bool,
}

impl BlockDeviceFile {
    fn new(cache: Arc<DiskCache>, place: Location, flags: OpenFlags) -> Self {
        Self { file: BlockFile::open(cache), place, can_write: flags.can_write() }
    }

    fn sector(&self) -> u64 {
        self.file.cache().device().sector_bytes().into()
    }

    /// Around the cache only whole sectors go.
    fn check_direct(&self, offset: u64, len: usize) -> Result<()> {
        if (offset | len as u64).is_multiple_of(self.sector()) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

fn errno(error: BlockError) -> Errno {
    match error {
        BlockError::ReadOnly => Errno::EPERM,
        BlockError::OutOfRange { .. } | BlockError::Unaligned { .. } => Errno::EINVAL,
        BlockError::Unsupported { .. } => Errno::EOPNOTSUPP,
        BlockError::OutOfMemory { .. } => Errno::ENOMEM,
        _ => Errno::EIO,
    }
}

fn buffer(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len.min(CHUNK))?;
    bytes.resize(len.min(CHUNK), 0);
    Ok(bytes)
}

impl File for BlockDeviceFile {
    fn read(&self, offset: u64, into: &mut dyn Sink, flags: IoFlags) -> Result<usize> {
        let is_direct = flags.status.contains(OpenFlags::DIRECT);
        if is_direct {
            self.check_direct(offset, into.room())?;
        }
        let mut bytes = buffer(into.room())?;
        let mut done = 0;
        while into.room() > 0 {
            let at = offset.saturating_add(done as u64);
            // So that later pieces begin with a line.
            let len = into.room().min(CHUNK - (at % fs::LINE as u64) as usize).min(bytes.len());
            let Some(piece) = bytes.get_mut(..len) else { break };
            let read = match is_direct {
                true => self.file.read_direct_at(at, piece),
                false => self.file.read_at(at, piece),
            };
            let pushed = read.map_err(errno).and_then(|read| match read {
                0 => Ok(0),
                read => into.push(piece.get(..read).unwrap_or_default()),
            });
            match pushed {
                Ok(0) => break,
                Ok(pushed) => done += pushed,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write(&self, offset: u64, from: &mut dyn Source, flags: IoFlags) -> Result<usize> {
        if self.file.cache().device().is_read_only() {
            return Err(Errno::EPERM);
        }
        let is_direct = flags.status.contains(OpenFlags::DIRECT);
        if is_direct {
            self.check_direct(offset, from.left())?;
        }
        let mut bytes = buffer(from.left())?;
        let mut done = 0;
        while from.left() > 0 {
            let at = offset.saturating_add(done as u64);
            let len = from.left().min(CHUNK - (at % fs::LINE as u64) as usize).min(bytes.len());
            let Some(piece) = bytes.get_mut(..len) else { break };
            let written = from.pull(piece).and_then(|pulled| {
                let piece = piece.get(..pulled).unwrap_or_default();
                let written = match is_direct {
                    true => self.file.write_direct_at(at, piece),
                    false => self.file.write_at(at, piece),
                };
                match written.map_err(errno) {
                    Ok(0) if pulled > 0 => Err(Errno::ENOSPC),
                    Ok(written) => {
                        from.unpull(pulled - written);
                        Ok(written)
                    }
                    Err(errno) => Err(errno),
                }
            });
            match written {
                Ok(0) => break,
                Ok(written) => done += written,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        let is_synced = flags.status.intersects(OpenFlags::DSYNC | OpenFlags::SYNC)
            || flags.rwf & (RWF_DSYNC | RWF_SYNC) != 0;
        if is_synced && done > 0 {
            self.file.sync_range(offset, done as u64).map_err(errno)?;
        }
        Ok(done)
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.place.inode()?.stat())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(self.file.len())
    }

    fn seek_limit(&self) -> Option<u64> {
        Some(self.file.len())
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        self.control(command, argument, memory)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync().map_err(errno)
    }

    fn flush(&self) -> Result<()> {
        if self.can_write {
            self.file.cache().hurry();
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
