//! Facts about a file, as `stat(2)` and `statx(2)` tell them.

/// Type and permissions of a file (`st_mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mode(pub u32);

impl Mode {
    /// The bits of the type.
    pub const TYPE: u32 = 0o170_000;
    /// A socket.
    pub const SOCKET: u32 = 0o140_000;
    /// A symbolic link.
    pub const SYMLINK: u32 = 0o120_000;
    /// A regular file.
    pub const REGULAR: u32 = 0o100_000;
    /// A block device.
    pub const BLOCK: u32 = 0o060_000;
    /// A directory.
    pub const DIRECTORY: u32 = 0o040_000;
    /// A character device.
    pub const CHARACTER: u32 = 0o020_000;
    /// A FIFO or pipe.
    pub const FIFO: u32 = 0o010_000;

    /// The type, as one of the constants.
    pub fn kind(self) -> u32 {
        self.0 & Self::TYPE
    }

    /// Permissions, with set-user-ID, set-group-ID and sticky.
    pub fn permissions(self) -> u32 {
        self.0 & 0o7777
    }

    /// The type as `getdents64(2)` names it (`DT_*`).
    pub fn dirent_type(self) -> u8 {
        (self.kind() >> 12) as u8
    }

    /// Whether it is a directory.
    pub fn is_directory(self) -> bool {
        self.kind() == Self::DIRECTORY
    }

    /// Whether it is a regular file.
    pub fn is_regular(self) -> bool {
        self.kind() == Self::REGULAR
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(self) -> bool {
        self.kind() == Self::SYMLINK
    }
}

/// A moment, since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: u32,
}

impl Timespec {
    /// From nanoseconds since 1970.
    pub fn from_ns(ns: u64) -> Self {
        Self { seconds: (ns / 1_000_000_000) as i64, nanos: (ns % 1_000_000_000) as u32 }
    }
}

/// The number of a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u32,
    /// The device of it.
    pub minor: u32,
}

impl DeviceNumber {
    /// As `st_dev` and `st_rdev` hold it (`makedev(3)`).
    pub fn encode(self) -> u64 {
        let (major, minor) = (u64::from(self.major), u64::from(self.minor));
        (major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | (minor & 0xff)
    }

    /// The inverse of [`DeviceNumber::encode`].
    pub fn decode(dev: u64) -> Self {
        Self {
            major: ((dev >> 32) & 0xffff_f000) as u32 | ((dev >> 8) & 0xfff) as u32,
            minor: ((dev >> 12) & 0xffff_ff00) as u32 | (dev & 0xff) as u32,
        }
    }
}

/// Facts about a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// The file system's device number.
    pub dev: u64,
    /// Its number there.
    pub ino: u64,
    /// Type and permissions.
    pub mode: Mode,
    /// Names it has.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// For a device, which ([`DeviceNumber::encode`]).
    pub rdev: u64,
    /// Length in bytes.
    pub size: u64,
    /// Good size for reads and writes, in bytes.
    pub blksize: u32,
    /// Space taken, in units of 512 bytes.
    pub blocks: u64,
    /// Last read.
    pub atime: Timespec,
    /// Last change of the content.
    pub mtime: Timespec,
    /// Last change of the content or of these facts.
    pub ctime: Timespec,
    /// When it was made.
    pub btime: Timespec,
}

/// Who knows what `fstat` says of an object that is reached by a name, as a FIFO or a terminal: its inode.
pub trait Facts: Send + Sync {
    /// Facts about the inode.
    fn stat(&self) -> crate::Result<Stat>;
}

impl<F: Fn() -> crate::Result<Stat> + Send + Sync> Facts for F {
    fn stat(&self) -> crate::Result<Stat> {
        self()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_go_there_and_back() {
        for (major, minor) in [(1, 3), (5, 1), (136, 0), (202, 16), (0xfffff, 0xfffff)] {
            let number = DeviceNumber { major, minor };
            assert_eq!(DeviceNumber::decode(number.encode()), number);
        }
        assert_eq!(DeviceNumber { major: 1, minor: 3 }.encode(), 0x103);
    }
}
