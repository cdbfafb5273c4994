//! Memory that is a file without a name: `memfd_create(2)`, and shared anonymous mappings.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use linux_base::{Credentials, Errno, Mode, OpenFile, OpenFlags, Result};
use linux_mm::Pager;

use crate::context::Vfs;
use crate::inode::{NewInode, OpenRequest};
use crate::path::{Dentry, Location};
use crate::regular::RegularFile;

/// Seals of a memfd (`F_SEAL_*`).
pub mod seal {
    /// No more seals.
    pub const SEAL: u32 = 1;
    /// It does not become shorter.
    pub const SHRINK: u32 = 2;
    /// It does not become longer.
    pub const GROW: u32 = 4;
    /// It is not written.
    pub const WRITE: u32 = 8;
    /// It is not written but through mappings that are there.
    pub const FUTURE_WRITE: u32 = 16;
    /// It is not made executable.
    pub const EXEC: u32 = 32;
    /// All of them.
    pub const ALL: u32 = 63;
}

/// The longest name of a memfd: 255 less `memfd:`.
const MEMFD_NAME_MAX: usize = 249;

impl Vfs {
    /// A memfd. `can_seal` is `MFD_ALLOW_SEALING`; `is_executable` is not `MFD_NOEXEC_SEAL`.
    pub fn memfd(
        &self,
        name: &[u8],
        can_seal: bool,
        is_executable: bool,
        owner: &Credentials,
    ) -> Result<Arc<OpenFile>> {
        if name.len() > MEMFD_NAME_MAX {
            return Err(Errno::EINVAL);
        }
        let permissions = if is_executable { 0o777 } else { 0o666 };
        let mode = Mode(Mode::REGULAR | permissions);
        let new = NewInode { mode, uid: owner.uid.fs, gid: owner.gid.fs, rdev: 0, target: b"" };
        let node = self.memory_tree.unnamed(&new)?;
        let seals = match (is_executable, can_seal) {
            (false, _) => seal::EXEC,
            (true, true) => 0,
            (true, false) => seal::SEAL,
        };
        node.seals.store(seals, Ordering::Release);
        let dentry = Dentry::detached(&[b"memfd:", name].concat(), node.clone());
        let place = Location::new(self.memory.clone(), dentry);
        let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
        let file = RegularFile::open(node, &OpenRequest { location: &place, flags, credentials: owner })?;
        Ok(OpenFile::at(file, flags, Default::default(), Some(Arc::new(place))))
    }

    /// Memory of `len` bytes for a shared anonymous mapping.
    pub fn shared_memory(&self, len: u64) -> Result<Arc<dyn Pager>> {
        let mode = Mode(Mode::REGULAR | 0o777);
        let node = self.memory_tree.unnamed(&NewInode { mode, uid: 0, gid: 0, rdev: 0, target: b"" })?;
        node.resize(len)?;
        Ok(node)
    }
}

/// `F_GET_SEALS`. `EINVAL` for what can have none.
pub fn seals(file: &OpenFile) -> Result<u32> {
    Ok(file.downcast::<RegularFile>().ok_or(Errno::EINVAL)?.node().seals())
}

/// `F_ADD_SEALS`.
pub fn add_seals(file: &OpenFile, seals: u32) -> Result<()> {
    let node = file.downcast::<RegularFile>().ok_or(Errno::EINVAL)?.node();
    if !file.flags().can_write() {
        return Err(Errno::EPERM);
    }
    if seals & !seal::ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let old = node.seals();
    if old & seal::SEAL != 0 {
        return Err(Errno::EPERM);
    }
    if seals & seal::WRITE & !old != 0 {
        node.check_unmapped()?;
    }
    node.seals.store(old | seals, Ordering::Release);
    Ok(())
}
