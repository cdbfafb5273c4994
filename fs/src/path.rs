//! Paths as byte strings: checks, components, plain normalisation.

use crate::{Error, Result, error::text};
use alloc::vec::Vec;

/// The longest path, links spliced in.
pub(crate) const PATH_MAX: usize = 4096;
/// The longest name.
pub(crate) const NAME_MAX: usize = 255;

/// Fails unless `path` is absolute, without NUL, and not too long.
pub(crate) fn check(path: &[u8]) -> Result<()> {
    if path.len() > PATH_MAX {
        return Err(Error::NameTooLong { len: path.len(), limit: PATH_MAX });
    }
    if path.first() != Some(&b'/') || path.contains(&0) {
        return Err(Error::InvalidPath { path: text(path) });
    }
    Ok(())
}

/// The components without the empty ones and `.`.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// `path` with `.`, `..` and doubled slashes taken out by text alone. The root is the empty string.
pub(crate) fn normalise(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for name in components(path) {
        if name == b".." {
            parts.pop();
        } else {
            parts.push(name);
        }
    }
    let mut out = Vec::new();
    for name in parts {
        out.push(b'/');
        out.extend_from_slice(name);
    }
    out
}

/// The first component below `ancestor` on the way to `path`, if `ancestor` is a true ancestor of it.
/// Both are normalised.
pub(crate) fn child_towards<'a>(ancestor: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let below = path.strip_prefix(ancestor)?.strip_prefix(b"/")?;
    components(below).next()
}
