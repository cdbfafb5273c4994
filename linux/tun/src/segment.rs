//! Dividing a long TCP segment into frames with complete checksums, for who does not take it whole.

use alloc::vec::Vec;

use netfront::offload::{self, Segment};

const ETHERNET: usize = 14;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
/// More pieces than a packet of 64 KiB has at the smallest segment size in use, 536.
const MOST: usize = 128;

/// Gives the pieces of a frame, with at most `piece` bytes of data each, to `take` until that says `false`. Whether the frame could be
/// divided: it is a TCP segment, not divided into too many.
pub fn divide(frame: &[u8], piece: u16, mut take: impl FnMut(Vec<u8>) -> bool) -> bool {
    let Some(segment) = offload::find(frame).filter(|segment| segment.is_tcp) else { return false };
    let Some(headers) = headers_len(frame, &segment) else { return false };
    let data = frame.get(headers..segment.end).unwrap_or_default();
    let piece = usize::from(piece);
    if piece == 0 || data.len().div_ceil(piece) > MOST {
        return false;
    }
    let mut chunks = data.chunks(piece).enumerate().peekable();
    while let Some((number, chunk)) = chunks.next() {
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(headers + chunk.len()).is_err() {
            return true;
        }
        bytes.extend_from_slice(frame.get(..headers).unwrap_or_default());
        bytes.extend_from_slice(chunk);
        let is_last = chunks.peek().is_none();
        if rewrite(&mut bytes, &segment, number, piece, is_last).is_none() {
            return false;
        }
        if !take(bytes) {
            break;
        }
    }
    true
}

/// Bytes of all headers, those of TCP too.
pub fn headers_len(frame: &[u8], segment: &Segment) -> Option<usize> {
    let words = frame.get(segment.header + 12)? >> 4;
    let end = segment.header + usize::from(words) * 4;
    (words >= 5 && end <= segment.end).then_some(end)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    bytes.get_mut(at..at.checked_add(value.len())?)?.copy_from_slice(value);
    Some(())
}

/// Makes the headers of the whole those of a piece.
fn rewrite(frame: &mut [u8], segment: &Segment, number: usize, piece: usize, is_last: bool) -> Option<()> {
    let tcp = segment.header;
    let sequence = u32::from_be_bytes(*frame.get(tcp + 4..)?.first_chunk()?);
    put(frame, tcp + 4, &sequence.wrapping_add((number * piece) as u32).to_be_bytes())?;
    let flags = frame.get_mut(tcp + 13)?;
    if !is_last {
        *flags &= !(FIN | PSH);
    }
    if number > 0 {
        *flags &= !CWR;
    }
    let packet = u16::try_from(frame.len().checked_sub(ETHERNET)?).ok()?;
    if segment.is_ipv6 {
        put(frame, ETHERNET + 4, &packet.checked_sub(40)?.to_be_bytes())?;
    } else {
        put(frame, ETHERNET + 2, &packet.to_be_bytes())?;
        let id = u16::from_be_bytes(*frame.get(ETHERNET + 4..)?.first_chunk()?);
        put(frame, ETHERNET + 4, &id.wrapping_add(number as u16).to_be_bytes())?;
        put(frame, ETHERNET + 10, &[0, 0])?;
        let header = !offload::sum(frame.get(ETHERNET..tcp)?);
        put(frame, ETHERNET + 10, &header.to_be_bytes())?;
    }
    offload::complete(frame);
    Some(())
}
