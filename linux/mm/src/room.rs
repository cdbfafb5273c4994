//! Room for what programs want: what is freed when memory is short, and when it is used up.

use linux_base::{Errno, Result};
use spin::Once;

use crate::evict;
use crate::frame::{free_pages, total_pages};

/// Who frees pages that are kept but not needed.
#[derive(Clone, Copy)]
pub struct Reclaimer {
    /// Is told how many pages are wanted, and how many pages of files may be among them; returns how many it freed.
    pub free: fn(usize, usize) -> usize,
    /// How many clean pages of files there are, mapped ones too.
    pub clean: fn() -> usize,
}

static RECLAIMER: Once<Reclaimer> = Once::new();

/// Names the one who frees pages when there are few, once: the page cache. It is called from wherever a page is wanted, so it
/// passes over whatever is locked, and does not wait.
pub fn set_reclaimer(reclaimer: Reclaimer) {
    RECLAIMER.call_once(|| reclaimer);
}

/// What pages are wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A page of a file, or its mapping.
    File,
    Other,
}

/// Mapped pages that have to prove that they are used, each time memory is short.
const AGED: usize = 32;

/// Pages that are left for the kernel: its heap must not run out before the programs do.
pub(crate) fn reserve() -> usize {
    (total_pages() / 64).max(64)
}

/// Clean pages of files whose place only other pages of files take. Without them programs would go on, but each with a fault at every
/// other instruction: memory is used up before that.
fn working_set() -> usize {
    (total_pages() / 32).min(256)
}

/// Whether so little memory is free that only what is needed should be taken.
pub fn is_scarce() -> bool {
    free_pages() < 4 * reserve()
}

/// Sees to it that the kernel has memory to work with, for whatever a program can pile up: `ENOMEM` when there is nothing free but
/// the reserve, and nothing that could be freed.
pub fn ensure_room() -> Result<()> {
    ensure_free(0)
}

/// As [`ensure_room`], for a page of a file, or its mapping: it may take the place of another one.
pub fn ensure_room_for_file() -> Result<()> {
    make_room(0, Purpose::File)
}

/// As [`ensure_room`], for so many pages.
pub(crate) fn ensure_free(pages: usize) -> Result<()> {
    make_room(pages, Purpose::Other)
}

fn make_room(pages: usize, purpose: Purpose) -> Result<()> {
    let wanted = reserve() + pages;
    let missing = || wanted.saturating_add(1).saturating_sub(free_pages());
    // Pages of files that may go.
    let spare = || match purpose {
        Purpose::File => usize::MAX,
        Purpose::Other => RECLAIMER.get().map_or(0, |from| (from.clean)().saturating_sub(working_set())),
    };
    let reclaim = || RECLAIMER.get().map_or(0, |from| (from.free)(missing().max(64), spare()));
    // First what nobody has mapped, then what is mapped and can be had again. Progress is what is free afterwards.
    while missing() > 0 {
        let before = missing();
        // A mapping is no sign of use: some go each time, and what is not mapped again stands in line with the rest. Otherwise
        // what is mapped and forgotten would outlive what is read all the time.
        if spare() > 0 {
            evict::age(AGED);
        }
        reclaim();
        if missing() > 0 && spare() > 0 && evict::evict(missing().max(64)) > 0 {
            reclaim();
        }
        if missing() >= before {
            return Err(Errno::ENOMEM);
        }
    }
    Ok(())
}
