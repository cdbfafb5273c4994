use super::{Exceptions, Gate, check};
use crate::image;
use crate::testing::*;

const RET: &[u8] = &[0xc3];

fn findings_with(elf: &[u8], exceptions: &Exceptions) -> Vec<String> {
    let findings = check(elf, exceptions).expect("a readable file");
    findings.iter().map(ToString::to_string).collect()
}

fn findings(elf: &TestElf) -> Vec<String> {
    findings_with(&elf.bytes(), &Exceptions::default())
}

fn of_code(code: &[u8]) -> Vec<String> {
    findings(&TestElf::good(code))
}

#[track_caller]
fn only(elf: &TestElf, expected: &str) {
    assert_eq!(findings(elf), [expected]);
}

/// The findings of a good guest but for its notes.
fn of_notes(change: impl FnOnce(&mut Vec<(u32, Vec<u8>)>)) -> Vec<String> {
    let mut notes = good_notes();
    change(&mut notes);
    findings(&TestElf::guest(RET, &notes))
}

fn replace(kind: u32, value: &[u8]) -> Vec<String> {
    of_notes(|notes| {
        let place = notes.iter_mut().find(|note| note.0 == kind).expect("in good_notes");
        place.1 = value.to_vec();
    })
}

#[test]
fn a_good_guest_passes_before_and_after_post_processing() {
    let linked = TestElf::good(&[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3]).bytes();
    assert_eq!(findings_with(&linked, &Exceptions::default()), [""; 0]);
    let image = image::build(&linked).expect("a good guest").elf;
    assert_eq!(findings_with(&image, &Exceptions::default()), [""; 0]);
}

#[test]
fn instructions_on_vector_and_fpu_state_are_found() {
    let bad: [(&str, &[u8]); 16] = [
        ("movaps", &[0x0f, 0x28, 0xc1]),
        ("movups", &[0x0f, 0x11, 0x07]),
        ("pxor", &[0x66, 0x0f, 0xef, 0xc0]),
        ("pxor", &[0x0f, 0xef, 0xc0]),
        ("cvtsi2sd", &[0xf2, 0x48, 0x0f, 0x2a, 0xc0]),
        ("movq", &[0x66, 0x48, 0x0f, 0x6e, 0xc0]),
        ("vaddps", &[0xc5, 0xfc, 0x58, 0xc0]),
        ("vzeroupper", &[0xc5, 0xf8, 0x77]),
        ("fld1", &[0xd9, 0xe8]),
        ("fadd", &[0xd8, 0xc1]),
        ("fninit", &[0xdb, 0xe3]),
        ("emms", &[0x0f, 0x77]),
        ("ldmxcsr", &[0x0f, 0xae, 0x17]),
        ("fxsave64", &[0x48, 0x0f, 0xae, 0x07]),
        ("xrstor", &[0x0f, 0xae, 0x2f]),
        ("kmovw", &[0xc5, 0xf8, 0x92, 0xc8]),
    ];
    for (mnemonic, code) in bad {
        let code = [&[0x90], code, RET].concat();
        let place = "_start+0x1 (0xffffffff80000001)";
        let expected = format!("vector-state: {place}: `{mnemonic}` touches FPU or vector state");
        assert_eq!(of_code(&code), [expected]);
    }
}

#[test]
fn fences_and_integer_instructions_of_the_same_extensions_are_allowed() {
    let fine: [&[u8]; 8] = [
        &[0x0f, 0xae, 0xe8],                   // lfence
        &[0x0f, 0xae, 0xf0],                   // mfence
        &[0x0f, 0xae, 0xf8],                   // sfence
        &[0xf3, 0x90],                         // pause
        &[0x0f, 0x18, 0x0f],                   // prefetcht0
        &[0x48, 0x0f, 0xc3, 0x07],             // movnti
        &[0xf2, 0x48, 0x0f, 0x38, 0xf1, 0xc0], // crc32
        &[0xf3, 0x48, 0x0f, 0xb8, 0xc0],       // popcnt
    ];
    for code in fine {
        assert_eq!(of_code(&[code, RET].concat()), [""; 0], "{code:x?}");
    }
}

#[test]
fn an_exception_covers_its_own_mnemonic_only() {
    let exceptions = Exceptions { instructions: vec!["fxsave64".to_owned()] };
    let save_and_restore = [0x48, 0x0f, 0xae, 0x07, 0x48, 0x0f, 0xae, 0x0f, 0xc3];
    let found = findings_with(&TestElf::good(&save_and_restore).bytes(), &exceptions);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("`fxrstor64`"), "{found:?}");
}

#[test]
fn a_kernel_with_user_mode_may_save_and_load_state_whole_and_do_nothing_else_with_it() {
    let save_and_restore =
        [0x48, 0x0f, 0xae, 0x07, 0x48, 0x0f, 0xae, 0x0f, 0x0f, 0x01, 0xd1, 0x0f, 0x28, 0xc1, 0xc3];
    let found = findings_with(&TestElf::good(&save_and_restore).bytes(), &Exceptions::user_mode());
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("`movaps`"), "{found:?}");
}

#[test]
fn the_offender_is_named_by_its_function_and_decoding_starts_anew_there() {
    // Before the second function stands a byte that would swallow its first instruction.
    let code = [0xc3, 0x48, 0xb8, 0x90, 0x0f, 0x28, 0xc1, 0xc3];
    let guest = TestElf::good(&code).symbol("second", TEXT + 4, GLOBAL_FUNCTION);
    only(&guest, "vector-state: second+0x0 (0xffffffff80000004): `movaps` touches FPU or vector state");
}

#[test]
fn code_without_symbols_is_checked_as_well() {
    let linked = TestElf::good(&[0x0f, 0x28, 0xc1, 0xc3]).bytes();
    let image = image::build(&linked).expect("a good guest").elf;
    let expected = "vector-state: ?+0x0 (0xffffffff80000000): `movaps` touches FPU or vector state";
    assert_eq!(findings_with(&image, &Exceptions::default()), [expected]);
}

#[test]
fn a_flood_of_findings_is_cut() {
    let found = of_code(&[0x0f, 0x28, 0xc1].repeat(60));
    assert_eq!(found.len(), 51);
    assert_eq!(found[50], "vector-state: and 10 more");
}

#[test]
fn accesses_below_the_stack_pointer_are_found() {
    let bad: [(&str, &[u8]); 5] = [
        ("mov` accesses memory 0x8 bytes", &[0x48, 0x89, 0x44, 0x24, 0xf8]), // mov [rsp-8], rax
        ("mov` accesses memory 0x80 bytes", &[0x48, 0x8b, 0x44, 0x24, 0x80]), // mov rax, [rsp-0x80]
        ("mov` accesses memory 0x4 bytes", &[0xc7, 0x44, 0x24, 0xfc, 1, 0, 0, 0]), // mov dword [rsp-4], 1
        ("inc` accesses memory 0x10 bytes", &[0x48, 0xff, 0x44, 0x24, 0xf0]), // inc qword [rsp-16]
        ("jmp` accesses memory 0x8 bytes", &[0xff, 0x64, 0x24, 0xf8]),       // jmp [rsp-8]
    ];
    for (text, code) in bad {
        let found = of_code(&[code, RET].concat());
        assert!(
            found.len() == 1 && found[0].starts_with("red-zone: _start+0x0") && found[0].contains(text),
            "{found:?}"
        );
    }
}

#[test]
fn accesses_within_the_stack_are_allowed() {
    let fine: [&[u8]; 5] = [
        &[0x48, 0x89, 0x44, 0x24, 0x08], // mov [rsp+8], rax
        &[0x48, 0x8d, 0x64, 0x24, 0x80], // lea rsp, [rsp-0x80]
        &[0x48, 0x89, 0x44, 0xcc, 0xf8], // mov [rsp+rcx*8-8], rax
        &[0x48, 0x89, 0x43, 0xf8],       // mov [rbx-8], rax
        &[0x48, 0x89, 0x45, 0xf8],       // mov [rbp-8], rax in no frame
    ];
    for code in fine {
        assert_eq!(of_code(&[code, RET].concat()), [""; 0], "{code:x?}");
    }
}

/// `push rbp; mov rbp, rsp`, then `code`.
fn framed(code: &[&[u8]]) -> Vec<u8> {
    let mut all = vec![0x55, 0x48, 0x89, 0xe5];
    all.extend(code.concat());
    all.extend([0x5d, 0xc3]);
    all
}

#[test]
fn accesses_below_what_a_frame_has_allocated_are_found() {
    let store_16_below: &[u8] = &[0x48, 0x89, 0x45, 0xf0];
    let push: &[u8] = &[0x53];
    let sub_8: &[u8] = &[0x48, 0x83, 0xec, 0x08];
    let found = of_code(&framed(&[store_16_below]));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("red-zone: _start+0x4") && found[0].contains("0x10 bytes below"),
        "{found:?}"
    );
    assert!(of_code(&framed(&[push, store_16_below]))[0].contains("0x8 bytes below"));
    assert_eq!(of_code(&framed(&[push, sub_8, store_16_below])), [""; 0]);
    // sub rsp, rax: nothing is known of this stack.
    assert_eq!(of_code(&framed(&[&[0x48, 0x29, 0xc4], store_16_below])), [""; 0]);
}

#[test]
fn a_segment_both_writable_and_executable_is_found() {
    let mut guest = TestElf::good(RET);
    guest.segments[0].flags = RWX;
    let segment = "segment 0xffffffff80000000-0xffffffff80000001 rwx";
    only(&guest, &format!("segments: {segment} is both writable and executable"));
}

#[test]
fn an_executable_stack_and_dynamic_linking_are_found() {
    only(&TestElf::good(RET).segment(GNU_STACK, RWX, 0, 0), "segments: an executable stack is asked for");
    assert_eq!(findings(&TestElf::good(RET).segment(GNU_STACK, RW, 0, 0)), [""; 0]);
    only(&TestElf::good(RET).segment(2, RW, DATA, 0), "segments: the file is linked dynamically");
    only(
        &TestElf::good(RET).segment(7, R, DATA, 0),
        "segments: there is thread-local storage, which nobody sets up",
    );
}

#[test]
fn segments_that_share_a_page_or_overlap_are_found() {
    let mut shared = TestElf::good(RET);
    shared.segments[2].address = RODATA + 0x800;
    let found = findings(&shared);
    assert!(
        found.iter().any(|finding| finding.ends_with(" rw- does not start on a page boundary")),
        "{found:?}"
    );
    assert!(found.iter().any(|finding| finding.ends_with(" rw- share a page")), "{found:?}");

    let mut overlapping = TestElf::good(RET);
    overlapping.segments[0].memory_len = 0x1001;
    let found = findings(&overlapping);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with(" r-- overlap"), "{found:?}");
}

#[test]
fn the_entry_point_must_be_code() {
    let mut guest = TestElf::good(RET);
    guest.entry = RODATA;
    only(&guest, "segments: the entry point 0xffffffff80001000 is in no executable segment");
    assert_eq!(
        replace(1, &DATA.to_le_bytes()),
        ["notes: the note ENTRY 0xffffffff80002000 is in no executable segment"]
    );
}

#[test]
fn every_missing_note_is_named() {
    let names =
        ["ENTRY", "VIRT_BASE", "PADDR_OFFSET", "XEN_VERSION", "GUEST_OS", "LOADER", "PAE_MODE", "FEATURES"];
    for (kind, name) in [1, 3, 4, 5, 6, 8, 9, 10].into_iter().zip(names) {
        let found = of_notes(|notes| notes.retain(|note| note.0 != kind));
        assert_eq!(found, [format!("notes: the note {name} is missing")]);
    }
    let mut none = TestElf::good(RET);
    none.segments.pop();
    assert_eq!(findings(&none).len(), names.len());
}

#[test]
fn wrong_values_of_notes_are_found() {
    assert_eq!(
        replace(5, b"xen-4.0\0"),
        ["notes: the note XEN_VERSION is `xen-4.0` and should be `xen-3.0`"]
    );
    assert_eq!(replace(6, b"\0"), ["notes: the note GUEST_OS is `` and should be a name"]);
    assert_eq!(replace(8, b"linux\0"), ["notes: the note LOADER is `linux` and should be `generic`"]);
    assert_eq!(replace(9, b"no\0"), ["notes: the note PAE_MODE is `no` and should be `yes`"]);
    assert_eq!(replace(9, b"yes"), ["notes: the note PAE_MODE is no text that ends in a zero byte"]);
    assert_eq!(
        replace(10, b"dom0|!colour\0"),
        ["notes: the note FEATURES has `!colour`, which the builder does not know"]
    );
    assert_eq!(replace(3, &[0; 4]), ["notes: the note VIRT_BASE has 4 bytes instead of 8"]);
    assert_eq!(
        of_notes(|notes| notes.push((12, vec![1; 4]))),
        ["notes: the note HV_START_LOW has 4 bytes instead of 8"]
    );
    assert_eq!(
        of_notes(|notes| notes.push((2, TEXT.to_le_bytes().to_vec()))),
        ["notes: the note HYPERCALL_PAGE asks for a page that the guest must do without"]
    );
    assert_eq!(of_notes(|notes| notes.push((8, b"generic\0".to_vec()))), ["notes: note 8 is there twice"]);
}

#[test]
fn addresses_that_the_builder_would_misplace_are_found() {
    let found = replace(4, &0u64.to_le_bytes());
    assert_eq!(found.len(), 3, "one for each segment: {found:?}");
    assert!(
        found[0].contains("the segment for 0xffffffff80000000 would be put at 0xffffffff00000000"),
        "{found:?}"
    );
    let found = replace(3, &(TEXT + 1).to_le_bytes());
    assert!(found[0].contains("VIRT_BASE 0xffffffff80000001 is not on a page boundary"), "{found:?}");
    let found = of_notes(|notes| {
        for note in notes.iter_mut().filter(|note| matches!(note.0, 3 | 4)) {
            note.1 = RODATA.to_le_bytes().to_vec();
        }
    });
    assert_eq!(
        found,
        ["notes: the segment 0xffffffff80000000 is below the note VIRT_BASE 0xffffffff80001000"]
    );
}

#[test]
fn cut_notes_are_found() {
    let mut guest = TestElf::good(RET);
    guest.segments[3].memory_len -= 8;
    let found = findings(&guest);
    assert!(found.iter().any(|finding| finding.contains("bytes of the notes are no note")), "{found:?}");
}

#[test]
fn a_damaged_file_never_panics() {
    let linked = TestElf::good(&[0x0f, 0x28, 0xc1, 0x48, 0x89, 0x44, 0x24, 0xf8, 0xc3]).bytes();
    let interesting: Vec<usize> =
        (0..64 + 56 * 4).chain(0x1000..0x1009).chain(0x2000..0x20c0).chain(0x3003..linked.len()).collect();
    let mut gates = Vec::new();
    for at in interesting {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = linked.clone();
            damaged[at] = value;
            if let Ok(findings) = check(&damaged, &Exceptions::default()) {
                gates.extend(findings.iter().map(|finding| finding.gate));
            }
        }
    }
    for gate in [Gate::VectorState, Gate::RedZone, Gate::Segments, Gate::Notes] {
        assert!(gates.contains(&gate), "{gate}");
    }
}
