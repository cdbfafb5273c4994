//! Which pages of the send buffer are free: [`PagePool`].
//!
//! A frame lies in consecutive pages, and its pages come back one by one in whatever order the back end is done with them. A
//! bit per page and the first run that is long enough keep what is in use together at the low end, and in the cache.

/// Pages at most: as many as the ring has slots.
pub(crate) const MAX_PAGES: usize = 256;

const WORD: usize = u64::BITS as usize;

pub(crate) struct PagePool {
    /// A bit for each page: whether it is free.
    free: [u64; MAX_PAGES / WORD],
    pages: usize,
}

impl PagePool {
    /// All of `pages` pages are free.
    pub fn new(pages: usize) -> Self {
        let mut pool = Self { free: [0; MAX_PAGES / WORD], pages: pages.min(MAX_PAGES) };
        for page in 0..pool.pages {
            pool.free[page / WORD] |= 1 << (page % WORD);
        }
        pool
    }

    /// The lowest page from which `len` pages are free.
    pub fn run(&self, len: usize) -> Option<usize> {
        let mut from = 0;
        loop {
            let start = self.next(from, |word| word)?;
            let end = self.next(start, |word| !word).unwrap_or(self.pages);
            if end - start >= len {
                return Some(start);
            }
            from = end;
        }
    }

    /// Takes a free page.
    pub fn take(&mut self, page: usize) {
        self.free[page / WORD] &= !(1 << (page % WORD));
    }

    /// Takes a page back; `false` if it is free, or not of this pool.
    #[must_use = "a page that was not in use is a lie"]
    pub fn give_back(&mut self, page: usize) -> bool {
        if page >= self.pages {
            return false;
        }
        let (word, bit) = (&mut self.free[page / WORD], 1 << (page % WORD));
        let in_use = *word & bit == 0;
        *word |= bit;
        in_use
    }

    /// The lowest page from `from` on whose bit is set in the words that `of` makes.
    fn next(&self, from: usize, of: impl Fn(u64) -> u64) -> Option<usize> {
        let mut at = from;
        while at < self.pages {
            let word = of(self.free[at / WORD]) >> (at % WORD);
            if word != 0 {
                return Some(at + word.trailing_zeros() as usize).filter(|page| *page < self.pages);
            }
            at = (at / WORD + 1) * WORD;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random;

    #[test]
    fn runs_are_found_as_a_plain_search_finds_them() {
        let mut seed = 0xdead;
        for pages in [1, 17, 63, 64, 65, 128, 200, 255, 256] {
            let (mut pool, mut free) = (PagePool::new(pages), vec![true; pages]);
            for _ in 0..if cfg!(miri) { 12 } else { 2_000 } {
                let len = random(&mut seed) as usize % 18 + 1;
                let plain = (0..=pages.saturating_sub(len)).find(|start| {
                    free.get(*start..*start + len).is_some_and(|run| run.iter().all(|free| *free))
                });
                assert_eq!(pool.run(len), plain);
                if let Some(start) = plain.filter(|_| !random(&mut seed).is_multiple_of(3)) {
                    free[start..start + len].fill(false);
                    (start..start + len).for_each(|page| pool.take(page));
                }
                for _ in 0..random(&mut seed) % 12 {
                    let page = random(&mut seed) as usize % (pages + 9);
                    let in_use = free.get(page) == Some(&false);
                    assert_eq!(pool.give_back(page), in_use);
                    if in_use {
                        free[page] = true;
                    }
                }
            }
        }
    }
}
