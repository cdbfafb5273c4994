//! Giving clean pages back when memory runs out.
//!
//! Every page that can be got again from a disk stands in a line. [`reclaim`] goes through it: a page that was used since it came by
//! last, or is mapped, goes to the end of the line; the others go. Nothing here waits for a lock: who allocates may hold one.

use alloc::collections::VecDeque;
use alloc::sync::Weak;

use linux_base::Mutex;

use crate::tree::Node;

struct Line {
    pages: VecDeque<(Weak<Node>, u64)>,
    /// How long it may become before what is stale is taken out.
    limit: usize,
}

static LINE: Mutex<Line> = Mutex::new(Line { pages: VecDeque::new(), limit: 1024 });

/// A clean page has come.
pub(crate) fn register(node: &Weak<Node>, index: u64) {
    let mut stale = VecDeque::new();
    if let Some(mut line) = LINE.try_lock()
        && line.pages.try_reserve(1).is_ok()
    {
        line.pages.push_back((node.clone(), index));
        if line.pages.len() > line.limit {
            stale = line.sweep();
        }
    }
    drop(stale);
}

impl Line {
    /// Takes out the pages of files that are gone.
    fn sweep(&mut self) -> VecDeque<(Weak<Node>, u64)> {
        let all = core::mem::take(&mut self.pages);
        let (kept, stale) =
            all.into_iter().partition(|(node, _): &(Weak<Node>, u64)| node.strong_count() > 0);
        self.pages = kept;
        self.limit = (self.pages.len() * 2).max(1024);
        stale
    }
}

/// Frees up to `wanted` clean pages and returns how many. Each page of the line is looked at twice at most.
pub fn reclaim(wanted: usize) -> usize {
    let mut freed = 0;
    let Some(mut looks) = LINE.try_lock().map(|line| line.pages.len() * 2) else { return 0 };
    while freed < wanted && looks > 0 {
        looks -= 1;
        let next = LINE.try_lock().and_then(|mut line| line.pages.pop_front());
        let Some((weak, index)) = next else { break };
        // A node that is locked, or whose last user is here, is passed by.
        let went = weak.upgrade().map(|node| node.give_back(index));
        match went {
            Some(Some(true)) => freed += 1,
            Some(Some(false)) => {
                if let Some(mut line) = LINE.try_lock() {
                    line.pages.push_back((weak, index));
                }
            }
            Some(None) | None => {}
        }
    }
    freed
}

/// How many clean pages stand in the line: memory that can be had.
pub fn clean_pages() -> usize {
    LINE.try_lock().map_or(0, |line| line.pages.len())
}
