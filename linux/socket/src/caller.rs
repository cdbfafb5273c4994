//! What a call needs of the process that makes it.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::{Credentials, Errno, OpenFile, Result};

/// The process that makes a call. Its methods may wait (a path may have to be read from a disk): no lock is held over them.
pub trait Caller {
    /// Who it is.
    fn credentials(&self) -> Credentials;

    /// Its process ID, as `SCM_CREDENTIALS` tells it.
    fn pid(&self) -> u32;

    /// The open file behind a descriptor, to be passed on; `EBADF`.
    fn file(&self, fd: i32) -> Result<Arc<OpenFile>>;

    /// Makes a descriptor for a file that was passed; `EMFILE`.
    fn install(&self, file: Arc<OpenFile>, close_on_exec: bool) -> Result<i32>;

    /// Files that it may have in flight between sockets: its `RLIMIT_NOFILE`.
    fn in_flight_limit(&self) -> usize {
        1024
    }

    /// Makes a socket inode at a path, for `bind`: `EADDRINUSE` if there is something.
    fn make_name(&self, path: &[u8]) -> Result<UnixName> {
        let _ = path;
        Err(Errno::EOPNOTSUPP)
    }

    /// Finds the socket inode at a path, for `connect`: `ECONNREFUSED` if it is no socket, `EACCES` without permission to
    /// write it.
    fn find_name(&self, path: &[u8]) -> Result<UnixName> {
        let _ = path;
        Err(Errno::EOPNOTSUPP)
    }
}

/// A socket inode in the file system.
#[derive(Clone)]
pub struct UnixName {
    /// Device and inode number.
    pub id: (u64, u64),
    /// Keeps the inode, so that nothing else gets its number while a socket is bound to it.
    pub inode: Arc<dyn Any + Send + Sync>,
}
