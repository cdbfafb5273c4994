//! Bounce pages: granted once, zeroed before, kept until the link ends.
//!
//! The free ones are a stack, so that a back end that keeps pages mapped sees the same ones again. Stack and requests are
//! lists through one table of successors: taking and giving back allocates nothing.

use alloc::vec::Vec;

use xen::{Access, DomId, GrantError, PAGE_SIZE, Platform, SharedMemory, SharedPage};
use xen_sys::io::blkif::{MAX_SEGMENTS_PER_REQUEST, Segment};

const NONE: u16 = u16::MAX;
/// Segments that a page of an indirect request names.
pub(crate) const SEGMENTS_PER_PAGE: usize = PAGE_SIZE / size_of::<Segment>();

/// Pages of the pool, one leading to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    head: u16,
    len: u16,
}

impl Chain {
    pub const EMPTY: Self = Self { head: NONE, len: 0 };
}

pub(crate) struct Pool<P: Platform> {
    platform: P,
    peer: DomId,
    pages: Vec<SharedPage<P>>,
    /// The successor of each page in the list that it is in.
    next: Vec<u16>,
    free: Chain,
    limit: usize,
}

/// Pages that hold the segments of a request, if it is indirect.
pub(crate) fn descriptors(segments: usize) -> usize {
    if segments <= MAX_SEGMENTS_PER_REQUEST { 0 } else { segments.div_ceil(SEGMENTS_PER_PAGE) }
}

impl<P: Platform> Pool<P> {
    /// One page is enough to get on; the rest come when they are needed.
    pub fn new(platform: &P, peer: DomId, limit: usize) -> Result<Self, GrantError> {
        let platform = platform.clone();
        let limit = limit.clamp(1, NONE.into());
        let mut pool =
            Self { platform, peer, pages: Vec::new(), next: Vec::new(), free: Chain::EMPTY, limit };
        pool.grow()?;
        Ok(pool)
    }

    fn grow(&mut self) -> Result<(), GrantError> {
        self.pages.try_reserve(1).map_err(|_| GrantError::OutOfMemory)?;
        self.next.try_reserve(1).map_err(|_| GrantError::OutOfMemory)?;
        self.pages.push(SharedPage::new(&self.platform, self.peer, Access::ReadWrite)?);
        self.next.push(self.free.head);
        self.free = Chain { head: (self.pages.len() - 1) as u16, len: self.free.len + 1 };
        Ok(())
    }

    /// Segments that a request can have at most, if the back end takes `offered`, once all pages are free.
    pub fn segments(&self, offered: usize) -> usize {
        if offered.min(self.limit) <= MAX_SEGMENTS_PER_REQUEST {
            return offered.min(self.limit);
        }
        offered.min(self.limit - descriptors(offered.min(self.limit)))
    }

    /// Are there so many free pages, if need be new ones? Sets a new limit when no more can be had.
    pub fn has(&mut self, count: usize) -> bool {
        while usize::from(self.free.len) < count && self.pages.len() < self.limit {
            if self.grow().is_err() {
                self.limit = self.pages.len();
            }
        }
        usize::from(self.free.len) >= count
    }

    /// Takes so many free pages.
    pub fn take(&mut self, count: usize) -> Option<Chain> {
        if !self.has(count) {
            return None;
        }
        let Some(last) = count.checked_sub(1) else { return Some(Chain::EMPTY) };
        let head = self.free.head;
        let tail = self.step(head, last);
        let rest = core::mem::replace(&mut self.next[usize::from(tail)], NONE);
        self.free = Chain { head: rest, len: self.free.len - count as u16 };
        Some(Chain { head, len: count as u16 })
    }

    /// Gives pages back.
    pub fn give(&mut self, chain: Chain) {
        let Some(last) = chain.len.checked_sub(1) else { return };
        let tail = self.step(chain.head, last.into());
        self.next[usize::from(tail)] = self.free.head;
        self.free = Chain { head: chain.head, len: self.free.len + chain.len };
    }

    fn step(&self, from: u16, count: usize) -> u16 {
        (0..count).fold(from, |at, _| self.next[usize::from(at)])
    }

    /// The pages of a chain from the `skip`th on.
    pub fn pages(&self, chain: Chain, skip: usize) -> impl Iterator<Item = &SharedPage<P>> {
        let mut at = if skip < usize::from(chain.len) { self.step(chain.head, skip) } else { NONE };
        core::iter::from_fn(move || {
            let page = self.pages.get(usize::from(at))?;
            at = self.next[usize::from(at)];
            Some(page)
        })
    }

    /// Copies into the bytes of a chain that begin `at` bytes behind the page `skip`.
    pub fn copy_in(&self, chain: Chain, skip: usize, at: usize, mut data: &[u8]) {
        let mut within = at % PAGE_SIZE;
        for page in self.pages(chain, skip + at / PAGE_SIZE) {
            let (now, later) = data.split_at(data.len().min(PAGE_SIZE - within));
            page.copy_in(within, now);
            (data, within) = (later, 0);
            if data.is_empty() {
                break;
            }
        }
    }

    /// Copies them out.
    pub fn copy_out(&self, chain: Chain, skip: usize, at: usize, mut into: &mut [u8]) {
        let mut within = at % PAGE_SIZE;
        for page in self.pages(chain, skip + at / PAGE_SIZE) {
            let bytes = into.len().min(PAGE_SIZE - within);
            let (now, later) = core::mem::take(&mut into).split_at_mut(bytes);
            page.copy_out(within, now);
            (into, within) = (later, 0);
            if into.is_empty() {
                break;
            }
        }
    }
}
