//! The image's own symbol table, from which a crash names the functions of its backtrace.
//!
//! `minios image` appends the table to the linked image; [`SymbolTable`] reads it where it lies. There is no allocation, and
//! data that is damaged gives no name or a wrong one, but never a panic and never an access outside the slice: a crash is
//! just the moment at which memory may be damaged. This file depends on nothing but `core`, since the command that writes
//! the table includes it too.
//!
//! Layout, little-endian: [`Header`], then for each function the distance to the one before in units of `1 << shift` bytes,
//! as LEB128, then for each function its name, which a zero byte ends. Functions are in the order of their addresses. Front
//! coding and a dictionary of path components were tried: both make the table smaller, but the compressed image larger.

/// The first bytes of a table.
pub const MAGIC: [u8; 4] = *b"MSYM";
/// The version of the layout.
pub const VERSION: u8 = 1;
/// The length of the header in bytes.
pub const HEADER_LEN: usize = 32;

/// What stands before the table's two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The binary logarithm of the unit of distances, below 16.
    pub shift: u8,
    /// Where the distances start from.
    pub base: u64,
    /// How many functions there are.
    pub count: u32,
    /// The length of the distances in bytes.
    pub distances_len: u32,
    /// The length of the names in bytes.
    pub names_len: u32,
    /// The length of the code: an address at or above `base` plus this is in no function.
    pub code_len: u32,
}

impl Header {
    /// The header as it stands in a table.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.shift;
        bytes[8..16].copy_from_slice(&self.base.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.count.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.distances_len.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.names_len.to_le_bytes());
        bytes[28..].copy_from_slice(&self.code_len.to_le_bytes());
        bytes
    }

    /// Reads the header at the start of `bytes`; `None` for what is no table of this version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Header> {
        if bytes.get(..4)? != MAGIC || *bytes.get(4)? != VERSION {
            return None;
        }
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
        };
        let shift = *bytes.get(5)?;
        let base = u64::from(word(8)?) | u64::from(word(12)?) << 32;
        let (count, distances_len, names_len, code_len) = (word(16)?, word(20)?, word(24)?, word(28)?);
        (shift < 16).then_some(Header { shift, base, count, distances_len, names_len, code_len })
    }
}

/// A symbol table in memory.
#[derive(Clone, Copy, Debug)]
pub struct SymbolTable<'a> {
    header: Header,
    distances: &'a [u8],
    names: &'a [u8],
}

impl<'a> SymbolTable<'a> {
    /// The table that `bytes` starts with; `None` where there is none or it is cut off.
    pub fn new(bytes: &'a [u8]) -> Option<SymbolTable<'a>> {
        let header = Header::from_bytes(bytes)?;
        let lists = bytes.get(HEADER_LEN..)?;
        let distances_len = usize::try_from(header.distances_len).ok()?;
        let (distances, rest) = lists.split_at_checked(distances_len)?;
        let names = rest.get(..usize::try_from(header.names_len).ok()?)?;
        Some(SymbolTable { header, distances, names })
    }

    /// How many functions the table names.
    pub fn count(&self) -> usize {
        self.header.count as usize
    }

    /// The function that `address` lies in, and the distance of `address` from its start.
    ///
    /// A return address may already lie in the next function, when the call was the last instruction: look up the address
    /// minus one. The table is read from its start each time; some microseconds are no matter in a crash.
    pub fn lookup(&self, address: u64) -> Option<(&'a str, u64)> {
        let offset = address.checked_sub(self.header.base)?;
        if offset >= u64::from(self.header.code_len) {
            return None;
        }
        let mut found = None;
        for (index, start) in self.starts().enumerate() {
            if start > offset {
                break;
            }
            found = Some((index, start));
        }
        let (index, start) = found?;
        Some((self.name(index)?, offset - start))
    }

    /// The start of each function from the base, and its name.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        self.starts().zip(split_names(self.names)).filter_map(|(start, name)| Some((start, text(name)?)))
    }

    fn starts(&self) -> Starts<'a> {
        Starts { distances: self.distances, left: self.header.count, shift: self.header.shift, start: 0 }
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        text(split_names(self.names).nth(index)?)
    }
}

fn split_names(names: &[u8]) -> impl Iterator<Item = &[u8]> + use<'_> {
    names.split(|byte| *byte == 0)
}

/// A name as far as it is text.
fn text(name: &[u8]) -> Option<&str> {
    match core::str::from_utf8(name) {
        Ok(name) => Some(name),
        Err(error) => core::str::from_utf8(name.get(..error.valid_up_to())?).ok(),
    }
    .filter(|name| !name.is_empty())
}

/// Sums up the distances.
struct Starts<'a> {
    distances: &'a [u8],
    left: u32,
    shift: u8,
    start: u64,
}

impl Iterator for Starts<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let mut distance = 0u64;
        // Five groups of seven bits hold any distance within 4 GiB.
        for group in 0..5 {
            let (byte, rest) = self.distances.split_first()?;
            self.distances = rest;
            distance |= u64::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                self.start = self.start.checked_add(distance << self.shift)?;
                return Some(self.start);
            }
        }
        None
    }
}
