//! The linked file: what the image needs of it, and the file with a table in it.

use std::collections::BTreeMap;

use object::elf::{
    EM_X86_64, ET_EXEC, FileHeader64, PF_R, PF_X, PT_GNU_STACK, PT_LOAD, PT_NOTE, PT_NULL, ProgramHeader64,
    SHF_EXECINSTR, SHN_UNDEF, STB_LOCAL, STT_FUNC, STT_NOTYPE, Sym64,
};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{LittleEndian, SectionIndex};

use super::{DESCRIPTOR, Function, ImageError, TABLE_START, short_name};

pub const LE: LittleEndian = LittleEndian;
const PAGE: u64 = 4096;
/// Sizes of the file and program header, and places within them that are patched.
const PROGRAM_HEADER_LEN: usize = 56;
const E_PHOFF: usize = 32;
const E_SHOFF: usize = 40;
const E_PHNUM: usize = 56;
const E_SHNUM: usize = 60;
const E_SHSTRNDX: usize = 62;

type Header = FileHeader64<LittleEndian>;

/// A linked file that was found fit.
pub struct Linked<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    segments: &'a [ProgramHeader64<LittleEndian>],
    sections: SectionTable<'a, Header>,
    symbols: SymbolTable<'a, Header>,
}

impl<'a> Linked<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Linked<'a>, ImageError> {
        let header = Header::parse(bytes)?;
        if !header.is_little_endian() || header.e_machine(LE) != EM_X86_64 {
            return Err(ImageError::Kind("it is for another machine"));
        }
        if header.e_type(LE) != ET_EXEC {
            return Err(ImageError::Kind("its type is not EXEC; is it position independent?"));
        }
        let segments = header.program_headers(LE, bytes)?;
        if segments.len() > 1000 {
            return Err(ImageError::Kind("it has more than 1000 program headers"));
        }
        if !segments.iter().any(|segment| segment.p_type(LE) == PT_LOAD && segment.p_memsz(LE) > 0) {
            return Err(ImageError::Kind("it has nothing to load"));
        }
        let sections = header.sections(LE, bytes)?;
        let symbols = sections.symbols(LE, bytes, object::elf::SHT_SYMTAB)?;
        Ok(Linked { bytes, header, segments, sections, symbols })
    }

    /// The lowest address of a segment.
    pub fn base(&self) -> u64 {
        self.loaded().map(|segment| segment.p_vaddr(LE)).min().unwrap_or(0)
    }

    /// The end of the highest executable segment.
    pub fn code_end(&self) -> u64 {
        self.loaded().filter(|segment| segment.p_flags(LE) & PF_X != 0).map(end).max().unwrap_or(0)
    }

    /// The functions in the order of their addresses, one for each address.
    pub fn functions(&self) -> Result<Vec<Function>, ImageError> {
        if self.symbols.is_empty() {
            return Err(ImageError::Stripped);
        }
        // Of several names of one address the best is that of a function, and then a global one.
        let mut best: BTreeMap<u64, (u8, &str)> = BTreeMap::new();
        for (index, symbol) in self.symbols.enumerate() {
            let name = symbol.name(LE, self.symbols.strings())?;
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let rank = match symbol.st_type() {
                STT_FUNC if symbol.st_bind() != STB_LOCAL => 3,
                STT_FUNC => 2,
                STT_NOTYPE if symbol.st_bind() != STB_LOCAL => 1,
                STT_NOTYPE => 0,
                _ => continue,
            };
            if name.is_empty() || name.starts_with(".L") || !self.is_code(index, symbol)? {
                continue;
            }
            let entry = best.entry(symbol.st_value(LE)).or_insert((rank, name));
            if rank > entry.0 {
                *entry = (rank, name);
            }
        }
        let functions =
            best.into_iter().map(|(address, (_, name))| Function { address, name: short_name(name) });
        Ok(functions.collect())
    }

    fn is_code(&self, index: object::SymbolIndex, symbol: &Sym64<LittleEndian>) -> Result<bool, ImageError> {
        if symbol.st_shndx(LE) == SHN_UNDEF {
            return Ok(false);
        }
        let Some(section) = self.symbols.symbol_section(LE, symbol, index)? else { return Ok(false) };
        let section = self.sections.section(SectionIndex(section.0))?;
        let range = section.sh_addr(LE)..section.sh_addr(LE).wrapping_add(section.sh_size(LE));
        Ok(section.sh_flags(LE) & u64::from(SHF_EXECINSTR) != 0 && range.contains(&symbol.st_value(LE)))
    }

    /// The executable code with its addresses: sections, or segments where there are no sections.
    pub fn code(&self) -> Result<Vec<(u64, &'a [u8])>, ImageError> {
        let mut code = Vec::new();
        for section in self.sections.iter() {
            if section.sh_flags(LE) & u64::from(SHF_EXECINSTR) != 0 {
                code.push((section.sh_addr(LE), section.data(LE, self.bytes)?));
            }
        }
        if code.is_empty() {
            for segment in self.loaded().filter(|segment| segment.p_flags(LE) & PF_X != 0) {
                let contents =
                    segment.data(LE, self.bytes).map_err(|()| ImageError::Kind("a segment is cut off"))?;
                code.push((segment.p_vaddr(LE), contents));
            }
        }
        Ok(code)
    }

    /// The program headers.
    pub fn segments(&self) -> &'a [ProgramHeader64<LittleEndian>] {
        self.segments
    }

    /// The contents of `segment`, or `None` where the file is too short for it.
    pub fn contents(&self, segment: &ProgramHeader64<LittleEndian>) -> Option<&'a [u8]> {
        segment.data(LE, self.bytes).ok()
    }

    /// The entry point in the file header.
    pub fn entry(&self) -> u64 {
        self.header.e_entry(LE)
    }

    /// The file with `table` as its last segment, and without sections.
    pub fn with_table(&self, table: &[u8]) -> Result<Vec<u8>, ImageError> {
        let address = self.table_address()?;
        let descriptor = self.descriptor()?;
        let mut elf = self.segments_only();
        let place = self.free_program_header().unwrap_or_else(|| self.add_program_header(&mut elf));
        let offset = elf.len().next_multiple_of(PAGE as usize);
        elf.resize(offset, 0);
        elf.extend_from_slice(table);

        // The distance of physical from virtual addresses is the same in all segments.
        let shift = self.loaded().next().map_or(0, |first| first.p_paddr(LE).wrapping_sub(first.p_vaddr(LE)));
        let len = table.len() as u64;
        let words = [offset as u64, address, address.wrapping_add(shift), len, len, PAGE];
        put(&mut elf, place, &PT_LOAD.to_le_bytes());
        put(&mut elf, place + 4, &PF_R.to_le_bytes());
        for (index, word) in words.iter().enumerate() {
            put(&mut elf, place + 8 + 8 * index, &word.to_le_bytes());
        }
        put(&mut elf, descriptor, &address.to_le_bytes());
        put(&mut elf, descriptor + 8, &len.to_le_bytes());
        Ok(elf)
    }

    /// The file up to the end of the last segment's contents.
    fn segments_only(&self) -> Vec<u8> {
        let table_end = self.header.e_phoff(LE) as usize + self.segments.len() * PROGRAM_HEADER_LEN;
        let kept = self.segments.iter().filter(|segment| matches!(segment.p_type(LE), PT_LOAD | PT_NOTE));
        let contents = kept.map(|segment| segment.p_offset(LE).saturating_add(segment.p_filesz(LE)) as usize);
        let len = contents.max().unwrap_or(0).max(table_end).min(self.bytes.len());
        let mut elf = self.bytes[..len].to_vec();
        put(&mut elf, E_SHOFF, &0u64.to_le_bytes());
        put(&mut elf, E_SHNUM, &0u16.to_le_bytes());
        put(&mut elf, E_SHSTRNDX, &0u16.to_le_bytes());
        elf
    }

    /// Where a program header stands that can be overwritten: an empty PT_LOAD, or one that is of no use to Xen.
    fn free_program_header(&self) -> Option<usize> {
        let last = |wanted: u32| {
            self.segments.iter().rposition(|segment| {
                segment.p_type(LE) == wanted && (wanted != PT_LOAD || segment.p_memsz(LE) == 0)
            })
        };
        let index = last(PT_LOAD).or_else(|| last(PT_NULL)).or_else(|| last(PT_GNU_STACK))?;
        Some(self.header.e_phoff(LE) as usize + index * PROGRAM_HEADER_LEN)
    }

    /// Moves the program headers to the end of `elf`, where there is room for one more, and tells where that stands.
    /// lld drops a header that no section is in, even when the linker script asks for it.
    fn add_program_header(&self, elf: &mut Vec<u8>) -> usize {
        let old = self.header.e_phoff(LE) as usize;
        let len = self.segments.len() * PROGRAM_HEADER_LEN;
        elf.resize(elf.len().next_multiple_of(8), 0);
        let new = elf.len();
        elf.extend_from_within(old..old + len);
        elf.extend_from_slice(&[0; PROGRAM_HEADER_LEN]);
        put(elf, E_PHOFF, &(new as u64).to_le_bytes());
        put(elf, E_PHNUM, &(self.segments.len() as u16 + 1).to_le_bytes());
        new + len
    }

    fn table_address(&self) -> Result<u64, ImageError> {
        let end = self.loaded().map(end).max().unwrap_or(0);
        let reserved = self.symbol(TABLE_START)?.map(|symbol| symbol.st_value(LE));
        let address = reserved.or(end.checked_next_multiple_of(PAGE)).unwrap_or(end);
        if address < end || address % PAGE != 0 {
            return Err(ImageError::TableStart { address, end });
        }
        Ok(address)
    }

    /// Where the descriptor stands in the file.
    fn descriptor(&self) -> Result<usize, ImageError> {
        let symbol = self.symbol(DESCRIPTOR)?.ok_or(ImageError::NoDescriptor)?;
        let (address, size) = (symbol.st_value(LE), symbol.st_size(LE));
        let offset = self.loaded().find_map(|segment| {
            let within = address.checked_sub(segment.p_vaddr(LE))?;
            let inside = within.checked_add(16)? <= segment.p_filesz(LE);
            segment.p_offset(LE).checked_add(within).filter(|_| inside)
        });
        let len = self.bytes.len() as u64;
        match offset {
            Some(offset) if size == 16 && offset <= len.saturating_sub(16) => Ok(offset as usize),
            _ => Err(ImageError::Descriptor { address, size }),
        }
    }

    fn symbol(&self, wanted: &str) -> Result<Option<&Sym64<LittleEndian>>, ImageError> {
        for symbol in self.symbols.iter() {
            if symbol.st_shndx(LE) != SHN_UNDEF
                && symbol.name(LE, self.symbols.strings())? == wanted.as_bytes()
            {
                return Ok(Some(symbol));
            }
        }
        Ok(None)
    }

    /// The program headers of what is loaded.
    pub fn loaded(&self) -> impl Iterator<Item = &ProgramHeader64<LittleEndian>> {
        self.segments.iter().filter(|segment| segment.p_type(LE) == PT_LOAD && segment.p_memsz(LE) > 0)
    }
}

/// The address behind a segment.
pub fn end(segment: &ProgramHeader64<LittleEndian>) -> u64 {
    segment.p_vaddr(LE).wrapping_add(segment.p_memsz(LE))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
