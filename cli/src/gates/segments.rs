//! The gate for segments: each page has one permission, and none is both writable and executable.

use object::elf::{PF_R, PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_INTERP, PT_TLS, ProgramHeader64};
use object::{LittleEndian, read::elf::ProgramHeader};

use super::{Finding, Gate};
use crate::image::elf::{LE, Linked, end};

const PAGE: u64 = 4096;

/// Finds segments that cannot be mapped as they should.
pub(crate) fn check(linked: &Linked<'_>) -> Vec<Finding> {
    let mut messages = Vec::new();
    for segment in linked.segments() {
        let executable = segment.p_flags(LE) & PF_X != 0;
        match segment.p_type(LE) {
            PT_INTERP | PT_DYNAMIC => messages.push("the file is linked dynamically".to_owned()),
            PT_TLS => messages.push("there is thread-local storage, which nobody sets up".to_owned()),
            PT_GNU_STACK if executable => messages.push("an executable stack is asked for".to_owned()),
            _ => {}
        }
    }
    let mut loaded: Vec<_> = linked.loaded().collect();
    loaded.sort_by_key(|segment| segment.p_vaddr(LE));
    for segment in &loaded {
        let name = describe(segment);
        let flags = segment.p_flags(LE);
        if flags & PF_W != 0 && flags & PF_X != 0 {
            messages.push(format!("{name} is both writable and executable"));
        }
        if !segment.p_vaddr(LE).is_multiple_of(PAGE) {
            messages.push(format!("{name} does not start on a page boundary"));
        }
        if segment.p_filesz(LE) > segment.p_memsz(LE) {
            messages.push(format!("{name} has more contents ({:#x}) than memory", segment.p_filesz(LE)));
        }
        if linked.contents(segment).is_none() {
            messages.push(format!("the contents of {name} are not in the file"));
        }
    }
    for pair in loaded.windows(2) {
        let [lower, upper] = pair else { continue };
        let lower_pages_end = end(lower).checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let upper_pages_start = upper.p_vaddr(LE) / PAGE * PAGE;
        if end(lower) > upper.p_vaddr(LE) {
            messages.push(format!("{} and {} overlap", describe(lower), describe(upper)));
        } else if lower_pages_end > upper_pages_start && lower.p_flags(LE) != upper.p_flags(LE) {
            messages.push(format!("{} and {} share a page", describe(lower), describe(upper)));
        }
    }
    if !is_code(linked, linked.entry()) {
        messages.push(format!("the entry point {:#x} is in no executable segment", linked.entry()));
    }
    messages.into_iter().map(|message| Finding { gate: Gate::Segments, message }).collect()
}

/// Whether `address` lies in the contents of an executable segment.
pub(crate) fn is_code(linked: &Linked<'_>, address: u64) -> bool {
    linked.loaded().any(|segment| {
        let within = address.wrapping_sub(segment.p_vaddr(LE)) < segment.p_filesz(LE);
        within && segment.p_flags(LE) & PF_X != 0
    })
}

fn describe(segment: &ProgramHeader64<LittleEndian>) -> String {
    let flags = segment.p_flags(LE);
    let letter = |flag, letter| if flags & flag != 0 { letter } else { '-' };
    let (r, w, x) = (letter(PF_R, 'r'), letter(PF_W, 'w'), letter(PF_X, 'x'));
    format!("segment {:#x}-{:#x} {r}{w}{x}", segment.p_vaddr(LE), end(segment))
}
