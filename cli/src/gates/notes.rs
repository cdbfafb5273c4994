//! The gate for ELF notes, by which the domain builder knows a PV guest (xen/include/public/elfnote.h).
//!
//! The builder is lax: it takes the last of two notes, ignores features that it does not know and takes whatever address it
//! is given. So the rules here are stricter than its own.

use std::collections::BTreeMap;

use object::elf::PT_NOTE;
use object::read::elf::ProgramHeader;
use xen_sys::elfnote::{
    ENTRY, FEATURES, GUEST_OS, HV_START_LOW, INIT_P2M, LOADER, PADDR_OFFSET, PAE_MODE, VIRT_BASE, XEN_VERSION,
};

use super::segments::is_code;
use super::{Finding, Gate};
use crate::image::elf::{LE, Linked};

const PAGE: u64 = 4096;
/// xen-sys leaves this one out, since nobody should use it.
const HYPERCALL_PAGE: u32 = 2;

const REQUIRED: [(u32, &str); 8] = [
    (ENTRY, "ENTRY"),
    (VIRT_BASE, "VIRT_BASE"),
    (PADDR_OFFSET, "PADDR_OFFSET"),
    (XEN_VERSION, "XEN_VERSION"),
    (GUEST_OS, "GUEST_OS"),
    (LOADER, "LOADER"),
    (PAE_MODE, "PAE_MODE"),
    (FEATURES, "FEATURES"),
];
/// The features that the builder knows by name.
const KNOWN_FEATURES: [&str; 7] = [
    "writable_page_tables",
    "writable_descriptor_tables",
    "auto_translated_physmap",
    "supervisor_mode_kernel",
    "pae_pgdir_above_4gb",
    "hvm_callback_vector",
    "dom0",
];

/// Finds what is wrong with the notes.
pub(crate) fn check(linked: &Linked<'_>) -> Vec<Finding> {
    let mut checker = Checker { linked, notes: BTreeMap::new(), messages: Vec::new() };
    checker.collect();
    checker.strings();
    checker.addresses();
    checker.features();
    checker.messages.into_iter().map(|message| Finding { gate: Gate::Notes, message }).collect()
}

struct Checker<'a> {
    linked: &'a Linked<'a>,
    notes: BTreeMap<u32, &'a [u8]>,
    messages: Vec<String>,
}

impl<'a> Checker<'a> {
    fn collect(&mut self) {
        let linked = self.linked;
        for segment in linked.segments().iter().filter(|segment| segment.p_type(LE) == PT_NOTE) {
            match linked.contents(segment) {
                // The builder passes over note segments at offset 0, which old linkers wrote.
                Some(_) if segment.p_offset(LE) == 0 => {
                    self.messages.push("a note segment is at offset 0".into())
                }
                Some(notes) => self.collect_segment(notes),
                None => self.messages.push("a note segment is not in the file".into()),
            }
        }
        for (kind, name) in REQUIRED {
            if !self.notes.contains_key(&kind) {
                self.messages.push(format!("the note {name} is missing"));
            }
        }
        if self.notes.contains_key(&HYPERCALL_PAGE) {
            self.messages
                .push("the note HYPERCALL_PAGE asks for a page that the guest must do without".into());
        }
    }

    fn collect_segment(&mut self, mut rest: &'a [u8]) {
        while !rest.is_empty() {
            let Some((note, after)) = Note::split(rest) else {
                self.messages.push(format!("the last {} bytes of the notes are no note", rest.len()));
                return;
            };
            if note.name == b"Xen\0" && self.notes.insert(note.kind, note.value).is_some() {
                self.messages.push(format!("note {} is there twice", note.kind));
            }
            rest = after;
        }
    }

    fn strings(&mut self) {
        self.text_is(XEN_VERSION, "XEN_VERSION", "`xen-3.0`", |text| text == "xen-3.0");
        self.text_is(GUEST_OS, "GUEST_OS", "a name", |text| !text.is_empty());
        self.text_is(LOADER, "LOADER", "`generic`", |text| text == "generic");
        self.text_is(PAE_MODE, "PAE_MODE", "`yes`", |text| text == "yes" || text.contains("bimodal"));
    }

    fn text_is(&mut self, kind: u32, name: &str, wanted: &str, fits: fn(&str) -> bool) {
        if let Some(text) = self.string(kind, name)
            && !fits(text)
        {
            self.messages.push(format!("the note {name} is `{text}` and should be {wanted}"));
        }
    }

    fn addresses(&mut self) {
        if let Some(entry) = self.number(ENTRY, "ENTRY")
            && !is_code(self.linked, entry)
        {
            self.messages.push(format!("the note ENTRY {entry:#x} is in no executable segment"));
        }
        for (kind, name) in [(HV_START_LOW, "HV_START_LOW"), (INIT_P2M, "INIT_P2M")] {
            if self.notes.contains_key(&kind) {
                self.number(kind, name);
            }
        }
        let base = self.number(VIRT_BASE, "VIRT_BASE");
        let offset = self.number(PADDR_OFFSET, "PADDR_OFFSET");
        let (Some(base), Some(offset)) = (base, offset) else { return };
        if base % PAGE != 0 {
            self.messages.push(format!("the note VIRT_BASE {base:#x} is not on a page boundary"));
        }
        for segment in self.linked.loaded() {
            let (address, physical) = (segment.p_vaddr(LE), segment.p_paddr(LE));
            let placed = physical.wrapping_sub(offset).wrapping_add(base);
            if placed != address {
                let message = format!(
                    "by the notes VIRT_BASE and PADDR_OFFSET the segment for {address:#x} would be put at {placed:#x}"
                );
                self.messages.push(message);
            }
            if address < base {
                self.messages.push(format!("the segment {address:#x} is below the note VIRT_BASE {base:#x}"));
            }
        }
    }

    fn features(&mut self) {
        let Some(features) = self.string(FEATURES, "FEATURES") else { return };
        for feature in features.split('|').filter(|feature| !feature.is_empty()) {
            if !KNOWN_FEATURES.contains(&feature.trim_start_matches('!')) {
                self.messages
                    .push(format!("the note FEATURES has `{feature}`, which the builder does not know"));
            }
        }
    }

    /// The text of a note, without the zero byte that must end it.
    fn string(&mut self, kind: u32, name: &str) -> Option<&'a str> {
        let value = *self.notes.get(&kind)?;
        let text = value.strip_suffix(b"\0").and_then(|text| std::str::from_utf8(text).ok());
        // Alignment after the zero is padding, not part of the value.
        let text = text.map(|text| text.trim_end_matches('\0')).filter(|text| !text.contains('\0'));
        if text.is_none() {
            self.messages.push(format!("the note {name} is no text that ends in a zero byte"));
        }
        text
    }

    fn number(&mut self, kind: u32, name: &str) -> Option<u64> {
        let value = *self.notes.get(&kind)?;
        let number = value.try_into().ok().map(u64::from_le_bytes);
        if number.is_none() {
            self.messages.push(format!("the note {name} has {} bytes instead of 8", value.len()));
        }
        number
    }
}

struct Note<'a> {
    kind: u32,
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Note<'a> {
    /// The first note and what follows it.
    fn split(notes: &'a [u8]) -> Option<(Note<'a>, &'a [u8])> {
        let word =
            |at: usize| -> Option<u32> { Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?)) };
        let (name_len, value_len, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let name = notes.get(12..12 + name_len)?;
        let value_at = 12 + name_len.next_multiple_of(4);
        let value = notes.get(value_at..value_at + value_len)?;
        // The last note's padding may be cut off.
        let after = notes.get(value_at + value_len.next_multiple_of(4)..).unwrap_or_default();
        Some((Note { kind, name, value }, after))
    }
}
