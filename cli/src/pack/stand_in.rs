//! A stand-in for a shared library that a program is linked to and never calls: every function of the library exists in it, under
//! the same names and versions, and a call of any of them ends the program with a message.
//!
//! The dynamic linker insists on every library in DT_NEEDED, and on the libraries that those name. QEMU is linked to libspice-server,
//! which draws in GStreamer, OpenSSL and much else, fifteen megabytes that no device model of a stub domain ever runs.
//!
//! The file has two segments: the first holds code and all tables, the second the dynamic section, which the dynamic linker may
//! write to. It follows the gABI and, for versions, the "Linux Standard Base Core Specification", Symbol Versioning.

use std::fmt;

use object::Endianness;
use object::elf::{FileHeader64, SHN_UNDEF, STB_WEAK, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_TLS};
use object::read::elf::{FileHeader, Sym};

const PAGE: u64 = 4096;
const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const SYMBOL: u64 = 24;
/// The first version index that names a version; 1 is the file itself.
const FIRST_VERSION: u16 = 2;

/// Why there can be no stand-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is not a 64-bit ELF file with dynamic symbols.
    NotALibrary,
    /// A symbol of this name is data, which the program may read without a call.
    Data(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotALibrary => f.write_str("it is no shared library for x86-64"),
            Error::Data(name) => write!(f, "its symbol `{name}` is no function"),
        }
    }
}

impl std::error::Error for Error {}

/// A function that the library offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    name: Vec<u8>,
    version: Option<Vec<u8>>,
}

/// The stand-in for the library `bytes`, which programs know as `name`.
pub fn of(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(write(name, &functions(bytes)?))
}

/// What a library offers.
fn functions(bytes: &[u8]) -> Result<Vec<Function>, Error> {
    let mut functions = read_functions(bytes).ok_or(Error::NotALibrary)??;
    functions.sort();
    functions.dedup();
    Ok(functions)
}

fn read_functions(bytes: &[u8]) -> Option<Result<Vec<Function>, Error>> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let symbols = sections.symbols(endian, bytes, object::elf::SHT_DYNSYM).ok()?;
    let versions = sections.versions(endian, bytes).ok()?;
    let mut functions = Vec::new();
    for (index, symbol) in symbols.enumerate() {
        if symbol.is_local() || symbol.st_shndx(endian) == SHN_UNDEF {
            continue;
        }
        let name = symbols.symbol_name(endian, symbol).ok()?;
        let is_absolute = symbol.st_shndx(endian) == object::elf::SHN_ABS;
        match symbol.st_type() {
            STT_FUNC | STT_GNU_IFUNC => {}
            // The name of a version, which is no symbol that anybody asks for.
            _ if is_absolute => continue,
            STT_NOTYPE | STT_TLS if symbol.st_bind() == STB_WEAK => continue,
            _ => return Some(Err(Error::Data(String::from_utf8_lossy(name).into_owned()))),
        }
        let version = versions.as_ref().and_then(|table| {
            let index = table.version_index(endian, index);
            table.version(index).ok().flatten().map(|version| version.name().to_vec())
        });
        functions.push(Function { name: name.to_vec(), version });
    }
    Some(Ok(functions))
}

/// Strings that are named by their place.
#[derive(Default)]
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &[u8]) -> u64 {
        if self.0.is_empty() {
            self.0.push(0);
        }
        let at = self.0.len() as u64;
        self.0.extend_from_slice(text);
        self.0.push(0);
        at
    }
}

/// A library of these functions.
fn write(name: &str, functions: &[Function]) -> Vec<u8> {
    let mut versions: Vec<&[u8]> =
        functions.iter().filter_map(|function| function.version.as_deref()).collect();
    versions.sort_unstable();
    versions.dedup();
    let mut strings = Strings::default();
    let soname = strings.add(name.as_bytes());
    let names: Vec<u64> = functions.iter().map(|function| strings.add(&function.name)).collect();
    let version_names: Vec<u64> = versions.iter().map(|version| strings.add(version)).collect();

    let mut text = Text::new(HEADER + 3 * PROGRAM_HEADER);
    let code = text.add(&code(name), 16);
    let mut symbols = vec![0; SYMBOL as usize];
    let mut indices: Vec<u8> = half(0);
    for (function, name) in functions.iter().zip(&names) {
        symbols.extend(word(*name));
        // A global function of the first section, were there sections.
        symbols.extend([0x12, 0]);
        symbols.extend(half(1));
        symbols.extend(code.to_le_bytes());
        symbols.extend(0u64.to_le_bytes());
        let version = function.version.as_deref().and_then(|version| versions.binary_search(&version).ok());
        indices.extend(half(version.map_or(1, |at| FIRST_VERSION + at as u16)));
    }
    let symbols = text.add(&symbols, 8);
    let hash = text.add(&hash_table(functions), 8);
    let indices = text.add(&indices, 8);
    let mut definitions = definition(1, soname, name.as_bytes(), 1, versions.is_empty());
    for (at, (version, name)) in versions.iter().zip(&version_names).enumerate() {
        definitions.extend(definition(
            0,
            *name,
            version,
            FIRST_VERSION + at as u16,
            at + 1 == versions.len(),
        ));
    }
    let definitions = text.add(&definitions, 8);
    let strings_len = strings.0.len() as u64;
    let strings = text.add(&strings.0, 1);

    let start = text.end().next_multiple_of(PAGE);
    let dynamic: Vec<u8> = [
        (14, soname),
        (4, hash),
        (5, strings),
        (6, symbols),
        (10, strings_len),
        (11, SYMBOL),
        (0x6fff_fff0, indices),
        (0x6fff_fffc, definitions),
        (0x6fff_fffd, 1 + versions.len() as u64),
        (0, 0),
    ]
    .iter()
    .flat_map(|(tag, value): &(u64, u64)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
    .collect();

    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // A shared object for x86-64 without sections.
    file.extend([half(3), half(62), word(1)].concat());
    file.extend([0, HEADER, 0].map(u64::to_le_bytes).concat());
    file.extend(
        [word(0), half(HEADER as u16), half(PROGRAM_HEADER as u16), half(3), half(64), half(0), half(0)]
            .concat(),
    );
    let dynamic_len = dynamic.len() as u64;
    file.extend(program_header(1, 5, 0, text.end(), PAGE));
    file.extend(program_header(1, 6, start, dynamic_len, PAGE));
    file.extend(program_header(2, 6, start, dynamic_len, 8));
    file.extend(&text.bytes);
    file.resize(start as usize, 0);
    file.extend(dynamic);
    file
}

/// What follows the headers in the first segment; addresses are places in the file.
struct Text {
    start: u64,
    bytes: Vec<u8>,
}

impl Text {
    fn new(start: u64) -> Text {
        Text { start, bytes: Vec::new() }
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Adds a part and returns its address.
    fn add(&mut self, part: &[u8], align: u64) -> u64 {
        let at = self.end().next_multiple_of(align);
        self.bytes.resize((at - self.start) as usize, 0);
        self.bytes.extend_from_slice(part);
        at
    }
}

/// write(2, MESSAGE), then exit_group(127).
fn code(name: &str) -> Vec<u8> {
    let message = format!("{name} was left out of this root, and a function of it is called\n");
    let mut code = vec![0xb8, 1, 0, 0, 0, 0xbf, 2, 0, 0, 0, 0x48, 0x8d, 0x35];
    code.extend(word(19));
    code.push(0xba);
    code.extend(word(message.len() as u64));
    code.extend([0x0f, 0x05, 0xb8, 231, 0, 0, 0, 0xbf, 127, 0, 0, 0, 0x0f, 0x05]);
    code.extend(message.as_bytes());
    code
}

/// The gABI's hash table: a bucket for two symbols or so, and the chains.
fn hash_table(functions: &[Function]) -> Vec<u8> {
    let buckets_len = functions.len() / 2 + 1;
    let mut buckets = vec![0u32; buckets_len];
    let mut chains = vec![0u32; functions.len() + 1];
    for (symbol, function) in (1u32..).zip(functions) {
        let bucket = &mut buckets[hash(&function.name) as usize % buckets_len];
        chains[symbol as usize] = std::mem::replace(bucket, symbol);
    }
    let lengths = [buckets.len() as u32, chains.len() as u32];
    lengths.iter().chain(&buckets).chain(&chains).flat_map(|word| word.to_le_bytes()).collect()
}

/// The gABI's hash of a name.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(*byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// An entry of the version definitions with its one name.
fn definition(flags: u16, name: u64, text: &[u8], index: u16, is_last: bool) -> Vec<u8> {
    let next = if is_last { 0 } else { 28 };
    let mut entry = [half(1), half(flags), half(index), half(1)].concat();
    entry.extend([word(hash(text).into()), word(20), word(next), word(name), word(0)].concat());
    entry
}

fn program_header(kind: u64, flags: u64, at: u64, len: u64, align: u64) -> Vec<u8> {
    let mut header = [word(kind), word(flags)].concat();
    header.extend([at, at, at, len, len, align].map(u64::to_le_bytes).concat());
    header
}

/// What is below 4 GiB here: places in a file of a few pages, and lengths.
fn word(value: u64) -> Vec<u8> {
    (value as u32).to_le_bytes().to_vec()
}

fn half(value: u16) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::libraries;

    fn function(name: &str, version: Option<&str>) -> Function {
        Function { name: name.into(), version: version.map(|version| version.into()) }
    }

    #[test]
    fn hashes_are_those_of_the_gabi() {
        // From the table of a library that GNU ld has made.
        assert_eq!(hash(b"printf"), 0x077905a6);
        assert_eq!(hash(b"GLIBC_2.2.5"), 0x09691a75);
        assert_eq!(hash(b""), 0);
    }

    #[test]
    fn the_dynamic_linker_takes_a_stand_in_and_a_call_ends_the_program() {
        let dir = std::env::temp_dir().join(format!("minios-stand-in-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.current_dir(&dir).args(arguments).output().unwrap()
        };
        std::fs::write(dir.join("real.c"), "int one(void) { return 1; } int two(void) { return 2; }")
            .unwrap();
        std::fs::write(dir.join("map"), "FIRST { global: one; local: *; }; SECOND { global: two; } FIRST;")
            .unwrap();
        std::fs::write(
            dir.join("user.c"),
            "int one(void), two(void);\nint main(int c, char **v) { return c > 1 ? one() + two() : 7; }",
        )
        .unwrap();
        let flags = [
            "-shared",
            "-fPIC",
            "-o",
            "libreal.so.1",
            "-Wl,-soname,libreal.so.1,--version-script,map",
            "real.c",
        ];
        assert!(run("cc", &flags).status.success());
        assert!(run("cc", &["-o", "user", "user.c", "./libreal.so.1", "-Wl,-z,now"]).status.success());
        let library = std::fs::read(dir.join("libreal.so.1")).unwrap();
        let expected = [function("one", Some("FIRST")), function("two", Some("SECOND"))];
        assert_eq!(functions(&library).unwrap(), expected);

        std::fs::write(dir.join("libreal.so.1"), of("libreal.so.1", &library).unwrap()).unwrap();
        let with_path = |arguments: &[&str]| {
            let mut command = std::process::Command::new(dir.join("user"));
            command.env("LD_LIBRARY_PATH", &dir).args(arguments).output().unwrap()
        };
        let quiet = with_path(&[]);
        assert_eq!((quiet.status.code(), &*quiet.stderr), (Some(7), &b""[..]));
        let called = with_path(&["x"]);
        assert_eq!(called.status.code(), Some(127));
        assert!(String::from_utf8_lossy(&called.stderr).starts_with("libreal.so.1 was left out"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_stand_in_needs_nothing_and_is_small() {
        let names: Vec<Function> = (0..100).map(|number| function(&format!("f{number}"), None)).collect();
        let file = write("libx.so.1", &names);
        assert!(libraries::names(&file).is_empty() && file.len() < 12_000, "{} bytes", file.len());
    }

    #[test]
    fn data_and_what_is_no_library_are_refused() {
        assert_eq!(of("x", b"text"), Err(Error::NotALibrary));
    }
}
