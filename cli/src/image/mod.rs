//! `minios image`: from a linked guest to the image that Xen loads.
//!
//! The linked file's functions go into a table ([`crate::symbols`]) that the guest reads when it crashes. The table becomes
//! the last segment, [`DESCRIPTOR`] is told where it lies, and sections, symbols and debug information are left behind: the
//! domain builder needs program headers and ELF notes alone.

pub(crate) mod elf;
mod name;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write;

pub use name::short_name;
pub use table::{Function, encode};

/// The symbol of the guest's `[u64 address, u64 length]` of its symbol table.
pub const DESCRIPTOR: &str = "MINIOS_SYMBOL_TABLE";
/// The symbol of the table's place, if the linker script defines it; else that is the page behind the last segment.
pub const TABLE_START: &str = "__symbols_start";

/// A finished image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The ELF file.
    pub elf: Vec<u8>,
    /// The same compressed, which the domain builder takes as well.
    pub gz: Vec<u8>,
    /// How many functions the symbol table names.
    pub symbols: usize,
    /// The length of the symbol table in bytes.
    pub table_len: usize,
}

/// Why a file cannot be made an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// The file is no ELF file that can be read.
    Elf(object::Error),
    /// The file is another kind of ELF file than a static x86-64 executable.
    Kind(&'static str),
    /// The file has no symbols.
    Stripped,
    /// [`DESCRIPTOR`] is missing.
    NoDescriptor,
    /// [`DESCRIPTOR`] is not 16 bytes of a loaded segment's contents.
    Descriptor {
        /// Its address.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// [`TABLE_START`] is not on a page boundary behind all segments.
    TableStart {
        /// Its address.
        address: u64,
        /// The end of the last segment.
        end: u64,
    },
    /// Two functions are too far apart, or there are too many.
    TooLarge(u64),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Elf(error) => write!(f, "not a readable ELF file: {error}"),
            ImageError::Kind(what) => write!(f, "not a static x86-64 executable: {what}"),
            ImageError::Stripped => write!(f, "the file has no symbols: link it without strip"),
            ImageError::NoDescriptor => {
                write!(f, "the static {DESCRIPTOR} is missing: is the runtime linked in?")
            }
            ImageError::Descriptor { address, size } => {
                write!(
                    f,
                    "{DESCRIPTOR} at {address:#x} of {size} bytes is not 16 bytes of a segment's contents"
                )
            }
            ImageError::TableStart { address, end } => {
                write!(
                    f,
                    "{TABLE_START} {address:#x} is not on a page boundary behind the last segment's end {end:#x}"
                )
            }
            ImageError::TooLarge(size) => write!(f, "{size:#x} does not fit into the symbol table"),
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ImageError::Elf(error) => Some(error),
            _ => None,
        }
    }
}

impl From<object::Error> for ImageError {
    fn from(error: object::Error) -> ImageError {
        ImageError::Elf(error)
    }
}

/// Makes the image of the linked file `linked`.
pub fn build(linked: &[u8]) -> Result<Image, ImageError> {
    let linked = elf::Linked::parse(linked)?;
    let functions = linked.functions()?;
    let table = encode(linked.base(), linked.code_end(), &functions)?;
    let elf = linked.with_table(&table)?;
    let gz = compress(&elf);
    Ok(Image { elf, gz, symbols: functions.len(), table_len: table.len() })
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing into memory does not fail")
}
