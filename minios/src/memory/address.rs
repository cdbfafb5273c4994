//! Page frame numbers, machine frame numbers, and where things are in the address space.
//!
//! | from | what |
//! |---|---|
//! | 0 | applications (the Linux personality) |
//! | 0xffff800000000000 | Xen; the machine-to-physical table at its beginning |
//! | 0xffff880000000000 | direct map: free pages and page tables, by page frame number |
//! | 0xffffffff80000000 | image, and what the domain builder put behind it, by page frame number |
//! | 0xffffffffc0000000 | mappings made at run time: stacks, grant table, foreign frames |

use core::fmt;

/// First address of the image; page frame 0.
pub const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;
/// First address of the direct map; page frame 0 would be there.
pub const DIRECT_BASE: u64 = 0xffff_8800_0000_0000;
/// First address of the mappings made at run time.
pub const DYNAMIC_BASE: u64 = 0xffff_ffff_c000_0000;
/// Address after the last of those mappings.
pub const DYNAMIC_END: u64 = 0xffff_ffff_ffe0_0000;
/// Xen's table that leads from machine to page frame numbers.
pub const MACHINE_TO_PHYS: u64 = xen_sys::x86::HYPERVISOR_VIRT_START;

/// Page frame number: the n-th page of this guest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pfn(pub usize);

/// Machine frame number: where Xen put a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mfn(pub u64);

impl Pfn {
    /// Its address in the image's area.
    pub const fn image_address(self) -> u64 {
        VIRT_BASE + ((self.0 as u64) << 12)
    }
    /// Its address in the direct map.
    pub const fn direct_address(self) -> u64 {
        DIRECT_BASE + ((self.0 as u64) << 12)
    }
    /// The page that an address of either area lies in.
    pub const fn of_address(address: u64) -> Self {
        let base = if address >= VIRT_BASE { VIRT_BASE } else { DIRECT_BASE };
        Self(((address - base) >> 12) as usize)
    }
}

impl Mfn {
    /// Its machine address.
    pub const fn address(self) -> u64 {
        self.0 << 12
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Mfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What a mapping allows. There is no variant that is both writable and executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// A bit for software: the frame is another domain's.
const FOREIGN: u64 = 1 << 9;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// A page-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(pub u64);

impl Entry {
    /// Maps nothing.
    pub const NONE: Self = Self(0);

    /// Maps a page of the kernel: without the user bit, which Xen sets itself and takes a mapping that came with it for one
    /// of user mode, global, whose TLB entry would outlive the switch to user mode.
    pub const fn page(mfn: Mfn, protection: Protection) -> Self {
        let access = match protection {
            Protection::Read => NO_EXECUTE,
            Protection::ReadWrite => WRITABLE | DIRTY | NO_EXECUTE,
            Protection::ReadExecute => 0,
        };
        Self(mfn.address() | PRESENT | ACCESSED | access)
    }

    /// Maps a page for user mode.
    pub const fn user(mfn: Mfn, writable: bool, executable: bool) -> Self {
        let access = if writable { WRITABLE } else { 0 } | if executable { 0 } else { NO_EXECUTE };
        Self(mfn.address() | PRESENT | USER | ACCESSED | access)
    }

    /// Maps a frame of another domain for user mode. Nothing may take its number for one of ours.
    pub const fn foreign(mfn: Mfn, writable: bool) -> Self {
        Self(Self::user(mfn, writable, false).0 | FOREIGN)
    }

    /// Whether the frame is another domain's.
    pub const fn is_foreign(self) -> bool {
        self.0 & FOREIGN != 0
    }

    /// The same frame, accessed and dirty bits, with other permissions of user mode.
    pub const fn with_access(self, writable: bool, executable: bool) -> Self {
        Self(Self::user(self.mfn(), writable, executable).0 & !ACCESSED | self.0 & (ACCESSED | DIRTY))
    }

    /// Leads to the table of the next level.
    pub const fn table(mfn: Mfn) -> Self {
        Self(mfn.address() | PRESENT | WRITABLE | USER | ACCESSED)
    }

    /// The same as the kernel's own, without the right to execute.
    pub const fn not_executable(self) -> Self {
        Self((self.0 | NO_EXECUTE) & !USER)
    }

    /// Whether it maps something.
    pub const fn is_present(self) -> bool {
        self.0 & PRESENT != 0
    }

    /// Whether it lets write.
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// Whether it lets execute.
    pub const fn is_executable(self) -> bool {
        self.0 & NO_EXECUTE == 0
    }

    /// Whether the processor has used it.
    pub const fn is_accessed(self) -> bool {
        self.0 & ACCESSED != 0
    }

    /// Whether the processor has written through it.
    pub const fn is_dirty(self) -> bool {
        self.0 & DIRTY != 0
    }

    /// The frame it leads to.
    pub const fn mfn(self) -> Mfn {
        Mfn((self.0 & FRAME) >> 12)
    }
}

/// Which entry of the table of `level` (1 to 4) an address uses.
pub const fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize & 511
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_areas_do_not_share_top_level_entries_with_xen() {
        assert_eq!(index(DIRECT_BASE, 4), 272);
        assert_eq!(index(VIRT_BASE, 4), 511);
        assert_eq!(index(VIRT_BASE, 3), 510);
        assert_eq!(index(DYNAMIC_BASE, 3), 511);
        assert!((256..272).contains(&index(MACHINE_TO_PHYS, 4)));
    }

    #[test]
    fn no_entry_is_writable_and_executable() {
        for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadExecute] {
            let entry = Entry::page(Mfn(5), protection).0;
            assert!(entry & WRITABLE == 0 || entry & NO_EXECUTE != 0, "{protection:?}");
        }
    }

    #[test]
    fn a_foreign_frame_is_known_by_its_entry() {
        let entry = Entry::foreign(Mfn(0xff_ffff_ffff), true);
        assert!(entry.is_foreign() && entry.is_writable() && !entry.is_executable());
        assert_eq!(entry.mfn(), Mfn(0xff_ffff_ffff));
        assert!(!Entry::user(Mfn(0xff_ffff_ffff), true, true).is_foreign());
        assert!(!Entry::page(Mfn(0xff_ffff_ffff), Protection::ReadWrite).is_foreign());
    }

    #[test]
    fn a_page_is_found_again_by_both_its_addresses() {
        let pfn = Pfn(0x1234);
        assert_eq!(Pfn::of_address(pfn.image_address() + 5), pfn);
        assert_eq!(Pfn::of_address(pfn.direct_address() + 4095), pfn);
        assert_eq!(Entry::page(Mfn(77), Protection::Read).mfn(), Mfn(77));
    }
}
