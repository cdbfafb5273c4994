//! Names: where things stand in the tree, and how a path leads there.
//!
//! [`Dentry`] is a name in a directory, [`NameCache`] what keeps names at hand, [`Mount`] a file system at a place,
//! [`Location`] a name under a mount, and `walk` leads a path to one.

mod cache;
mod dentry;
mod location;
mod mount;
mod table;
mod walk;

pub use cache::NameCache;
pub use dentry::Dentry;
pub use location::Location;
pub(crate) use mount::MountTable;
pub use mount::{Mount, MountFlags};
pub use walk::{Follow, Resolve};
pub(crate) use walk::{LastName, Walker, may as walk_may};
