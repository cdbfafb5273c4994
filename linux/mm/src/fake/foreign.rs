//! Other domains for tests: their frames and grants, and what is mapped of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;

use linux_base::{Errno, Result};

use crate::{Frame, Frames, PAGE_SIZE, Rights};

const EPERM: i32 = 1;
const ESRCH: i32 = 3;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
/// `GNTST_bad_domain` and `GNTST_bad_gntref`
const BAD_DOMAIN: i16 = -2;
const BAD_GNTREF: i16 = -3;
/// Pages that are shown at once at most.
const SHOWN: usize = 4;

/// A domain.
#[derive(Clone, Default)]
struct Domain {
    /// Whether we look after it.
    is_ours: bool,
    frames: BTreeMap<u64, Frame>,
    grants: BTreeMap<u32, Frame>,
}

struct Mapped {
    domain: u16,
    frame: Frame,
    write: bool,
    by_grant: bool,
}

/// Other domains, and what is mapped of them. Machine frames have the numbers of guest frames, with the highest bit of 40 set.
#[derive(Default)]
pub struct FakeForeign {
    domains: BTreeMap<u16, Domain>,
    mapped: BTreeMap<u64, Mapped>,
}

impl FakeForeign {
    /// What makes a frame number one of the machine.
    pub const MACHINE: u64 = 1 << 39;

    /// Makes a domain with these frames, which we look after.
    pub fn add_target(&mut self, domain: u16, frames: impl IntoIterator<Item = (u64, Frame)>) {
        let frames = frames.into_iter().collect();
        self.domains.insert(domain, Domain { is_ours: true, frames, ..Domain::default() });
    }

    /// Has a domain, which is made if it is new, grant a page.
    pub fn add_grant(&mut self, domain: u16, gref: u32, frame: Frame) {
        self.domains.entry(domain).or_default().grants.insert(gref, frame);
    }

    /// The same domains, with nothing mapped of them.
    pub(super) fn without_mappings(&self) -> Self {
        Self { domains: self.domains.clone(), mapped: BTreeMap::new() }
    }

    /// Grants that are mapped.
    pub fn grants(&self) -> usize {
        self.mapped.values().filter(|mapped| mapped.by_grant).count()
    }

    /// Frames that are mapped, those by grants too.
    pub fn count(&self) -> usize {
        self.mapped.len()
    }

    pub(super) fn rights(&self, address: u64) -> Option<Rights> {
        self.mapped.get(&address).map(|mapped| Rights { write: mapped.write, execute: false })
    }

    pub(super) fn maps_any(&self, range: &Range<u64>) -> bool {
        self.mapped.range(range.clone()).next().is_some()
    }

    /// Maps frames. Returns how many hypercalls that would be.
    pub(super) fn map(
        &mut self,
        address: u64,
        domain: u16,
        frames: Frames<'_>,
        write: bool,
        errors: &mut [i32],
    ) -> usize {
        assert_eq!(frames.numbers().len(), errors.len());
        let found = self.domains.get(&domain);
        let refused = match found {
            None => Some(ESRCH),
            Some(found) if !found.is_ours => Some(EPERM),
            Some(_) => None,
        };
        if let Some(errno) = refused {
            errors.fill(errno);
            return 1;
        }
        let mut calls = 1;
        let is_machine = matches!(frames, Frames::Machine(_));
        for (page, (number, error)) in frames.numbers().iter().zip(errors).enumerate() {
            let at = address + (page * PAGE_SIZE) as u64;
            let number = if is_machine { number.wrapping_sub(Self::MACHINE) } else { *number };
            let frame = found.and_then(|found| found.frames.get(&number));
            *error = match frame {
                _ if self.mapped.contains_key(&at) => EBUSY,
                None => EINVAL,
                Some(frame) => {
                    let mapped = Mapped { domain, frame: frame.clone(), write, by_grant: false };
                    self.mapped.insert(at, mapped);
                    0
                }
            };
            calls += usize::from(*error == EINVAL);
        }
        calls
    }

    pub(super) fn map_grants(
        &mut self,
        address: u64,
        grants: &[(u16, u32)],
        write: bool,
        status: &mut [i16],
    ) {
        assert_eq!(grants.len(), status.len());
        for (page, ((domain, gref), status)) in grants.iter().zip(status).enumerate() {
            let at = address + (page * PAGE_SIZE) as u64;
            let found = self.domains.get(domain);
            let frame = found.and_then(|found| found.grants.get(gref));
            *status = match (found, frame) {
                (None, _) => BAD_DOMAIN,
                (Some(_), None) => BAD_GNTREF,
                (Some(_), Some(frame)) => {
                    let mapped = Mapped { domain: *domain, frame: frame.clone(), write, by_grant: true };
                    assert!(self.mapped.insert(at, mapped).is_none(), "{at:#x} is mapped");
                    0
                }
            };
        }
    }

    pub(super) fn clear(&mut self, start: u64, end: u64) {
        self.mapped.retain(|address, _| !(start..end).contains(address));
    }

    /// Copies some pages to one place, where they can be changed, and back.
    pub(super) fn show(
        &mut self,
        address: u64,
        pages: usize,
        domain: u16,
        run: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<()> {
        assert!(address.is_multiple_of(PAGE_SIZE as u64) && pages > 0);
        let at = |page: usize| address + (page * PAGE_SIZE) as u64;
        let is_shown = |page: &usize| {
            let mapped = self.mapped.get(&at(*page));
            mapped.is_some_and(|mapped| {
                mapped.by_grant && *page == 0 || !mapped.by_grant && mapped.domain == domain
            })
        };
        let count = (0..pages.min(SHOWN)).take_while(is_shown).count();
        if count == 0 {
            return Err(Errno::EFAULT);
        }
        let mut bytes: Vec<u8> = alloc::vec![0; count * PAGE_SIZE];
        for (page, bytes) in bytes.chunks_mut(PAGE_SIZE).enumerate() {
            self.mapped[&at(page)].frame.read(0, bytes);
        }
        let before = bytes.clone();
        let start = NonNull::new(bytes.as_mut_ptr()).ok_or(Errno::EFAULT)?;
        run(start, count);
        for (page, (bytes, before)) in bytes.chunks(PAGE_SIZE).zip(before.chunks(PAGE_SIZE)).enumerate() {
            let mapped = &self.mapped[&at(page)];
            assert!(mapped.write || bytes == before, "a page that may only be read was written");
            mapped.frame.write(0, bytes);
        }
        Ok(())
    }
}
