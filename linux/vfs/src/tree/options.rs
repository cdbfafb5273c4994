//! How a tree is made, and the words of a tmpfs mount that say so.

use linux_base::{Errno, Result};
use linux_mm::PAGE_SIZE;

use super::Lower;

const TMPFS_MAGIC: u64 = 0x0102_1994;

/// How a tree is made.
#[derive(Clone)]
pub struct Options {
    /// As `/proc/mounts` names it.
    pub kind: &'static str,
    /// `f_type` of `statfs(2)`.
    pub magic: u64,
    /// Permissions of the root directory.
    pub mode: u32,
    /// Owner of the root directory.
    pub uid: u32,
    /// Group of the root directory.
    pub gid: u32,
    /// The most pages that what was written may take.
    pub pages: u64,
    /// The most inodes that can be made.
    pub inodes: u64,
    /// Whether nothing can be changed.
    pub is_read_only: bool,
    /// What is below.
    pub lower: Option<Lower>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: "tmpfs",
            magic: TMPFS_MAGIC,
            mode: 0o1777,
            uid: 0,
            gid: 0,
            pages: u64::MAX,
            inodes: u64::MAX,
            is_read_only: false,
            lower: None,
        }
    }
}

impl Options {
    /// The words of a tmpfs mount (`size=16m,mode=1777,uid=0,gid=0,nr_inodes=1k,nr_blocks=100`), for a machine of so many pages:
    /// half of them are the limit where no word says another. `EINVAL` for a word that means nothing.
    pub fn tmpfs(words: &str, machine_pages: u64) -> Result<Self> {
        let half = (machine_pages / 2).max(1);
        let mut options = Self { pages: half, inodes: half, ..Self::default() };
        for word in words.split(',').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let unlimited = |count: u64| if count == 0 { u64::MAX } else { count };
            match name {
                "size" => {
                    options.pages = match value.strip_suffix('%') {
                        Some(percent) => {
                            let percent = number(percent, 10)?;
                            unlimited(machine_pages.checked_mul(percent).ok_or(Errno::EINVAL)? / 100)
                        }
                        None => unlimited(size(value)?.div_ceil(PAGE_SIZE as u64)),
                    };
                }
                "nr_blocks" => options.pages = unlimited(size(value)?),
                "nr_inodes" => options.inodes = unlimited(size(value)?),
                "mode" => options.mode = number(value, 8)? as u32 & 0o7777,
                "uid" => options.uid = u32::try_from(number(value, 10)?).map_err(|_| Errno::EINVAL)?,
                "gid" => options.gid = u32::try_from(number(value, 10)?).map_err(|_| Errno::EINVAL)?,
                "huge" | "mpol" | "inode32" | "inode64" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }
}

fn number(text: &str, radix: u32) -> Result<u64> {
    u64::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

/// A number with `k`, `m` or `g` behind it.
fn size(text: &str) -> Result<u64> {
    let shift = match text.bytes().next_back().map(|byte| byte.to_ascii_lowercase()) {
        Some(b'k') => 10,
        Some(b'm') => 20,
        Some(b'g') => 30,
        _ => return number(text, 10),
    };
    let digits = text.get(..text.len() - 1).ok_or(Errno::EINVAL)?;
    number(digits, 10)?.checked_mul(1 << shift).ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_mount_are_read_or_refused() {
        let options = Options::tmpfs("size=16m,mode=0755,uid=7,nr_inodes=2K", 1000).unwrap();
        assert_eq!((options.pages, options.mode, options.uid, options.inodes), (4096, 0o755, 7, 2048));
        assert_eq!(Options::tmpfs("", 1000).unwrap().pages, 500);
        assert_eq!(Options::tmpfs("size=10%", 1000).unwrap().pages, 100);
        assert_eq!(Options::tmpfs("size=5000", 1000).unwrap().pages, 2);
        assert_eq!(Options::tmpfs("size=0", 1000).unwrap().pages, u64::MAX);
        for wrong in ["size=", "size=x", "size=99999999999g", "mode=9", "what", "uid=-1", "size=ä"] {
            assert_eq!(Options::tmpfs(wrong, 1000).err(), Some(Errno::EINVAL), "{wrong}");
        }
    }
}
