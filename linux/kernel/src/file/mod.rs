//! Descriptors, and where paths begin.

mod blocking;
mod context;
mod table;

pub use blocking::{read_blocking, wait_for, write_blocking};
pub use context::{AT_FDCWD, FsContext, set_vfs, vfs};
pub use table::Files;

/// A place in the tree.
pub type Path = linux_vfs::Location;
