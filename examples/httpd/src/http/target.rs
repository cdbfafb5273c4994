//! From a request target to a clean path.
//!
//! What could lead out of the site, or mean one thing here and another elsewhere, is refused rather than
//! repaired: `..`, an encoded slash, a backslash, control characters.

use alloc::vec::Vec;

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadTarget;

/// Splits a target into path and query (with its question mark). A target of absolute form loses scheme and
/// authority.
pub(super) fn split(target: &str) -> Result<(&str, &str), BadTarget> {
    let rest = match target.split_once("://") {
        Some((scheme, rest)) if !target.starts_with('/') => {
            if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
                return Err(BadTarget);
            }
            match rest.find(['/', '?']) {
                Some(end) if rest[end..].starts_with('/') => &rest[end..],
                Some(_) => return Err(BadTarget),
                None => "/",
            }
        }
        _ => target,
    };
    if !rest.starts_with('/') || rest.contains('#') {
        return Err(BadTarget);
    }
    Ok(rest.split_at(rest.find('?').unwrap_or(rest.len())))
}

/// Decodes `path` into `out`, doubled slashes made single.
pub(super) fn decode(path: &str, out: &mut Vec<u8>) -> Result<(), BadTarget> {
    out.clear();
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => {
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                let decoded = high << 4 | low;
                if decoded == b'/' {
                    return Err(BadTarget);
                }
                decoded
            }
            b'/' if out.last() == Some(&b'/') => continue,
            other => other,
        };
        if decoded < b' ' || matches!(decoded, b'\\' | 0x7f) {
            return Err(BadTarget);
        }
        out.push(decoded);
    }
    if out.split(|byte| *byte == b'/').any(|name| name == b"." || name == b"..") {
        return Err(BadTarget);
    }
    Ok(())
}

fn digit(byte: Option<u8>) -> Result<u8, BadTarget> {
    byte.and_then(|byte| (byte as char).to_digit(16)).map(|digit| digit as u8).ok_or(BadTarget)
}

/// Appends `path`, encoded as a target.
pub(super) fn encode(path: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in path {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}
