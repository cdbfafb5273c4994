//! What a descriptor refers to.
//!
//! [`File`] is an object: a regular file, a pipe's end, a socket, an epoll instance. [`OpenFile`] is the open file description
//! of `open(2)`: the object with an offset and status flags, shared by duplicated and inherited descriptors.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::{Errno, PollEvents, Result, Sink, Source, Stat, WaitQueue};

bitflags::bitflags! {
    /// Access mode and status flags of an open file (`O_*` of `asm-generic/fcntl.h`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct OpenFlags: u32 {
        /// Writing only. Reading only is neither this nor the next.
        const WRONLY = 0o1;
        /// Reading and writing.
        const RDWR = 0o2;
        /// Make the file if it is not there.
        const CREAT = 0o100;
        /// It must not be there.
        const EXCL = 0o200;
        /// It does not become the controlling terminal.
        const NOCTTY = 0o400;
        /// Empty it.
        const TRUNC = 0o1000;
        /// Each write goes to the end.
        const APPEND = 0o2000;
        /// Operations do not wait.
        const NONBLOCK = 0o4000;
        /// Written data is on the disk when the call returns.
        const DSYNC = 0o10000;
        /// Signals tell of readiness.
        const ASYNC = 0o20000;
        /// Around the page cache.
        const DIRECT = 0o40000;
        /// Implied on 64-bit systems.
        const LARGEFILE = 0o100000;
        /// It must be a directory.
        const DIRECTORY = 0o200000;
        /// It must not be a symbolic link.
        const NOFOLLOW = 0o400000;
        /// Reads do not change the access time.
        const NOATIME = 0o1000000;
        /// Closed on exec; kept by the descriptor, not here.
        const CLOEXEC = 0o2000000;
        /// Data and facts are on the disk when the call returns (with [`OpenFlags::DSYNC`]).
        const SYNC = 0o4000000;
        /// Only a place in the tree, no access to the content.
        const PATH = 0o10000000;
        /// A file without a name (with [`OpenFlags::DIRECTORY`]).
        const TMPFILE = 0o20000000;
    }
}

impl OpenFlags {
    /// What `F_SETFL` may change.
    pub const CHANGEABLE: Self =
        Self::APPEND.union(Self::NONBLOCK).union(Self::ASYNC).union(Self::DIRECT).union(Self::NOATIME);

    /// Whether the content may be read.
    pub fn can_read(self) -> bool {
        !self.intersects(Self::WRONLY | Self::PATH)
    }

    /// Whether the content may be written.
    pub fn can_write(self) -> bool {
        self.intersects(Self::WRONLY | Self::RDWR) && !self.contains(Self::PATH)
    }
}

/// What an operation of a [`File`] is told of the open file description.
#[derive(Clone, Copy, Debug)]
pub struct IoFlags {
    /// The status flags.
    pub status: OpenFlags,
    /// Flags of the call itself (`RWF_*`).
    pub rwf: u32,
}

/// Memory of the process that makes a call, for `ioctl` and the like: what is behind a pointer is that file's matter.
pub trait UserMemory {
    /// Copies from the process; all or `EFAULT`.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()>;
    /// Copies to the process; all or `EFAULT`.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<()>;
}

impl dyn UserMemory + '_ {
    /// A 32-bit number of the process.
    pub fn read_u32(&self, address: u64) -> Result<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// A 64-bit number of the process.
    pub fn read_u64(&self, address: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Stores a 32-bit number.
    pub fn write_u32(&self, address: u64, value: u32) -> Result<()> {
        self.write(address, &value.to_le_bytes())
    }

    /// Stores a 64-bit number.
    pub fn write_u64(&self, address: u64, value: u64) -> Result<()> {
        self.write(address, &value.to_le_bytes())
    }
}

/// What `mmap(2)` is asked to make of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Where in the file it begins, in bytes; whole pages.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Whether writes are seen by others.
    pub is_shared: bool,
    /// Whether it may be written.
    pub is_writable: bool,
}

/// How a file is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapKind {
    /// By pages of its own, if it has such.
    Pages,
    /// As an area for pages of other domains, which stays empty until the file fills it: in [`File::mapped`], or later.
    Foreign,
}

/// An object that descriptors refer to.
///
/// Operations never wait for readiness: they return `EAGAIN`, and the system-call layer waits with [`File::poll`] and
/// [`File::queue`]. Those on regular files may wait for a disk.
pub trait File: Any + Send + Sync {
    /// Reads, at `offset` where the object has offsets. 0 bytes are the end.
    fn read(&self, offset: u64, into: &mut dyn Sink, flags: IoFlags) -> Result<usize> {
        let _ = (offset, into, flags);
        Err(Errno::EINVAL)
    }

    /// Writes, at `offset` where the object has offsets; at its end with `O_APPEND`, and [`File::seek_end`] says where that is.
    fn write(&self, offset: u64, from: &mut dyn Source, flags: IoFlags) -> Result<usize> {
        let _ = (offset, from, flags);
        Err(Errno::EINVAL)
    }

    /// Facts about it.
    fn stat(&self) -> Result<Stat>;

    /// What can be done now. Objects that are always ready need not say so.
    fn poll(&self) -> PollEvents {
        PollEvents::READABLE | PollEvents::WRITABLE
    }

    /// Where to wait for a change of [`File::poll`]; `None` for what is always ready.
    fn queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// Whether reads and writes have an offset, as regular files and block devices have; others refuse `lseek` with `ESPIPE`.
    fn is_seekable(&self) -> bool {
        false
    }

    /// The end, for `SEEK_END` and `O_APPEND`.
    fn seek_end(&self) -> Result<u64> {
        Err(Errno::ESPIPE)
    }

    /// `ioctl(2)`; what is common to all files is done before.
    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let _ = (command, argument, memory);
        Err(Errno::ENOTTY)
    }

    /// Says how `mmap(2)` is to map it. The error is the call's.
    fn mmap(&self, wanted: &Mapping) -> Result<MapKind> {
        let _ = wanted;
        Ok(MapKind::Pages)
    }

    /// An area for pages of other domains has been made of it, at this address of the caller. After an error it is taken away.
    fn mapped(&self, address: u64, wanted: &Mapping) -> Result<()> {
        let _ = (address, wanted);
        Ok(())
    }

    /// The status flags have been changed by `F_SETFL` or `FIONBIO`.
    fn flags_changed(&self, flags: OpenFlags) {
        let _ = flags;
    }

    /// The largest offset that `lseek` allows, where that is not just any: of disks, which are not searched for holes either.
    fn seek_limit(&self) -> Option<u64> {
        None
    }

    /// `fsync(2)`: returns when what was written is on stable storage. Files that live in memory have none to be on.
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// The last descriptor has gone; `close(2)` tells the error. Does not wait.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// For downcasting: `file.as_any().downcast_ref::<Pipe>()`.
    fn as_any(&self) -> &dyn Any;

    /// As [`File::as_any`], shared.
    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// An open file description.
pub struct OpenFile {
    file: Arc<dyn File>,
    flags: AtomicU32,
    offset: AtomicU64,
    /// Who would be told of readiness by a signal.
    owner: AtomicI32,
    /// What `/proc/self/fd/N` links to: `/etc/passwd`, `pipe:[12]`, `socket:[7]`; without a path, made by who asks.
    label: Vec<u8>,
    /// The place in the tree it was opened at, for directories, `O_PATH` and exec; the type is the VFS's own.
    place: Option<Arc<dyn Any + Send + Sync>>,
    /// Told when the last reference goes: locks, inotify and epoll hang on it.
    closing: WaitQueue,
}

impl OpenFile {
    /// Opens an object.
    pub fn new(file: Arc<dyn File>, flags: OpenFlags, label: Vec<u8>) -> Arc<Self> {
        Self::at(file, flags, label, None)
    }

    /// Opens an object that has a place in the tree.
    pub fn at(
        file: Arc<dyn File>,
        flags: OpenFlags,
        label: Vec<u8>,
        place: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            file,
            flags: AtomicU32::new(flags.bits()),
            offset: AtomicU64::new(0),
            owner: AtomicI32::new(0),
            label,
            place,
            closing: WaitQueue::new(),
        })
    }

    /// The object.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// The object, if it is of this type.
    pub fn downcast<T: File>(&self) -> Option<&T> {
        self.file.as_any().downcast_ref()
    }

    /// The object, shared, if it is of this type.
    pub fn downcast_arc<T: File>(&self) -> Option<Arc<T>> {
        self.file.clone().as_any_arc().downcast().ok()
    }

    /// Access mode and status flags.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Changes those flags that can be changed.
    pub fn set_flags(&self, flags: OpenFlags) {
        let new = self.flags().difference(OpenFlags::CHANGEABLE) | flags & OpenFlags::CHANGEABLE;
        self.flags.store(new.bits(), Ordering::Relaxed);
        self.file.flags_changed(new);
    }

    /// Whether operations wait.
    pub fn is_blocking(&self) -> bool {
        !self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// The offset of the next read or write.
    pub fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Sets the offset.
    pub fn set_offset(&self, offset: u64) {
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// What it was opened as.
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    /// Who would be told of readiness by a signal (`F_GETOWN`): a process, or a group as a negative number.
    pub fn owner(&self) -> i32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Sets who would be told (`F_SETOWN`).
    pub fn set_owner(&self, owner: i32) {
        self.owner.store(owner, Ordering::Relaxed);
    }

    /// Where in the tree it was opened, if that is of this type.
    pub fn place<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.place.as_deref()?.downcast_ref()
    }

    /// Woken with [`PollEvents::NVAL`] when the last reference has gone.
    pub fn closing(&self) -> &WaitQueue {
        &self.closing
    }

    /// Reads at an offset, or at this description's own, which moves. Does not wait.
    pub fn read(&self, offset: Option<u64>, into: &mut dyn Sink, rwf: u32) -> Result<usize> {
        if !self.flags().can_read() {
            return Err(Errno::EBADF);
        }
        let flags = IoFlags { status: self.flags(), rwf };
        let at = offset.unwrap_or_else(|| self.offset());
        let len = self.file.read(at, into, flags)?;
        if offset.is_none() && self.file.is_seekable() {
            self.set_offset(at + len as u64);
        }
        Ok(len)
    }

    /// Writes at an offset, or at this description's own, which moves. Does not wait.
    pub fn write(&self, offset: Option<u64>, from: &mut dyn Source, rwf: u32) -> Result<usize> {
        if !self.flags().can_write() {
            return Err(Errno::EBADF);
        }
        let flags = IoFlags { status: self.flags(), rwf };
        let appends = flags.status.contains(OpenFlags::APPEND) && self.file.is_seekable();
        let at = if appends { self.file.seek_end()? } else { offset.unwrap_or_else(|| self.offset()) };
        let len = self.file.write(at, from, flags)?;
        if offset.is_none() && self.file.is_seekable() {
            self.set_offset(at + len as u64);
        }
        Ok(len)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.closing.wake_all(PollEvents::NVAL);
        // Nobody is left to be told of an error; `close` has told it to the one who closed the last descriptor.
        let _ = self.file.flush();
    }
}
