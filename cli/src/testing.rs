//! Small ELF files for tests, built byte by byte: nothing here comes from the code under test.

pub const TEXT: u64 = 0xffff_ffff_8000_0000;
pub const RODATA: u64 = TEXT + 0x1000;
pub const DATA: u64 = TEXT + 0x2000;
pub const END: u64 = TEXT + 0x3000;

pub const LOAD: u32 = 1;
pub const NOTE: u32 = 4;
pub const GNU_STACK: u32 = 0x6474_e551;
pub const R: u32 = 4;
pub const RW: u32 = 6;
pub const RX: u32 = 5;
pub const RWX: u32 = 7;

/// Values of `st_info`.
pub const GLOBAL_FUNCTION: u8 = 0x12;
pub const LOCAL_FUNCTION: u8 = 0x02;
pub const GLOBAL_LABEL: u8 = 0x10;
pub const LOCAL_LABEL: u8 = 0x00;
pub const GLOBAL_OBJECT: u8 = 0x11;

pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub address: u64,
    pub contents: Vec<u8>,
    pub memory_len: u64,
    /// For a segment of notes: how far into the first load segment of the same address it starts; no contents of its own.
    pub within: Option<usize>,
}

pub struct TestElf {
    pub segments: Vec<Segment>,
    /// Name, address, size and `st_info`.
    pub symbols: Vec<(String, u64, u64, u8)>,
    pub entry: u64,
}

/// One note of Xen.
pub fn note(kind: u32, value: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [4, value.len() as u32, kind] {
        note.extend_from_slice(&word.to_le_bytes());
    }
    note.extend_from_slice(b"Xen\0");
    note.extend_from_slice(value);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// The notes of a good guest: number and value.
pub fn good_notes() -> Vec<(u32, Vec<u8>)> {
    vec![
        (5, b"xen-3.0\0".to_vec()),
        (6, b"minios\0".to_vec()),
        (8, b"generic\0".to_vec()),
        (9, b"yes\0".to_vec()),
        (1, TEXT.to_le_bytes().to_vec()),
        (3, TEXT.to_le_bytes().to_vec()),
        (4, TEXT.to_le_bytes().to_vec()),
        (10, b"!writable_page_tables|pae_pgdir_above_4gb\0".to_vec()),
    ]
}

impl TestElf {
    /// A guest with code, read-only data that starts with `notes`, and data.
    pub fn guest(code: &[u8], notes: &[(u32, Vec<u8>)]) -> TestElf {
        let mut rodata: Vec<u8> = notes.iter().flat_map(|(kind, value)| note(*kind, value)).collect();
        let notes_len = rodata.len();
        let descriptor = RODATA + notes_len.next_multiple_of(16) as u64;
        rodata.resize(notes_len.next_multiple_of(16) + 32, 0xee);
        let segment = |kind, flags, address, contents: Vec<u8>, memory_len| Segment {
            kind,
            flags,
            address,
            contents,
            memory_len,
            within: None,
        };
        let mut note_segment = segment(NOTE, R, RODATA, Vec::new(), notes_len as u64);
        note_segment.within = Some(1);
        TestElf {
            segments: vec![
                segment(LOAD, RX, TEXT, code.to_vec(), code.len() as u64),
                segment(LOAD, R, RODATA, rodata.clone(), rodata.len() as u64),
                segment(LOAD, RW, DATA, vec![1, 2, 3], 0x1000),
                note_segment,
            ],
            symbols: vec![
                ("_start".into(), TEXT, 0, GLOBAL_FUNCTION),
                ("MINIOS_SYMBOL_TABLE".into(), descriptor, 16, GLOBAL_OBJECT),
            ],
            entry: TEXT,
        }
    }

    pub fn good(code: &[u8]) -> TestElf {
        TestElf::guest(code, &good_notes())
    }

    pub fn symbol(mut self, name: &str, address: u64, info: u8) -> TestElf {
        self.symbols.push((name.into(), address, 0, info));
        self
    }

    pub fn segment(mut self, kind: u32, flags: u32, address: u64, memory_len: u64) -> TestElf {
        self.segments.push(Segment { kind, flags, address, contents: Vec::new(), memory_len, within: None });
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut file = vec![0u8; 64 + 56 * self.segments.len()];
        let mut offsets: Vec<usize> = Vec::new();
        for segment in &self.segments {
            let offset = match segment.within {
                Some(index) => offsets[index],
                None => {
                    file.resize(file.len().next_multiple_of(0x1000), 0);
                    let offset = file.len();
                    file.extend_from_slice(&segment.contents);
                    offset
                }
            };
            offsets.push(offset);
        }
        for (index, segment) in self.segments.iter().enumerate() {
            let in_file =
                if segment.within.is_some() { segment.memory_len } else { segment.contents.len() as u64 };
            let words = [
                offsets[index] as u64,
                segment.address,
                segment.address,
                in_file,
                segment.memory_len,
                0x1000,
            ];
            let at = 64 + 56 * index;
            file[at..at + 4].copy_from_slice(&segment.kind.to_le_bytes());
            file[at + 4..at + 8].copy_from_slice(&segment.flags.to_le_bytes());
            for (index, word) in words.iter().enumerate() {
                file[at + 8 + 8 * index..at + 16 + 8 * index].copy_from_slice(&word.to_le_bytes());
            }
        }
        let loads: Vec<usize> =
            (0..self.segments.len()).filter(|index| self.segments[*index].kind == LOAD).collect();
        let mut strings = vec![0u8];
        let mut symbols = vec![0u8; 24];
        for (name, address, size, info) in &self.symbols {
            let section = loads.iter().position(|index| {
                let segment = &self.segments[*index];
                (segment.address..segment.address + segment.memory_len).contains(address)
            });
            symbols.extend_from_slice(&(strings.len() as u32).to_le_bytes());
            // Outside of all sections a symbol is absolute, as those that a linker script defines.
            let section = section.map_or(0xfff1, |section| section as u16 + 1);
            symbols.extend_from_slice(&[*info, 0]);
            symbols.extend_from_slice(&section.to_le_bytes());
            symbols.extend_from_slice(&address.to_le_bytes());
            symbols.extend_from_slice(&size.to_le_bytes());
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        let symbols_at = file.len();
        file.extend_from_slice(&symbols);
        let strings_at = file.len();
        file.extend_from_slice(&strings);

        let mut sections = vec![[0u64; 10]];
        for index in &loads {
            let segment = &self.segments[*index];
            let flags = 2 | u64::from(segment.flags & 1) << 2 | u64::from(segment.flags & 2) >> 1;
            let size = segment.contents.len() as u64;
            sections.push([0, 1, flags, segment.address, offsets[*index] as u64, size, 0, 0, 16, 0]);
        }
        let strings_index = sections.len() as u64 + 1;
        let symbols_len = symbols.len() as u64;
        sections.push([0, 2, 0, 0, symbols_at as u64, symbols_len, strings_index, 1, 8, 24]);
        sections.push([0, 3, 0, 0, strings_at as u64, strings.len() as u64, 0, 0, 1, 0]);
        let sections_at = file.len();
        for section in &sections {
            for (index, word) in section.iter().enumerate() {
                match index {
                    0 | 1 | 6 | 7 => file.extend_from_slice(&(*word as u32).to_le_bytes()),
                    _ => file.extend_from_slice(&word.to_le_bytes()),
                }
            }
        }
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        file[16..24].copy_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
        file[24..32].copy_from_slice(&self.entry.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[40..48].copy_from_slice(&(sections_at as u64).to_le_bytes());
        let halves = [64, 56, self.segments.len(), 64, sections.len(), strings_index as usize];
        for (index, half) in halves.iter().enumerate() {
            file[52 + 2 * index..54 + 2 * index].copy_from_slice(&(*half as u16).to_le_bytes());
        }
        file
    }
}
