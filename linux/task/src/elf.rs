//! What an executable file asks for: header and program headers of ELF64 for x86-64 (`elf(5)`).

use alloc::vec::Vec;

use linux_base::{Errno, Result};

use crate::bytes::{u16_at, u32_at, u64_at};

/// Bytes of the ELF header.
pub const HEADER_LEN: usize = 64;
const PROGRAM_HEADER_LEN: usize = 56;
/// Program headers of one file: as many as fit a page, as Linux has it.
const MAX_PROGRAM_HEADERS: usize = 4096 / PROGRAM_HEADER_LEN;
/// Longest path of an interpreter, with its final zero.
const MAX_INTERPRETER: u64 = 4096;
const PAGE: u64 = 4096;
/// Address behind the last that a program can use.
const USER_END: u64 = 0x7fff_ffff_f000;

const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PT_GNU_STACK: u32 = 0x6474_e551;

/// Where the program headers are, by the first [`HEADER_LEN`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// `ET_DYN`: may be loaded anywhere.
    pub is_position_independent: bool,
    /// Address of the first instruction.
    pub entry: u64,
    /// Offset of the program headers in the file.
    pub program_headers: u64,
    /// Their number.
    pub count: usize,
}

impl Header {
    /// Reads a header. `ENOEXEC` for what is not an executable or shared object for x86-64.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self> {
        let is_ours = bytes[..4] == *b"\x7fELF"
            && bytes[4..7] == [2, 1, 1]
            && u16_at(bytes, 18) == EM_X86_64
            && usize::from(u16_at(bytes, 54)) == PROGRAM_HEADER_LEN;
        let kind = u16_at(bytes, 16);
        let count = usize::from(u16_at(bytes, 56));
        if !is_ours || !matches!(kind, ET_EXEC | ET_DYN) || !(1..=MAX_PROGRAM_HEADERS).contains(&count) {
            return Err(Errno::ENOEXEC);
        }
        let header = Self {
            is_position_independent: kind == ET_DYN,
            entry: u64_at(bytes, 24),
            program_headers: u64_at(bytes, 32),
            count,
        };
        header.program_headers.checked_add(header.len() as u64).ok_or(Errno::ENOEXEC)?;
        Ok(header)
    }

    /// Bytes of the program headers.
    pub fn len(&self) -> usize {
        self.count * PROGRAM_HEADER_LEN
    }

    /// There is at least one.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// A part of the file that becomes memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First address, of a page; relative to the load bias.
    pub start: u64,
    /// Address behind the last byte of the file, which the rest of its page follows as zeroes.
    pub file_end: u64,
    /// Address behind the last byte.
    pub end: u64,
    /// Offset in the file of `start`, of a page.
    pub offset: u64,
    /// The program reads it.
    pub can_read: bool,
    /// The program writes it.
    pub can_write: bool,
    /// The program executes it.
    pub can_execute: bool,
}

impl Segment {
    /// Address behind the last page that has bytes of the file.
    pub fn file_pages_end(&self) -> u64 {
        self.file_end.next_multiple_of(PAGE)
    }

    /// Address behind the last page.
    pub fn pages_end(&self) -> u64 {
        self.end.next_multiple_of(PAGE)
    }
}

/// What is to be loaded. All addresses are relative to the load bias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// `ET_DYN`
    pub is_position_independent: bool,
    /// Address of the first instruction.
    pub entry: u64,
    /// Where the program headers are in memory; 0 when no segment has them.
    pub program_headers: u64,
    /// Their number.
    pub count: usize,
    /// The segments, by address, without overlap.
    pub segments: Vec<Segment>,
    /// Offset and length in the file of the interpreter's path, with its final zero.
    pub interpreter: Option<(u64, usize)>,
    /// Whether the stack is to be executable; without `PT_GNU_STACK` it is not, unlike Linux's for old programs.
    pub has_executable_stack: bool,
    /// Alignment that a segment asks for, at least a page.
    pub alignment: u64,
}

impl Plan {
    /// Reads the program headers. `ENOEXEC` for segments that overlap, wrap, or lie where no program can be.
    pub fn parse(header: &Header, bytes: &[u8]) -> Result<Self> {
        let mut plan = Self {
            is_position_independent: header.is_position_independent,
            entry: header.entry,
            program_headers: 0,
            count: header.count,
            segments: Vec::new(),
            interpreter: None,
            has_executable_stack: false,
            alignment: PAGE,
        };
        if bytes.len() < header.len() {
            return Err(Errno::ENOEXEC);
        }
        for program_header in bytes.chunks_exact(PROGRAM_HEADER_LEN).take(header.count) {
            plan.take(program_header)?;
        }
        plan.segments.sort_by_key(|segment| segment.start);
        let overlap = |pair: &[Segment]| pair[0].pages_end() > pair[1].start;
        if plan.segments.is_empty() || plan.segments.windows(2).any(overlap) {
            return Err(Errno::ENOEXEC);
        }
        if plan.program_headers == 0 {
            plan.program_headers = plan.find_program_headers(header).unwrap_or(0);
        }
        Ok(plan)
    }

    fn take(&mut self, header: &[u8]) -> Result<()> {
        match u32_at(header, 0) {
            PT_LOAD => {
                let alignment = u64_at(header, 48);
                if alignment.is_power_of_two() && alignment <= 1 << 30 {
                    self.alignment = self.alignment.max(alignment);
                }
                if let Some(segment) = segment(header)? {
                    self.segments.push(segment);
                }
            }
            PT_INTERP => {
                let (offset, len) = (u64_at(header, 8), u64_at(header, 32));
                if !(2..=MAX_INTERPRETER).contains(&len) || offset.checked_add(len).is_none() {
                    return Err(Errno::ENOEXEC);
                }
                self.interpreter.get_or_insert((offset, len as usize));
            }
            PT_PHDR => self.program_headers = u64_at(header, 16),
            PT_GNU_STACK => self.has_executable_stack = u32_at(header, 4) & 1 != 0,
            _ => {}
        }
        Ok(())
    }

    fn find_program_headers(&self, header: &Header) -> Option<u64> {
        let end = header.program_headers + header.len() as u64;
        self.segments.iter().find_map(|segment| {
            let file_end = segment.offset + (segment.file_end - segment.start);
            (segment.offset <= header.program_headers && end <= file_end)
                .then(|| segment.start + (header.program_headers - segment.offset))
        })
    }

    /// First address.
    pub fn start(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.start)
    }

    /// Address behind the last byte: where the heap begins.
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.end)
    }

    /// Bytes from the first to the last page.
    pub fn len(&self) -> u64 {
        self.segments.last().map_or(0, Segment::pages_end) - self.start()
    }

    /// There is at least one segment.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

fn segment(header: &[u8]) -> Result<Option<Segment>> {
    let [offset, address, file_len, len] = [8, 16, 32, 40].map(|at| u64_at(header, at));
    if len == 0 {
        return Ok(None);
    }
    let within = address % PAGE;
    let fits = |start: u64, len: u64| start.checked_add(len).filter(|end| *end <= USER_END);
    let (Some(end), Some(file_end)) = (fits(address, len), fits(address, file_len)) else {
        return Err(Errno::ENOEXEC);
    };
    if file_len > len || offset % PAGE != within || offset.checked_add(file_len).is_none() {
        return Err(Errno::ENOEXEC);
    }
    let flags = u32_at(header, 4);
    Ok(Some(Segment {
        start: address - within,
        file_end,
        end,
        offset: offset - within,
        can_read: flags & 4 != 0,
        can_write: flags & 2 != 0,
        can_execute: flags & 1 != 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u16, count: u16) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        bytes[16..18].copy_from_slice(&kind.to_le_bytes());
        bytes[18..20].copy_from_slice(&62u16.to_le_bytes());
        bytes[24..32].copy_from_slice(&0x1040u64.to_le_bytes());
        bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&count.to_le_bytes());
        bytes
    }

    fn program_header(kind: u32, flags: u32, numbers: [u64; 6]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(flags.to_le_bytes());
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes
    }

    fn plan(headers: &[Vec<u8>]) -> Result<Plan> {
        let header = Header::parse(&header(ET_DYN, headers.len() as u16))?;
        Plan::parse(&header, &headers.concat())
    }

    #[test]
    fn our_own_test_program_is_understood() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let header = Header::parse(file[..HEADER_LEN].try_into().unwrap()).unwrap();
        let at = header.program_headers as usize;
        let plan = Plan::parse(&header, &file[at..at + header.len()]).unwrap();
        assert!(plan.is_position_independent && !plan.has_executable_stack);
        assert_eq!(plan.program_headers, header.program_headers);
        let (offset, len) = plan.interpreter.unwrap();
        assert_eq!(&file[offset as usize..offset as usize + len], b"/lib64/ld-linux-x86-64.so.2\0");
        let code = plan.segments.iter().find(|segment| segment.can_execute).unwrap();
        assert!(code.start <= plan.entry && plan.entry < code.end && !code.can_write);
    }

    #[test]
    fn what_is_no_executable_is_enoexec() {
        for (at, byte) in [(0, 0), (4, 1), (5, 2), (16, 1), (18, 3), (54, 32), (56, 0), (57, 1)] {
            let mut bytes = header(ET_EXEC, 1);
            bytes[at] = byte;
            assert_eq!(Header::parse(&bytes), Err(Errno::ENOEXEC), "byte {at}");
        }
        let mut wild = header(ET_EXEC, 1);
        wild[32..40].fill(0xff);
        assert_eq!(Header::parse(&wild), Err(Errno::ENOEXEC));
    }

    #[test]
    fn segments_start_at_pages_and_end_where_they_end() {
        let plan = plan(&[
            program_header(PT_LOAD, 6, [0x2f10, 0x3f10, 0, 0x100, 0x300, 0x1000]),
            program_header(PT_LOAD, 5, [0, 0, 0, 0x2000, 0x2000, 0x20_0000]),
        ])
        .unwrap();
        assert_eq!((plan.start(), plan.end(), plan.len(), plan.alignment), (0, 0x4210, 0x5000, 0x20_0000));
        let data = plan.segments[1];
        assert_eq!((data.start, data.offset, data.file_end), (0x3000, 0x2000, 0x4010));
        assert_eq!((data.file_pages_end(), data.pages_end()), (0x5000, 0x5000));
        assert_eq!(plan.program_headers, 64);
    }

    #[test]
    fn segments_that_can_not_be_are_refused() {
        let load = |numbers| plan(&[program_header(PT_LOAD, 4, numbers)]);
        assert!(load([0, 0, 0, 1, 1, 0]).is_ok());
        for numbers in [
            [0, 0, 0, 2, 1, 0],
            [1, 0, 0, 1, 1, 0],
            [0, USER_END, 0, 1, 1, 0],
            [0, !0xfff, 0, 0, 0x2000, 0],
            [!0xfff, 0, 0, 0x2000, 0x2000, 0],
            [0, 0, 0, 0, u64::MAX, 0],
        ] {
            assert_eq!(load(numbers), Err(Errno::ENOEXEC), "{numbers:x?}");
        }
        let twice = program_header(PT_LOAD, 4, [0, 0, 0, 1, 1, 0]);
        assert_eq!(plan(&[twice.clone(), twice]), Err(Errno::ENOEXEC));
        assert_eq!(plan(&[program_header(PT_GNU_STACK, 7, [0; 6])]), Err(Errno::ENOEXEC));
    }

    #[test]
    fn an_interpreter_has_a_path_of_reasonable_length() {
        let load = program_header(PT_LOAD, 4, [0, 0, 0, 1, 1, 0]);
        let with =
            |offset, len| plan(&[load.clone(), program_header(PT_INTERP, 4, [offset, 0, 0, len, 0, 0])]);
        assert_eq!(with(64, 28).unwrap().interpreter, Some((64, 28)));
        for (offset, len) in [(64, 0), (64, 1), (64, 5000), (u64::MAX, 28)] {
            assert_eq!(with(offset, len), Err(Errno::ENOEXEC));
        }
    }
}
