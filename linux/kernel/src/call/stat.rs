//! Facts about files (`stat(2)`, `statx(2)`, `access(2)`, `readlink(2)`, `statfs(2)`).

use alloc::vec::Vec;

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Result, Stat, Timespec};
use linux_vfs::{Follow, Location};

use crate::file::{AT_FDCWD, vfs};
use crate::task::Task;

pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
pub const AT_EACCESS: u32 = 0x200;
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
pub const AT_NO_AUTOMOUNT: u32 = 0x800;
pub const AT_EMPTY_PATH: u32 = 0x1000;

/// Whether a link at the end is followed, by `AT_SYMLINK_NOFOLLOW`.
pub fn follow(flags: u32) -> Follow {
    if flags & AT_SYMLINK_NOFOLLOW == 0 { Follow::Yes } else { Follow::No }
}

impl Task {
    /// The place that directory, path and flags of an `*at` call name; with `AT_EMPTY_PATH` and no path the descriptor itself.
    pub fn place(&self, dir: i32, path: &[u8], flags: u32) -> Result<Location> {
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            if dir == AT_FDCWD {
                return Ok(self.thread.fs().cwd.lock().clone());
            }
            return Ok(vfs().place_of(&self.files()?.get(dir)?));
        }
        let base = self.base(dir, path)?;
        self.asker().context().walk(base.as_ref(), path, follow(flags))
    }
}

fn stat_at(task: &Task, dir: i32, path: &[u8], flags: u32) -> Result<Stat> {
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 && dir != AT_FDCWD {
        return task.files()?.get(dir)?.file().stat();
    }
    Ok(task.place(dir, path, flags)?.inode()?.stat())
}

/// `struct stat`.
fn stat_bytes(stat: &Stat) -> [u8; 144] {
    let mut bytes = [0; 144];
    let mut put = |at: usize, value: &[u8]| {
        for (place, byte) in bytes.iter_mut().skip(at).zip(value) {
            *place = *byte;
        }
    };
    put(0, &stat.dev.to_le_bytes());
    put(8, &stat.ino.to_le_bytes());
    put(16, &u64::from(stat.nlink).to_le_bytes());
    put(24, &stat.mode.0.to_le_bytes());
    put(28, &stat.uid.to_le_bytes());
    put(32, &stat.gid.to_le_bytes());
    put(40, &stat.rdev.to_le_bytes());
    put(48, &stat.size.to_le_bytes());
    put(56, &u64::from(stat.blksize).to_le_bytes());
    put(64, &stat.blocks.to_le_bytes());
    for (at, time) in [(72, stat.atime), (88, stat.mtime), (104, stat.ctime)] {
        put(at, &time.seconds.to_le_bytes());
        put(at + 8, &u64::from(time.nanos).to_le_bytes());
    }
    bytes
}

pub fn newfstatat(task: &mut Task, dir: i32, path: u64, buf: u64, flags: u32) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = if path == 0 && flags & AT_EMPTY_PATH != 0 { Vec::new() } else { task.path(path)? };
    let stat = stat_at(task, dir, &path, flags)?;
    task.space().write_bytes(buf, &stat_bytes(&stat))
}

pub fn stat(task: &mut Task, path: u64, buf: u64) -> Result<()> {
    newfstatat(task, AT_FDCWD, path, buf, 0)
}

pub fn lstat(task: &mut Task, path: u64, buf: u64) -> Result<()> {
    newfstatat(task, AT_FDCWD, path, buf, AT_SYMLINK_NOFOLLOW)
}

pub fn fstat(task: &mut Task, fd: i32, buf: u64) -> Result<()> {
    let stat = task.files()?.get(fd)?.file().stat()?;
    task.space().write_bytes(buf, &stat_bytes(&stat))
}

pub fn statx(task: &mut Task, dir: i32, path: u64, flags: u32, mask: u32, buf: u64) -> Result<()> {
    const SYNC_TYPE: u32 = 0x6000;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | SYNC_TYPE) != 0
        || flags & SYNC_TYPE == SYNC_TYPE
        || mask & 0x8000_0000 != 0
    {
        return Err(Errno::EINVAL);
    }
    let path = if path == 0 && flags & AT_EMPTY_PATH != 0 { Vec::new() } else { task.path(path)? };
    let stat = stat_at(task, dir, &path, flags)?;
    let place = task.place(dir, &path, flags).ok();
    let mut bytes = [0; 256];
    let mut put = |at: usize, value: &[u8]| {
        for (place, byte) in bytes.iter_mut().skip(at).zip(value) {
            *place = *byte;
        }
    };
    /// All of `STATX_BASIC_STATS`, the moment of birth, and the mount's number.
    const FILLED: u32 = 0x7ff | 0x800 | 0x1000;
    const MOUNT_ROOT: u64 = 0x2000;
    let is_root = place.as_ref().is_some_and(Location::is_mount_root);
    put(0, &FILLED.to_le_bytes());
    put(4, &stat.blksize.to_le_bytes());
    put(8, &if is_root { MOUNT_ROOT } else { 0 }.to_le_bytes());
    put(16, &stat.nlink.to_le_bytes());
    put(20, &stat.uid.to_le_bytes());
    put(24, &stat.gid.to_le_bytes());
    put(28, &(stat.mode.0 as u16).to_le_bytes());
    put(32, &stat.ino.to_le_bytes());
    put(40, &stat.size.to_le_bytes());
    put(48, &stat.blocks.to_le_bytes());
    put(56, &MOUNT_ROOT.to_le_bytes());
    let mut moment = |at: usize, time: Timespec| {
        put(at, &time.seconds.to_le_bytes());
        put(at + 8, &time.nanos.to_le_bytes());
    };
    moment(64, stat.atime);
    moment(80, stat.btime);
    moment(96, stat.ctime);
    moment(112, stat.mtime);
    for (at, number) in [(128, stat.rdev), (136, stat.dev)] {
        let number = DeviceNumber::decode(number);
        put(at, &number.major.to_le_bytes());
        put(at + 4, &number.minor.to_le_bytes());
    }
    put(144, &place.map_or(0, |place| place.mount().id()).to_le_bytes());
    task.space().write_bytes(buf, &bytes)
}

pub fn faccessat2(task: &mut Task, dir: i32, path: u64, mode: u32, flags: u32) -> Result<()> {
    if mode & !7 != 0 || flags & !(AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = task.path(path)?;
    let asker = if flags & AT_EACCESS == 0 { task.asker_by_real_ids() } else { task.asker() };
    let context = asker.context();
    let place = if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        task.place(dir, &path, flags)?
    } else {
        let base = task.base(dir, &path)?;
        context.walk(base.as_ref(), &path, follow(flags))?
    };
    context.access(&place, mode)
}

pub fn faccessat(task: &mut Task, dir: i32, path: u64, mode: u32) -> Result<()> {
    faccessat2(task, dir, path, mode, 0)
}

pub fn access(task: &mut Task, path: u64, mode: u32) -> Result<()> {
    faccessat2(task, AT_FDCWD, path, mode, 0)
}

pub fn readlinkat(task: &mut Task, dir: i32, path: u64, buf: u64, size: i32) -> Result<usize> {
    let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or(Errno::EINVAL)?;
    let path = task.path(path)?;
    let target = if path.is_empty() && dir == AT_FDCWD {
        return Err(Errno::ENOENT);
    } else if path.is_empty() {
        let place = vfs().place_of(&task.files()?.get(dir)?);
        let inode = place.inode()?;
        if !inode.mode().is_symlink() {
            return Err(Errno::ENOENT);
        }
        inode.read_link()?
    } else {
        let base = task.base(dir, &path)?;
        task.asker().context().read_link(base.as_ref(), &path)?
    };
    let shown = target.get(..size).unwrap_or(&target);
    task.space().write_bytes(buf, shown)?;
    Ok(shown.len())
}

pub fn readlink(task: &mut Task, path: u64, buf: u64, size: i32) -> Result<usize> {
    readlinkat(task, AT_FDCWD, path, buf, size)
}

fn write_statfs(task: &Task, place: &Location, buf: u64) -> Result<()> {
    let (usage, flags) = task.asker().context().statfs(place);
    const VALID: u64 = 0x20;
    let device = place.inode()?.stat().dev;
    let words = [
        usage.magic,
        usage.block_size,
        usage.blocks,
        usage.free,
        usage.free,
        usage.inodes,
        usage.free_inodes,
        device & 0xffff_ffff,
        255,
        usage.block_size,
        u64::from(flags.bits()) | VALID,
    ];
    let mut bytes = [0; 120];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    task.space().write_bytes(buf, &bytes)
}

pub fn statfs(task: &mut Task, path: u64, buf: u64) -> Result<()> {
    let path = task.path(path)?;
    let place = task.place(AT_FDCWD, &path, 0)?;
    write_statfs(task, &place, buf)
}

pub fn fstatfs(task: &mut Task, fd: i32, buf: u64) -> Result<()> {
    let place = vfs().place_of(&task.files()?.get(fd)?);
    write_statfs(task, &place, buf)
}
