//! Requests that touch go over the ring as one.

use alloc::vec::Vec;

use crate::Operation;
use crate::job::{Job, Want};
use crate::jobs::Jobs;
use crate::lane::Part;

/// How far down the list of those that wait one looks for a neighbour.
const LOOK: usize = 32;

/// A range of the disk, and the parts of other jobs in it.
pub(crate) struct Run {
    pub start: u64,
    pub len: u64,
    pub more: Vec<Part>,
}

/// Extends `first`, which the job at the place `at` wants, by what those behind it want right before and after it, up to `most`
/// bytes. A write that another request stands before, which touches the same sectors, stays where it is.
pub(crate) fn run(jobs: &Jobs, at: usize, first: Part, most: u64, is_at_hand: impl Fn(&Job) -> bool) -> Run {
    let (mut start, mut end, mut more) = (first.start, first.start + first.len, Vec::new());
    let operation = jobs.get(first.job).filter(|job| !job.alone).map(|job| job.operation);
    let mut passed = [(0, 0); LOOK];
    for (place, passed_here) in (at + 1..).zip(0..LOOK) {
        let Some(id) = jobs.waiting(place).filter(|_| end - start < most) else { break };
        let Some(job) = jobs.get(id) else { continue };
        let Want::Range { start: from, len } = job.want() else { continue };
        let room = most - (end - start);
        let same = match operation {
            Some(Operation::Read) => job.operation == Operation::Read,
            Some(operation) => operation.is_write() && job.operation.is_write(),
            None => false,
        };
        let fits = same
            && !job.alone
            && is_at_hand(job)
            && !passed.iter().any(|(first, end)| *first < from + len && from < *end)
            && more.try_reserve(1).is_ok();
        if fits && from == end {
            let len = len.min(room);
            more.push(Part { job: id, start: from, len });
            end += len;
        } else if fits && from + len == start && len <= room {
            more.push(Part { job: id, start: from, len });
            start = from;
        } else if let Some(passed) = passed.get_mut(passed_here) {
            *passed = (job.first, job.end);
        }
    }
    Run { start, len: end - start, more }
}
