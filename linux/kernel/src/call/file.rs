//! Content of files as a whole (`truncate(2)`, `fallocate(2)`, `memfd_create(2)`, `posix_fadvise(2)`).

use linux_base::{Errno, OpenFlags, Result};
use linux_tty::TtyFile;

use crate::file::{AT_FDCWD, vfs};
use crate::task::Task;

fn len_of(len: i64) -> Result<u64> {
    u64::try_from(len).map_err(|_| Errno::EINVAL)
}

pub fn truncate(task: &mut Task, path: u64, len: i64) -> Result<()> {
    let len = len_of(len)?;
    let path = task.path(path)?;
    let base = task.base(AT_FDCWD, &path)?;
    let result = task.asker().context().truncate(base.as_ref(), &path, len);
    told_of_limit(task, result)
}

pub fn ftruncate(task: &mut Task, fd: i32, len: i64) -> Result<()> {
    let len = len_of(len)?;
    let open = task.files()?.get(fd)?;
    // A device model empties what it saves to, whatever that is.
    let is_channel = open.downcast::<TtyFile>().is_some_and(|terminal| terminal.tty().is_channel());
    if is_channel && open.flags().can_write() {
        return Ok(());
    }
    let result = task.asker().context().truncate_file(&open, len);
    told_of_limit(task, result)
}

fn told_of_limit(task: &Task, result: Result<()>) -> Result<()> {
    if result == Err(Errno::EFBIG) {
        super::system::file_too_large(task);
    }
    result
}

pub fn fallocate(task: &mut Task, fd: i32, mode: u32, offset: i64, len: i64) -> Result<()> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let result = task.asker().context().fallocate(&open, mode, offset, len);
    told_of_limit(task, result)
}

pub fn fadvise64(task: &mut Task, fd: i32, _offset: i64, len: i64, advice: i32) -> Result<()> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    if !open.file().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    // The page cache goes by what is used; advice is taken and not followed.
    if (0..=5).contains(&advice) && len >= 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

pub fn readahead(task: &mut Task, fd: i32, _offset: i64, _count: usize) -> Result<()> {
    let open = task.files()?.get(fd)?;
    if !open.flags().can_read() {
        return Err(Errno::EBADF);
    }
    if open.file().is_seekable() { Ok(()) } else { Err(Errno::EINVAL) }
}

const MFD_CLOEXEC: u32 = 1;
const MFD_ALLOW_SEALING: u32 = 2;
const MFD_HUGETLB: u32 = 4;
const MFD_NOEXEC_SEAL: u32 = 8;
const MFD_EXEC: u32 = 16;

pub fn memfd_create(task: &mut Task, name: u64, flags: u32) -> Result<i32> {
    let known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    if flags & MFD_HUGETLB != 0 {
        return Err(Errno::ENOSYS);
    }
    if flags & !known != 0 || flags & (MFD_NOEXEC_SEAL | MFD_EXEC) == MFD_NOEXEC_SEAL | MFD_EXEC {
        return Err(Errno::EINVAL);
    }
    let name = task.space().read_cstr(name, 250).map_err(|errno| match errno {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    let can_seal = flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) != 0;
    let credentials = task.thread.credentials();
    let open = vfs().memfd(&name, can_seal, flags & MFD_NOEXEC_SEAL == 0, &credentials)?;
    task.insert(open, flags & MFD_CLOEXEC != 0)
}
