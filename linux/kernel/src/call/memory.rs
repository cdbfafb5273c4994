//! Memory of a process (`mmap(2)` and its kin); `linux-mm` does the work.

use alloc::sync::Arc;

use linux_base::abi::general::{MAP_ANONYMOUS, MAP_PRIVATE, MAP_TYPE, PROT_WRITE};
use linux_base::file::{MapKind, Mapping};
use linux_base::{Errno, OpenFile, OpenFlags, Result};
use linux_mm::{AddressSpace, ForeignArea, MapObject, MapRequest, Name, Pager};
use linux_vfs::MountFlags;
use linux_vfs::devtmpfs::MemoryDevice;
use linux_xen::{Gntalloc, Gntdev};

use crate::file::vfs;
use crate::task::{Process, Task, table};

/// Where the pages of an open file come from, if it can be mapped.
pub fn pager_of(open: &Arc<OpenFile>) -> Option<Arc<dyn Pager>> {
    linux_vfs::regular::pager(open)
}

pub fn mmap(
    task: &mut Task,
    address: u64,
    len: u64,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: u64,
) -> Result<u64> {
    if !offset.is_multiple_of(4096) {
        return Err(Errno::EINVAL);
    }
    let object =
        if flags & MAP_ANONYMOUS != 0 { None } else { Some(object(task, len, prot, flags, fd, offset)?) };
    let (object, flags, filler) = match object {
        Some(Mapped::Zeroes) => (None, flags | MAP_ANONYMOUS, None),
        Some(Mapped::Object(object)) => (Some(object), flags, None),
        Some(Mapped::Foreign(object, open, mapping)) => (Some(object), flags, Some((open, mapping))),
        None => (None, flags, None),
    };
    let name = object.as_ref().map_or(Name::None, |object| object.name.clone());
    let start = task.space().mmap(MapRequest { address, len, prot, flags, object, name })?;
    if let Some((open, mapping)) = filler
        && let Err(errno) = open.file().mapped(start, &mapping)
    {
        let _ = task.space().munmap(start, len);
        return Err(errno);
    }
    Ok(start)
}

/// What a descriptor is mapped as.
enum Mapped {
    /// `/dev/zero`, private.
    Zeroes,
    Object(MapObject),
    /// An area for pages of other domains, which the file fills.
    Foreign(MapObject, Arc<OpenFile>, Mapping),
}

/// The object of areas for pages of other domains.
fn foreign_area(open: &Arc<OpenFile>, mapping: &Mapping) -> Result<Arc<dyn Pager>> {
    let stat = open.file().stat()?;
    let identity = (stat.dev, stat.ino);
    match open.downcast::<Gntdev>() {
        Some(device) => device.pager(mapping, identity),
        None => Ok(Arc::new(ForeignArea::new(identity))),
    }
}

fn object(task: &Task, len: u64, prot: u32, flags: u32, fd: i32, offset: u64) -> Result<Mapped> {
    const SEAL_WRITES: u32 = 8 | 16;
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    if !open.flags().can_read() {
        return Err(Errno::EACCES);
    }
    let is_private = flags & MAP_TYPE == MAP_PRIVATE;
    let is_zero = open.downcast::<MemoryDevice>().is_some_and(MemoryDevice::is_zero);
    if is_zero && is_private {
        return Ok(Mapped::Zeroes);
    }
    let mapping = Mapping { offset, len, is_shared: !is_private, is_writable: prot & PROT_WRITE != 0 };
    let kind = open.file().mmap(&mapping)?;
    let granted = open.downcast::<Gntalloc>().map(|device| device.pager(offset, len)).transpose()?;
    let pager = match granted.or_else(|| pager_of(&open)) {
        Some(pager) => pager,
        None if kind == MapKind::Foreign => foreign_area(&open, &mapping)?,
        None if is_zero => vfs().shared_memory(len)?,
        None => return Err(Errno::ENODEV),
    };
    let is_sealed = linux_vfs::memory::seals(&open).is_ok_and(|seals| seals & SEAL_WRITES != 0);
    if is_sealed && !is_private && prot & PROT_WRITE != 0 {
        return Err(Errno::EPERM);
    }
    let place = vfs().place_of(&open);
    let name = place.path(&task.thread.fs().root.lock());
    let object = MapObject {
        pager,
        offset,
        may_write: open.flags().can_write() && !is_sealed,
        may_execute: is_zero || !place.mount().flags().contains(MountFlags::NO_EXEC),
        name: Name::Text(Arc::from(name)),
    };
    Ok(match kind {
        MapKind::Pages => Mapped::Object(object),
        MapKind::Foreign => Mapped::Foreign(object, open, mapping),
    })
}

pub fn munmap(task: &mut Task, address: u64, len: u64) -> Result<()> {
    task.space().munmap(address, len)
}

pub fn mprotect(task: &mut Task, address: u64, len: u64, prot: u32) -> Result<()> {
    task.space().mprotect(address, len, prot)
}

pub fn mremap(
    task: &mut Task,
    address: u64,
    old_len: u64,
    new_len: u64,
    flags: u32,
    new_address: u64,
) -> Result<u64> {
    task.space().mremap(address, old_len, new_len, flags, new_address)
}

pub fn brk(task: &mut Task, address: u64) -> Result<u64> {
    Ok(task.space().brk(address))
}

pub fn madvise(task: &mut Task, address: u64, len: u64, advice: u32) -> Result<()> {
    task.space().madvise(address, len, advice)
}

pub fn mincore(task: &mut Task, address: u64, len: u64, vector: u64) -> Result<()> {
    task.space().mincore(address, len, vector)
}

pub fn msync(task: &mut Task, address: u64, len: u64, flags: u32) -> Result<()> {
    task.space().msync(address, len, flags)
}

pub fn mlock(task: &mut Task, address: u64, len: u64) -> Result<()> {
    task.space().mlock(address, len, true, true)
}

pub fn mlock2(task: &mut Task, address: u64, len: u64, flags: u32) -> Result<()> {
    const ON_FAULT: u32 = 1;
    if flags & !ON_FAULT != 0 {
        return Err(Errno::EINVAL);
    }
    task.space().mlock(address, len, true, flags & ON_FAULT == 0)
}

pub fn munlock(task: &mut Task, address: u64, len: u64) -> Result<()> {
    task.space().mlock(address, len, false, false)
}

pub fn mlockall(task: &mut Task, flags: u32) -> Result<()> {
    const CURRENT: u32 = 1;
    const FUTURE: u32 = 2;
    const ON_FAULT: u32 = 4;
    if flags & !(CURRENT | FUTURE | ON_FAULT) != 0 || flags & (CURRENT | FUTURE) == 0 {
        return Err(Errno::EINVAL);
    }
    task.space().mlock_all(flags & CURRENT != 0, flags & FUTURE != 0, flags & ON_FAULT == 0)
}

pub fn munlockall(task: &mut Task) -> Result<()> {
    task.space().mlock_all(false, false, false)
}

/// The memory of another process that one may look into.
fn other(task: &Task, pid: i32, flags: u64) -> Result<Arc<AddressSpace>> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let process: Arc<Process> = u32::try_from(pid).ok().and_then(table::process).ok_or(Errno::ESRCH)?;
    if !process.may_inspect(&task.thread) {
        return Err(Errno::EPERM);
    }
    process.space().ok_or(Errno::ESRCH)
}

pub fn process_vm_readv(
    task: &mut Task,
    pid: i32,
    local: u64,
    local_count: usize,
    remote: u64,
    remote_count: usize,
    flags: u64,
) -> Result<usize> {
    let space = other(task, pid, flags)?;
    transfer(task, &space, Ends { local, local_count, remote, remote_count }, false)
}

pub fn process_vm_writev(
    task: &mut Task,
    pid: i32,
    local: u64,
    local_count: usize,
    remote: u64,
    remote_count: usize,
    flags: u64,
) -> Result<usize> {
    let space = other(task, pid, flags)?;
    transfer(task, &space, Ends { local, local_count, remote, remote_count }, true)
}

struct Ends {
    local: u64,
    local_count: usize,
    remote: u64,
    remote_count: usize,
}

/// A range of an array of `iovec`s.
fn range(space: &AddressSpace, array: u64, index: usize) -> Result<(u64, u64)> {
    let at =
        (index as u64).checked_mul(16).and_then(|offset| array.checked_add(offset)).ok_or(Errno::EFAULT)?;
    Ok((space.read_u64(at)?, space.read_u64(at.wrapping_add(8))?))
}

fn transfer(task: &Task, other: &AddressSpace, ends: Ends, writes: bool) -> Result<usize> {
    if ends.local_count > 1024 || ends.remote_count > 1024 {
        return Err(Errno::EINVAL);
    }
    let own = task.space();
    let mut done = 0;
    let (mut local, mut remote) = ((0, 0), (0, 0));
    let (mut next_local, mut next_remote) = (0, 0);
    let mut chunk = [0; 1024];
    loop {
        while local.1 == 0 {
            if next_local == ends.local_count {
                return Ok(done);
            }
            local = range(own, ends.local, next_local)?;
            next_local += 1;
        }
        while remote.1 == 0 {
            if next_remote == ends.remote_count {
                return Ok(done);
            }
            remote = range(own, ends.remote, next_remote)?;
            next_remote += 1;
        }
        // Not beyond a page of the other: what can be copied is.
        let step =
            local.1.min(remote.1).min(1024).min(4096 - remote.0 % 4096).min(4096 - local.0 % 4096) as usize;
        let Some(bytes) = chunk.get_mut(..step) else { return Ok(done) };
        let copied = if writes {
            own.read_bytes(local.0, bytes).and_then(|()| other.write_bytes(remote.0, bytes))
        } else {
            other.read_bytes(remote.0, bytes).and_then(|()| own.write_bytes(local.0, bytes))
        };
        match copied {
            Ok(()) => done += step,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => return Ok(done),
        }
        for end in [&mut local, &mut remote] {
            end.0 = end.0.wrapping_add(step as u64);
            end.1 -= step as u64;
        }
    }
}
