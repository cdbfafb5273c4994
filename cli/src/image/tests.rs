use std::io::Read;

use super::{Function, Image, ImageError, build, encode, short_name};
use crate::symbols::{HEADER_LEN, SymbolTable};
use crate::testing::*;

fn functions(list: &[(u64, &str)]) -> Vec<Function> {
    list.iter().map(|(address, name)| Function { address: *address, name: (*name).to_owned() }).collect()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The program headers: kind, flags, then offset, addresses, lengths and alignment.
fn program_headers(elf: &[u8]) -> Vec<(u32, u32, [u64; 6])> {
    let count = u16::from_le_bytes([elf[56], elf[57]]);
    let start = word(elf, 32) as usize;
    (0..usize::from(count))
        .map(|index| {
            let at = start + 56 * index;
            let kinds = word(elf, at);
            (kinds as u32, (kinds >> 32) as u32, std::array::from_fn(|field| word(elf, at + 8 + 8 * field)))
        })
        .collect()
}

/// What Xen would have in memory at `address`.
fn memory(elf: &[u8], address: u64, len: usize) -> Option<&[u8]> {
    program_headers(elf).into_iter().find_map(|(kind, _, [offset, start, _, in_file, _, _])| {
        let at = usize::try_from(address.checked_sub(start)?).ok()?;
        let contents = elf.get(offset as usize..(offset + in_file) as usize)?;
        if kind == LOAD { contents.get(at..at + len) } else { None }
    })
}

/// The table that the guest would find through the descriptor.
fn table_in(image: &Image, guest: &TestElf) -> Vec<u8> {
    let descriptor =
        guest.symbols.iter().find(|symbol| symbol.0 == "MINIOS_SYMBOL_TABLE").expect("in every guest");
    let descriptor = memory(&image.elf, descriptor.1, 16).expect("the descriptor is loaded");
    let len = word(descriptor, 8) as usize;
    memory(&image.elf, word(descriptor, 0), len).expect("the table is loaded").to_vec()
}

fn guest() -> TestElf {
    TestElf::good(&[0x90; 0x200])
        .symbol("_ZN4core3fmt5write17h0123456789abcdefE", TEXT + 0x40, LOCAL_FUNCTION)
        .symbol("trap_entry", TEXT + 0x100, GLOBAL_LABEL)
        .symbol("__symbols_start", END, GLOBAL_LABEL)
}

#[test]
fn an_address_finds_its_function_and_offset() {
    let list = functions(&[(0x1000, "a"), (0x1010, "b::c"), (0x9010, "d")]);
    let table = encode(0x1000, 0xa000, &list).expect("a small table");
    let table = SymbolTable::new(&table).expect("a good table");
    assert_eq!(table.count(), 3);
    assert_eq!(table.lookup(0xfff), None);
    assert_eq!(table.lookup(0x1000), Some(("a", 0)));
    assert_eq!(table.lookup(0x100f), Some(("a", 15)));
    assert_eq!(table.lookup(0x1010), Some(("b::c", 0)));
    assert_eq!(table.lookup(0x900f), Some(("b::c", 0x7fff)));
    assert_eq!(table.lookup(0x9fff), Some(("d", 0xfef)));
    assert_eq!(table.lookup(0xa000), None);
    assert_eq!(table.lookup(u64::MAX), None);
}

#[test]
fn an_address_before_the_first_function_has_no_name() {
    let table = encode(0x1000, 0x3000, &functions(&[(0x2001, "a")])).expect("a small table");
    let table = SymbolTable::new(&table).expect("a good table");
    assert_eq!(table.lookup(0x2000), None);
    assert_eq!(table.lookup(0x2001), Some(("a", 0)));
}

#[test]
fn every_function_of_a_large_table_is_found_again() {
    let mut state = 1u64;
    let mut address = TEXT;
    let list: Vec<Function> = (0..3000)
        .map(|index| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            address += 1 + (state >> 33) % (1 << (state >> 60));
            Function { address, name: format!("module::function{index}") }
        })
        .collect();
    let bytes = encode(TEXT, address + 1, &list).expect("a table below 4 GiB");
    let table = SymbolTable::new(&bytes).expect("a good table");
    let decoded: Vec<Function> =
        table.iter().map(|(start, name)| Function { address: TEXT + start, name: name.into() }).collect();
    assert_eq!(decoded, list);
    for (index, function) in list.iter().enumerate().step_by(7) {
        assert_eq!(table.lookup(function.address), Some((function.name.as_str(), 0)));
        if let Some(next) = list.get(index + 1) {
            let found = table.lookup(next.address - 1);
            assert_eq!(found, Some((function.name.as_str(), next.address - 1 - function.address)));
        }
    }
}

#[test]
fn an_empty_table_finds_nothing() {
    let table = encode(0x1000, 0x2000, &[]).expect("the smallest table");
    assert_eq!(table.len(), HEADER_LEN);
    assert_eq!(SymbolTable::new(&table).expect("a good table").lookup(0x1000), None);
}

#[test]
fn a_cut_table_is_refused() {
    let table = encode(0x1000, 0x2000, &functions(&[(0x1000, "a"), (0x1800, "b")])).expect("a small table");
    for len in 0..table.len() {
        assert!(SymbolTable::new(&table[..len]).is_none(), "{len}");
    }
    assert!(SymbolTable::new(&table).is_some());
}

#[test]
fn a_damaged_table_never_panics() {
    let list = functions(&[(0x1000, "a"), (0x1003, "ä"), (0x18000, "c::d")]);
    let table = encode(0x1000, 0x20000, &list).expect("a small table");
    let mut looked_up = 0;
    for at in 0..table.len() {
        for value in [0, 1, 0x7f, 0x80, 0xc3, 0xff] {
            let mut damaged = table.clone();
            damaged[at] = value;
            if let Some(table) = SymbolTable::new(&damaged) {
                for address in [0, 0xfff, 0x1000, 0x1003, 0x18000, 0x1ffff, u64::MAX] {
                    looked_up += usize::from(table.lookup(address).is_some());
                }
                looked_up += table.iter().take(100).count();
            }
        }
    }
    assert!(looked_up > 100);
}

#[test]
fn functions_too_far_apart_are_refused() {
    assert!(matches!(
        encode(0, 1 << 40, &functions(&[(1, "a"), (1 << 40, "b")])),
        Err(ImageError::TooLarge(_))
    ));
}

/// A symbol of Rust's older mangling.
fn legacy(components: &[&str]) -> String {
    let components: String = components.iter().map(|text| format!("{}{text}", text.len())).collect();
    format!("_ZN{components}17h0123456789abcdefE")
}

#[test]
fn names_lose_hash_generic_arguments_and_paths_of_types() {
    let known = [
        (legacy(&["core", "fmt", "write"]), "core::fmt::write"),
        (legacy(&["core", "fmt", "write"]) + ".llvm.123", "core::fmt::write"),
        (legacy(&["core", "fmt", "write"]) + ".12", "core::fmt::write"),
        (
            legacy(&["_$LT$alloc..vec..Vec$LT$T$C$A$GT$$u20$as$u20$core..ops..drop..Drop$GT$", "drop"]),
            "<Vec as Drop>::drop",
        ),
        (legacy(&["core", "ptr", "drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$"]), "drop_in_place<Vec>"),
        (
            legacy(&["a", "_$LT$impl$u20$core..fmt..Display$u20$for$u20$u32$GT$", "fmt"]),
            "a::<impl Display for u32>::fmt",
        ),
        (
            legacy(&["alloc", "raw_vec", "RawVec$LT$T$C$A$GT$", "grow_one"]),
            "alloc::raw_vec::RawVec::grow_one",
        ),
        (legacy(&["a", "call_once$u7b$$u7b$vtable.shim$u7d$$u7d$"]), "a::call_once{vtable.shim}"),
        (
            legacy(&["_$LT$$RF$mut$u20$$u5b$a..B$LT$C$GT$$u5d$$u20$as$u20$d..E$LT$F$GT$$GT$", "f"]),
            "<&mut [B] as E>::f",
        ),
        ("_RNvMsa_NtCsg3SjgaGcPXb_4core3fmtNtB5_9Formatter3pad".to_owned(), "core::fmt::Formatter::pad"),
        (
            "_RINvNtCsg3SjgaGcPXb_4core9panicking13assert_failedyyEB4_".to_owned(),
            "core::panicking::assert_failed",
        ),
        (
            "_RNvXs1g_NtCsg3SjgaGcPXb_4core3fmtRDNtB6_5DebugEL_Bx_3fmtB8_".to_owned(),
            "<&dyn Debug as Debug>::fmt",
        ),
        ("memcpy".to_owned(), "memcpy"),
        ("trap.entry".to_owned(), "trap.entry"),
    ];
    for (symbol, name) in known {
        assert_eq!(short_name(&symbol), name, "{symbol}");
    }
}

#[test]
fn odd_symbols_give_some_name_of_bounded_length() {
    for symbol in [
        "",
        ".",
        "<",
        ">",
        "<<>",
        "_ZN1<E",
        "_ZN3a<bE",
        "_ZN2->E",
        "_ZN6<a as E",
        "<a as b>",
        &"ä".repeat(200),
    ] {
        assert!(short_name(symbol).len() <= 160, "{symbol}");
    }
}

#[test]
fn the_guest_finds_its_table_through_the_descriptor() {
    let guest = guest();
    let image = build(&guest.bytes()).expect("a good guest");
    let bytes = table_in(&image, &guest);
    let table = SymbolTable::new(&bytes).expect("a good table");
    assert_eq!((image.symbols, table.count(), image.table_len), (3, 3, bytes.len()));
    assert_eq!(table.lookup(TEXT + 1), Some(("_start", 1)));
    assert_eq!(table.lookup(TEXT + 0x41), Some(("core::fmt::write", 1)));
    assert_eq!(table.lookup(TEXT + 0x1ff), Some(("trap_entry", 0xff)));
    assert_eq!(table.lookup(TEXT + 0x200), None);
}

#[test]
fn segments_keep_their_contents_and_sections_go() {
    let guest = guest();
    let linked = guest.bytes();
    let elf = build(&linked).expect("a good guest").elf;
    assert_eq!(memory(&elf, TEXT, 0x200), Some([0x90; 0x200].as_slice()));
    assert_eq!(memory(&elf, DATA, 3), Some([1, 2, 3].as_slice()));
    let before = program_headers(&linked);
    let after = program_headers(&elf);
    assert_eq!(after[..before.len()], before);
    let (kind, flags, [offset, address, physical, in_file, in_memory, align]) = after[before.len()];
    assert_eq!((kind, flags, address, physical, align), (LOAD, R, END, END, 0x1000));
    assert_eq!((offset % 0x1000, in_file), (0, in_memory));
    assert_eq!(offset + in_file, elf.len() as u64);
    // No section headers, and no symbol names of the linker's.
    assert_eq!((word(&elf, 40), &elf[60..64]), (0, [0; 4].as_slice()));
    assert!(!elf.windows(15).any(|window| window == b"__symbols_start"));
}

#[test]
fn a_reserved_or_useless_program_header_is_reused() {
    for (kind, flags) in [(LOAD, R), (0, 0), (GNU_STACK, RW)] {
        let guest = guest().segment(kind, flags, if kind == LOAD { END } else { 0 }, 0);
        let image = build(&guest.bytes()).expect("a good guest");
        let headers = program_headers(&image.elf);
        assert_eq!(headers.len(), guest.segments.len());
        assert_eq!((headers[4].0, headers[4].1, headers[4].2[1]), (LOAD, R, END));
        assert!(SymbolTable::new(&table_in(&image, &guest)).is_some());
    }
}

#[test]
fn without_a_reserved_place_the_table_follows_the_last_segment() {
    let mut guest = guest();
    guest.symbols.retain(|symbol| symbol.0 != "__symbols_start");
    guest.segments[2].memory_len = 0x1001;
    let image = build(&guest.bytes()).expect("a good guest");
    assert_eq!(program_headers(&image.elf)[4].2[1], DATA + 0x2000);
    assert!(SymbolTable::new(&table_in(&image, &guest)).is_some());
}

#[test]
fn physical_addresses_keep_their_distance() {
    let mut linked = guest().bytes();
    for index in 0..3 {
        let at = 64 + 56 * index + 24;
        let physical = word(&linked, at) - TEXT + 0x10_0000;
        linked[at..at + 8].copy_from_slice(&physical.to_le_bytes());
    }
    let image = build(&linked).expect("a good guest");
    assert_eq!(program_headers(&image.elf)[4].2[2], 0x10_0000 + END - TEXT);
}

#[test]
fn the_compressed_image_is_the_image() {
    let image = build(&guest().bytes()).expect("a good guest");
    let mut elf = Vec::new();
    flate2::read::GzDecoder::new(image.gz.as_slice()).read_to_end(&mut elf).expect("good gzip data");
    assert_eq!(elf, image.elf);
    assert_eq!(build(&guest().bytes()).expect("a good guest").gz, image.gz);
}

#[test]
fn the_best_name_of_an_address_is_a_global_function() {
    let guest = guest()
        .symbol("alias", TEXT + 0x100, LOCAL_FUNCTION)
        .symbol("global", TEXT + 0x100, GLOBAL_FUNCTION)
        .symbol(".Lloop", TEXT + 0x104, LOCAL_LABEL)
        .symbol("data", DATA, GLOBAL_OBJECT)
        .symbol("label_in_data", DATA + 1, GLOBAL_LABEL);
    let image = build(&guest.bytes()).expect("a good guest");
    let bytes = table_in(&image, &guest);
    let table = SymbolTable::new(&bytes).expect("a good table");
    let names: Vec<&str> = table.iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["_start", "core::fmt::write", "global"]);
}

fn message(linked: &[u8]) -> String {
    build(linked).expect_err("not fit for an image").to_string()
}

#[test]
fn what_is_missing_or_misplaced_is_named() {
    let mut no_descriptor = guest();
    no_descriptor.symbols.retain(|symbol| symbol.0 != "MINIOS_SYMBOL_TABLE");
    assert!(message(&no_descriptor.bytes()).contains("static MINIOS_SYMBOL_TABLE is missing"));

    let mut small = guest();
    small.symbols[1].2 = 8;
    assert!(message(&small.bytes()).contains("of 8 bytes is not 16 bytes of a segment's contents"));
    let mut in_bss = guest();
    in_bss.symbols[1].1 = DATA + 0x10;
    assert!(message(&in_bss.bytes()).contains("is not 16 bytes of a segment's contents"));

    let mut inside = guest();
    inside.symbols.last_mut().expect("it has symbols").1 = DATA;
    assert!(
        message(&inside.bytes())
            .contains("__symbols_start 0xffffffff80002000 is not on a page boundary behind")
    );
    let mut unaligned = guest();
    unaligned.symbols.last_mut().expect("it has symbols").1 = END + 8;
    assert!(message(&unaligned.bytes()).contains("is not on a page boundary"));

    let mut stripped = guest();
    stripped.symbols.clear();
    stripped.symbols.push((String::new(), 0, 0, 0));
    assert!(build(&stripped.bytes()).is_err());
    let mut no_sections = guest().bytes();
    no_sections[40..48].fill(0);
    no_sections[60..64].fill(0);
    assert!(message(&no_sections).contains("has no symbols"));
}

#[test]
fn other_files_are_refused_by_kind() {
    assert!(message(b"").contains("not a readable ELF file"));
    assert!(message(&[0x7f; 100]).contains("not a readable ELF file"));
    let mut dynamic = guest().bytes();
    dynamic[16] = 3;
    assert!(message(&dynamic).contains("its type is not EXEC"));
    let mut arm = guest().bytes();
    arm[18] = 183;
    assert!(message(&arm).contains("another machine"));
}

#[test]
fn a_damaged_file_never_panics() {
    let linked = guest().bytes();
    // The file, program and section headers and the symbols; the contents do not matter.
    let interesting: Vec<usize> = (0..64 + 56 * 4).chain(0x3003..linked.len()).collect();
    let mut refused = 0;
    for at in interesting {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = linked.clone();
            damaged[at] = value;
            refused += usize::from(build(&damaged).is_err());
        }
    }
    for len in (0..linked.len()).step_by(61) {
        refused += usize::from(build(&linked[..len]).is_err());
    }
    assert!(refused > 100, "{refused}");
}
