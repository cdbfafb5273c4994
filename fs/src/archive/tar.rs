//! tar: ustar, with GNU's long names and large numbers, and pax headers for path, link and size.

use super::tree::{Content, Entry, Tree, align, slice};
use crate::{Error, Kind, Result, path::PATH_MAX};
use alloc::{borrow::Cow, vec::Vec};

pub(super) const BLOCK: usize = 512;
const MAGIC_AT: usize = 257;

/// What headers in front of an entry say about it.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    len: Option<u64>,
}

/// Whether `header` is one: the magic of POSIX or GNU, or none at all, with a right checksum.
pub(super) fn is_header(header: &[u8]) -> bool {
    let Some(header) = header.get(..BLOCK) else { return false };
    let sum = |value: fn(u8) -> i64| -> i64 {
        header
            .iter()
            .enumerate()
            .map(|(at, byte)| value(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum()
    };
    let stored = number(&header[148..156]).and_then(|stored| i64::try_from(stored).ok());
    // Some old programs summed signed bytes.
    header[0] != 0
        && stored.is_some_and(|stored| stored == sum(i64::from) || stored == sum(|b| i64::from(b as i8)))
}

/// A number in octal digits, or GNU's binary form.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        return field.iter().enumerate().try_fold(0u64, |value, (at, byte)| {
            let byte = if at == 0 { byte & 0x7f } else { *byte };
            value.checked_mul(256)?.checked_add(u64::from(byte))
        });
    }
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    text.iter().try_fold(0u64, |value, digit| {
        value.checked_mul(8)?.checked_add(u64::from((*digit as char).to_digit(8)?))
    })
}

fn string(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Indexes the archive.
pub(super) fn index(data: &[u8]) -> Result<Tree> {
    let mut tree = Tree::new(data.len());
    let mut ahead = Ahead::default();
    let mut at = 0;
    while at < data.len() {
        let header = slice(data, at, BLOCK, "tar ends within a header at offset")?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        if !is_header(header) {
            return Err(Error::corrupt("tar header checksum at offset", at));
        }
        let wrong = || Error::corrupt("tar number in the header at offset", at);
        let kind = header[156];
        let is_about_next = matches!(kind, b'x' | b'g' | b'L' | b'K');
        let stored_len = number(&header[124..136]).ok_or_else(wrong)?;
        let len = if is_about_next { stored_len } else { ahead.len.unwrap_or(stored_len) };
        // Links, devices and directories have no content, whatever the length says.
        let len = if matches!(kind, b'1'..=b'6') { 0 } else { len };
        let len = usize::try_from(len).map_err(|_| wrong())?;
        let start = at + BLOCK;
        let content = slice(data, start, len, "tar ends within the file at offset")?;
        at = align(start + len, BLOCK).min(data.len());
        match kind {
            b'L' => ahead.path = Some(bounded(string(content))?),
            b'K' => ahead.link = Some(bounded(string(content))?),
            b'x' => ahead.read_pax(content, start)?,
            b'g' => {}
            _ => add(&mut tree, core::mem::take(&mut ahead), header, start..start + len, start)?,
        }
    }
    Ok(tree)
}

fn bounded(name: &[u8]) -> Result<Vec<u8>> {
    if name.len() > PATH_MAX {
        return Err(Error::NameTooLong { len: name.len(), limit: PATH_MAX });
    }
    Ok(name.to_vec())
}

impl Ahead {
    /// Records are `LENGTH KEY=VALUE\n`, the length counting all of the record.
    fn read_pax(&mut self, mut records: &[u8], at: usize) -> Result<()> {
        let wrong = || Error::corrupt("tar pax header at offset", at);
        while !string(records).is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let len =
                decimal(&records[..space]).and_then(|len| usize::try_from(len).ok()).ok_or_else(wrong)?;
            let record = records.get(space + 1..len).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => self.path = Some(bounded(value)?),
                b"linkpath" => self.link = Some(bounded(value)?),
                b"size" => self.len = Some(decimal(value).ok_or_else(wrong)?),
                _ => {}
            }
            records = &records[len..];
        }
        Ok(())
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

fn add(
    tree: &mut Tree,
    ahead: Ahead,
    header: &[u8],
    range: core::ops::Range<usize>,
    at: usize,
) -> Result<()> {
    let name = match ahead.path {
        Some(path) => Cow::Owned(path),
        None => name_of(header),
    };
    let link = ahead.link.map_or(Cow::Borrowed(string(&header[157..257])), Cow::Owned);
    let kind = match header[156] {
        // Old archives mark a directory by a slash at the end alone.
        0 | b'0' | b'7' if name.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' => Kind::File,
        b'1' => {
            let target = tree.find(&link).ok_or_else(|| Error::not_found(&link))?;
            return tree.link(&name, target);
        }
        b'2' => Kind::Symlink,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' => Kind::Directory,
        other => return Err(Error::Unsupported { feature: "tar entry type", value: u64::from(other) }),
    };
    let format = match (kind, header[156]) {
        (Kind::File, _) => 0o100_000,
        (Kind::Directory, _) => 0o040_000,
        (Kind::Symlink, _) => 0o120_000,
        (Kind::Special, b'3') => 0o020_000,
        (Kind::Special, b'4') => 0o060_000,
        (Kind::Special, _) => 0o010_000,
    };
    let id = |field: &[u8]| number(field).unwrap_or(0) as u32;
    let entry = Entry {
        kind,
        mode: id(&header[100..108]) & 0o7777 | format,
        uid: id(&header[108..116]),
        gid: id(&header[116..124]),
        mtime: number(&header[136..148])
            .and_then(|mtime| i64::try_from(mtime).ok())
            .ok_or(Error::corrupt("tar modification time before offset", at))?,
        device: if kind == Kind::Special { (id(&header[329..337]), id(&header[337..345])) } else { (0, 0) },
    };
    let content =
        if kind == Kind::Symlink { Content::Text(link.as_ref().into()) } else { Content::Bytes(range) };
    tree.add(&name, &entry, content).map(drop)
}

/// The name, with POSIX's prefix in front of it.
fn name_of(header: &[u8]) -> Cow<'_, [u8]> {
    let name = string(&header[..100]);
    let prefix = string(&header[345..500]);
    // GNU's old format keeps other things where the prefix would be.
    if prefix.is_empty() || header.get(MAGIC_AT..MAGIC_AT + 6) != Some(b"ustar\0") {
        return Cow::Borrowed(name);
    }
    Cow::Owned([prefix, b"/", name].concat())
}
