//! The shared object as a loader sees it, and its code as a program calls it, on a clock of one tick a nanosecond.

use core::arch::x86_64::_rdtsc;
use std::collections::BTreeMap;

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};

use super::*;

/// Name, and address from the beginning.
fn symbols() -> BTreeMap<String, u64> {
    let data = image().as_slice();
    let header = elf::FileHeader64::<Endianness>::parse(data).unwrap();
    let endian = header.endian().unwrap();
    let segments = header.program_headers(endian, data).unwrap();
    let dynamic = segments.iter().find_map(|segment| segment.dynamic(endian, data).unwrap()).unwrap();
    let value = |tag: u32| {
        let entry = dynamic.iter().find(|entry| entry.d_tag.get(endian) == u64::from(tag)).unwrap();
        entry.d_val.get(endian) as usize
    };
    let text = |offset: usize| {
        let rest = &data[value(elf::DT_STRTAB) + offset..];
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(rest[..end].to_vec()).unwrap()
    };
    let word = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap()) as usize;
    let hash = value(elf::DT_HASH);
    assert_eq!(word(hash), 1, "one bucket");
    let mut found = BTreeMap::new();
    let mut index = word(hash + 8);
    while index != 0 {
        let at = value(elf::DT_SYMTAB) + index * 24;
        let address = u64::from_le_bytes(data[at + 8..at + 16].try_into().unwrap());
        let version = value(elf::DT_VERSYM) + index * 2;
        assert_eq!(data[version], 2);
        found.insert(text(word(at)), address);
        index = word(hash + 12 + index * 4);
    }
    let defined = value(elf::DT_VERDEF) + 28;
    assert_eq!(text(word(defined + 20)), "LINUX_2.6");
    assert_eq!(word(defined + 8) as u32, elf::hash(b"LINUX_2.6"));
    assert_eq!(word(defined - 20) as u32, elf::hash(b"linux-vdso.so.1"));
    found
}

/// # Safety
/// `F` is the type of the function of that name.
unsafe fn function<F: Copy>(name: &str) -> F {
    let address = image().as_ptr().wrapping_add(symbols()[name] as usize);
    assert_eq!(size_of::<F>(), size_of_val(&address));
    // SAFETY: an address in executable memory; the type is the caller's promise.
    unsafe { core::mem::transmute_copy(&address) }
}

fn clock_gettime(clock: i32) -> (i32, [i64; 2]) {
    // SAFETY: as in clock_gettime(2).
    let call: extern "C" fn(i32, *mut [i64; 2]) -> i32 = unsafe { function("__vdso_clock_gettime") };
    let mut time = [-1; 2];
    (call(clock, &mut time), time)
}

fn nanos([seconds, nanos]: [i64; 2]) -> i64 {
    assert!((0..1_000_000_000).contains(&nanos));
    seconds * 1_000_000_000 + nanos
}

fn ticks() -> i64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { _rdtsc() as i64 }
}

#[test]
fn a_loader_finds_every_function() {
    let file = ElfFile64::<Endianness>::parse(image().as_slice()).unwrap();
    assert_eq!(file.elf_program_headers().len(), 2);
    let names: Vec<_> = symbols().into_keys().collect();
    let expected = ["clock_getres", "clock_gettime", "getcpu", "gettimeofday", "time"];
    assert_eq!(names, expected.map(|name| format!("__vdso_{name}")));
}

#[test]
fn monotonic_clocks_tell_system_time() {
    for clock in [1, 4, 6, 7] {
        let before = ticks() + 1000;
        let (result, time) = clock_gettime(clock);
        let after = ticks() + 1000;
        assert_eq!(result, 0);
        assert!((before - 1..=after).contains(&nanos(time)), "clock {clock}");
    }
}

#[test]
fn real_clocks_add_the_wall_clocks_base() {
    const BASE: i64 = 5_000_000_000_000_000_000;
    for clock in [0, 5] {
        let before = ticks() + 1000 + BASE;
        let (result, time) = clock_gettime(clock);
        assert_eq!(result, 0);
        assert!((before - 1..=ticks() + 1000 + BASE).contains(&nanos(time)), "clock {clock}");
    }
    // SAFETY: as in time(2).
    let time: extern "C" fn(*mut i64) -> i64 = unsafe { function("__vdso_time") };
    // SAFETY: as in gettimeofday(2).
    let gettimeofday: extern "C" fn(*mut [i64; 2], *mut u64) -> i32 =
        unsafe { function("__vdso_gettimeofday") };
    let mut stored = 0;
    let seconds = time(&mut stored);
    assert_eq!(seconds, stored);
    assert!((ticks() + BASE) / 1_000_000_000 - seconds <= 1);
    let (mut micros, mut zone) = ([0; 2], u64::MAX);
    assert_eq!(gettimeofday(&mut micros, &mut zone), 0);
    assert!(zone == 0 && (0..1_000_000).contains(&micros[1]) && micros[0] - seconds <= 1);
    assert_eq!(gettimeofday(core::ptr::null_mut(), core::ptr::null_mut()), 0);
}

#[test]
fn other_clocks_are_left_to_the_system_call() {
    // The process's CPU clock, which the host answers; and one that there is not.
    let (result, time) = clock_gettime(2);
    assert!(result == 0 && nanos(time) > 0);
    assert_eq!(clock_gettime(77), (-22, [-1, -1]));
}

#[test]
fn there_is_one_cpu_and_a_nanosecond() {
    // SAFETY: as in getcpu(2).
    let getcpu: extern "C" fn(*mut u32, *mut u32) -> i32 = unsafe { function("__vdso_getcpu") };
    // SAFETY: as in clock_getres(2).
    let getres: extern "C" fn(i32, *mut [i64; 2]) -> i32 = unsafe { function("__vdso_clock_getres") };
    let (mut cpu, mut node, mut resolution) = (9, 9, [9; 2]);
    assert_eq!((getcpu(&mut cpu, &mut node), cpu, node), (0, 0, 0));
    assert_eq!((getres(1, &mut resolution), resolution), (0, [0, 1]));
}
