//! Writing the table that [`crate::symbols`] reads.

use super::ImageError;
use crate::symbols::Header;

/// A function of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it starts.
    pub address: u64,
    /// What it is called in a backtrace.
    pub name: String,
}

/// The table of `functions`, which are in the order of their addresses, for code from `base` up to `code_end`.
pub fn encode(base: u64, code_end: u64, functions: &[Function]) -> Result<Vec<u8>, ImageError> {
    let all = functions.iter().fold(0, |all, function| all | function.address.wrapping_sub(base));
    let shift = all.trailing_zeros().min(15);
    let mut distances = Vec::new();
    let mut names = Vec::new();
    let mut before = base;
    for function in functions {
        let distance = function.address.checked_sub(before).ok_or(ImageError::TooLarge(before))?;
        push_leb128(&mut distances, fit(distance >> shift)?);
        names.extend(function.name.bytes().filter(|byte| *byte != 0));
        names.push(0);
        before = function.address;
    }
    let header = Header {
        shift: shift as u8,
        base,
        count: fit(functions.len() as u64)?,
        distances_len: fit(distances.len() as u64)?,
        names_len: fit(names.len() as u64)?,
        code_len: fit(code_end.wrapping_sub(base))?,
    };
    Ok([header.to_bytes().as_slice(), &distances, &names].concat())
}

fn fit(number: u64) -> Result<u32, ImageError> {
    u32::try_from(number).map_err(|_| ImageError::TooLarge(number))
}

fn push_leb128(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
