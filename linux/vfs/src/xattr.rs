//! Extended attributes (`xattr(7)`): those of users are kept, the others are not there.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, Result};

/// The longest name.
pub const NAME_MAX: usize = 255;
/// The longest value.
pub const SIZE_MAX: usize = 65536;
/// The most that the names and values of one inode take together.
const TOTAL_MAX: usize = 128 * 1024;

/// The attributes of an inode.
#[derive(Default)]
pub struct Xattrs(Mutex<Option<Box<Values>>>);

type Values = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Whether a value is to be new, or there before (`XATTR_CREATE`, `XATTR_REPLACE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Either.
    Any,
    /// `EEXIST` if it is there.
    Create,
    /// `ENODATA` if it is not.
    Replace,
}

/// Says `ERANGE` of a name that is empty or too long, `EOPNOTSUPP` of one without a known beginning.
pub fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(Errno::ERANGE);
    }
    let prefixes: [&[u8]; 4] = [b"user.", b"trusted.", b"security.", b"system."];
    match prefixes.iter().find_map(|prefix| name.strip_prefix(*prefix)) {
        Some([]) => Err(Errno::EINVAL),
        Some(_) => Ok(()),
        None => Err(Errno::EOPNOTSUPP),
    }
}

impl Xattrs {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a name.
    pub fn get(&self, name: &[u8]) -> Result<Vec<u8>> {
        let attributes = self.0.lock();
        Ok(attributes.as_ref().and_then(|attributes| attributes.get(name)).ok_or(Errno::ENODATA)?.to_vec())
    }

    /// Sets a value.
    pub fn set(&self, name: &[u8], value: &[u8], setting: Setting) -> Result<()> {
        if value.len() > SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        linux_mm::ensure_room()?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(value.len())?;
        copy.extend_from_slice(value);
        let mut attributes = self.0.lock();
        let attributes = attributes.get_or_insert_with(Box::default);
        match (attributes.contains_key(name), setting) {
            (true, Setting::Create) => return Err(Errno::EEXIST),
            (false, Setting::Replace) => return Err(Errno::ENODATA),
            _ => {}
        }
        let taken: usize = attributes
            .iter()
            .filter(|(known, _)| known[..] != *name)
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if taken + name.len() + value.len() > TOTAL_MAX {
            return Err(Errno::ENOSPC);
        }
        attributes.insert(name.into(), copy.into());
        Ok(())
    }

    /// Takes a name away.
    pub fn remove(&self, name: &[u8]) -> Result<()> {
        let mut attributes = self.0.lock();
        attributes.as_mut().and_then(|attributes| attributes.remove(name)).ok_or(Errno::ENODATA).map(drop)
    }

    /// All names, each with a NUL behind it.
    pub fn list(&self) -> Vec<u8> {
        let attributes = self.0.lock();
        let mut names = Vec::new();
        for name in attributes.iter().flat_map(|attributes| attributes.keys()) {
            names.extend_from_slice(name);
            names.push(0);
        }
        names
    }
}
