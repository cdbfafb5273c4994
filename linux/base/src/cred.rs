//! Who a process is, and what it may do (`credentials(7)`, `capabilities(7)`).

use alloc::sync::Arc;
use alloc::vec::Vec;

/// User and group IDs, and capabilities. A process has one; a change makes a new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Real, effective, saved and file-system user ID.
    pub uid: Ids,
    /// Real, effective, saved and file-system group ID.
    pub gid: Ids,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
    /// Capabilities by number, a bit each: permitted.
    pub permitted: u64,
    /// Effective.
    pub effective: u64,
    /// Inheritable.
    pub inheritable: u64,
    /// Ambient.
    pub ambient: u64,
    /// The bounding set.
    pub bounding: u64,
}

/// The four IDs of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ids {
    /// Real.
    pub real: u32,
    /// Effective.
    pub effective: u32,
    /// Saved.
    pub saved: u32,
    /// For access to files.
    pub fs: u32,
}

impl Ids {
    /// All four the same.
    pub fn all(id: u32) -> Self {
        Self { real: id, effective: id, saved: id, fs: id }
    }
}

/// Every capability that there is (`CAP_LAST_CAP` is 40).
pub const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

impl Credentials {
    /// Overrides file permissions.
    pub const CAP_DAC_OVERRIDE: u32 = 1;
    /// Overrides read and search permissions.
    pub const CAP_DAC_READ_SEARCH: u32 = 2;
    /// Overrides that the owner must act.
    pub const CAP_FOWNER: u32 = 3;
    /// Changes owners.
    pub const CAP_CHOWN: u32 = 0;
    /// Sends signals to anybody.
    pub const CAP_KILL: u32 = 5;
    /// Changes group IDs.
    pub const CAP_SETGID: u32 = 6;
    /// Changes user IDs.
    pub const CAP_SETUID: u32 = 7;
    /// Binds ports below 1024.
    pub const CAP_NET_BIND_SERVICE: u32 = 10;
    /// Much of administration.
    pub const CAP_SYS_ADMIN: u32 = 21;
    /// Raises limits.
    pub const CAP_SYS_RESOURCE: u32 = 24;

    /// The superuser.
    pub fn root() -> Self {
        Self {
            uid: Ids::all(0),
            gid: Ids::all(0),
            groups: Arc::from(Vec::new()),
            permitted: ALL_CAPABILITIES,
            effective: ALL_CAPABILITIES,
            inheritable: 0,
            ambient: 0,
            bounding: ALL_CAPABILITIES,
        }
    }

    /// Whether it has a capability (its number).
    pub fn can(&self, capability: u32) -> bool {
        self.effective >> capability & 1 == 1
    }

    /// Whether it belongs to a group, for access to files.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid.fs == gid || self.groups.contains(&gid)
    }

    /// Whether access to a file is allowed. `wanted` are the bits 4 (read), 2 (write), 1 (execute or search).
    pub fn may_access(&self, mode: crate::Mode, uid: u32, gid: u32, wanted: u32) -> bool {
        let bits = mode.permissions();
        let granted = if self.uid.fs == uid {
            bits >> 6
        } else if self.in_group(gid) {
            bits >> 3
        } else {
            bits
        };
        if granted & wanted == wanted {
            return true;
        }
        let is_directory = mode.is_directory();
        if self.can(Self::CAP_DAC_OVERRIDE) && (wanted & 1 == 0 || is_directory || bits & 0o111 != 0) {
            return true;
        }
        self.can(Self::CAP_DAC_READ_SEARCH) && (wanted == 4 || (is_directory && wanted & 2 == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;

    #[test]
    fn only_the_first_class_that_matches_counts() {
        let mut user = Credentials::root();
        (user.effective, user.uid, user.gid) = (0, Ids::all(10), Ids::all(20));
        let mode = Mode(Mode::REGULAR | 0o074);
        assert!(!user.may_access(mode, 10, 20, 4));
        assert!(user.may_access(mode, 11, 20, 7));
        assert!(user.may_access(mode, 11, 21, 4));
        assert!(!user.may_access(mode, 11, 21, 2));
    }

    #[test]
    fn root_executes_only_what_somebody_may_execute() {
        let root = Credentials::root();
        assert!(root.may_access(Mode(Mode::REGULAR), 1, 1, 6));
        assert!(!root.may_access(Mode(Mode::REGULAR | 0o666), 1, 1, 1));
        assert!(root.may_access(Mode(Mode::DIRECTORY), 1, 1, 7));
    }
}
