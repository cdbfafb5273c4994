//! The requests of all threads, and the rings that they go through. Nothing here waits.

use alloc::sync::Arc;
use alloc::vec::Vec;

use xen::Platform;
use xen::xenbus::State;
use xen_sys::io::blkif;

use crate::ahead::Ahead;
use crate::disk::{Disk, FlushKind};
use crate::error::Fault;
use crate::job::{Failure, Job, Owner, Want};
use crate::jobs::Jobs;
use crate::lane::{Part, Piece};
use crate::link::{Link, Ports, Stall};
use crate::{Error, Operation, Stats, merge};

/// The buffer of the thread that takes responses, to save a copy when they are its own.
pub(crate) struct Sink<'a> {
    pub job: u64,
    pub buf: &'a mut [u8],
}

/// What became of a request that was to go out.
enum Sent {
    /// A part of it at least.
    Some,
    /// It has to wait for something else than room.
    NotYet,
}

pub(crate) struct Queue<P: Platform> {
    pub label: Arc<str>,
    pub disk: Disk,
    pub link: Option<Link<P>>,
    /// Counts the links.
    pub epoch: u64,
    /// Why nothing goes through the link any more.
    pub fault: Option<Fault>,
    /// No new requests.
    pub closing: bool,
    /// When the back end said goodbye; nothing new goes out.
    pub leaving_since: Option<u64>,
    /// Somebody connects or closes.
    pub busy: bool,
    /// Keep requests for the next link when this one's back end goes.
    pub hold: bool,
    /// So many want requests to be collected first.
    pub plugs: u32,
    pub stats: Stats,
    pub jobs: Jobs,
    /// What is fetched before it is asked for.
    pub ahead: Option<Ahead>,
}

impl<P: Platform> Queue<P> {
    pub fn new(label: Arc<str>, disk: Disk, hold: bool) -> Self {
        Self {
            label,
            disk,
            link: None,
            epoch: 0,
            fault: Some(Fault::Closed),
            closing: false,
            leaving_since: None,
            busy: false,
            hold,
            plugs: 0,
            stats: Stats::default(),
            jobs: Jobs::default(),
            ahead: None,
        }
    }

    /// The disk can be used, if need be after it has come back.
    pub fn check_alive(&self) -> Result<(), Error> {
        match self.fault {
            _ if self.closing => Err(Fault::Closed.error(&self.label)),
            Some(Fault::Gone(_)) if self.hold => Ok(()),
            Some(fault) => Err(fault.error(&self.label)),
            None => Ok(()),
        }
    }

    /// The disk can do this.
    pub fn check(&self, operation: Operation, offset: u64, len: u64) -> Result<(), Error> {
        self.check_alive()?;
        self.check_range(operation, offset, len)
    }

    fn check_range(&self, operation: Operation, offset: u64, len: u64) -> Result<(), Error> {
        let (disk, size) = (self.label.clone(), self.disk.size_bytes);
        let sector_size = self.disk.sector_size;
        let changes = operation.is_write() || operation.is_discard();
        match (operation, self.disk.discard) {
            (Operation::Flush, _) => return Ok(()),
            _ if changes && self.disk.read_only => return Err(Error::ReadOnly { disk }),
            (Operation::Discard, None) => return Err(Error::Unsupported { disk, operation }),
            (Operation::SecureDiscard, limits) if !limits.is_some_and(|limits| limits.secure) => {
                return Err(Error::Unsupported { disk, operation });
            }
            _ => {}
        }
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::OutOfRange { disk, offset, len, size });
        }
        let aligned = [offset, len].iter().all(|number| number.is_multiple_of(sector_size.into()));
        if changes && !aligned {
            return Err(Error::Unaligned { disk, operation, offset, len, unit: sector_size });
        }
        match self.disk.discard.filter(|_| operation == Operation::SecureDiscard) {
            Some(limits) if len > 0 && limits.within(offset, offset + len) != (offset, offset + len) => {
                Err(Error::Unaligned { disk, operation, offset, len, unit: limits.granularity })
            }
            _ => Ok(()),
        }
    }

    /// Takes on a request that was checked.
    pub fn add(
        &mut self,
        owner: Owner,
        operation: Operation,
        start: u64,
        len: u64,
        data: Vec<u8>,
    ) -> Result<u64, Error> {
        let mut job = Job::new(owner, operation, start, len, self.disk.sector_size.into(), data);
        if job.changes_the_disk() {
            self.spoil_ahead(job.first, job.end);
        }
        if let Some(limits) = self.disk.discard.filter(|_| operation.is_discard()) {
            (job.first, job.end) = limits.within(job.first, job.end);
            job.cursor = job.first;
        }
        let (disk, len) = (self.label.clone(), size_of::<Job>() as u64);
        self.jobs.insert(job).map_err(|_| Error::OutOfMemory { disk, len })
    }

    /// Puts on the rings what fits, of all requests whose data is at hand, and of `caller`, whose is here.
    pub fn issue(&mut self, caller: Option<(u64, &[u8])>) {
        if self.fault.is_some() || self.leaving_since.is_some() {
            return;
        }
        let mut at = 0;
        while let Some(id) = self.jobs.waiting(at) {
            let want = self.jobs.get(id).map_or(Want::Nothing, Job::want);
            let sent = match want {
                Want::Nothing => {
                    self.jobs.satisfied(at);
                    continue;
                }
                Want::Answers => Ok(Sent::NotYet),
                Want::Range { start, len } => self.send(at, Part { job: id, start, len }, caller),
                Want::Flush => self.send_flush(id),
            };
            match sent {
                Ok(Sent::Some) => {}
                Ok(Sent::NotYet) => at += 1,
                Err(Stall::TooLarge) => {}
                Err(stall) => {
                    self.stalled(id, stall);
                    break;
                }
            }
        }
        let Some(link) = &mut self.link else { return };
        self.stats.notifications += link.publish();
        self.stats.most_in_flight = self.stats.most_in_flight.max(link.in_flight());
    }

    fn stalled(&mut self, id: u64, stall: Stall) {
        if self.jobs.get_mut(id).is_some_and(|job| !core::mem::replace(&mut job.stalled, true)) {
            match stall {
                Stall::Ring => self.stats.ring_full_waits += 1,
                _ => self.stats.pool_waits += 1,
            }
        }
    }

    /// Sends as much of a range as one request takes, with what touches it.
    fn send(&mut self, at: usize, wanted: Part, caller: Option<(u64, &[u8])>) -> Result<Sent, Stall> {
        let Some(link) = &mut self.link else { return Ok(Sent::NotYet) };
        let is_at_hand = |job: &Job| {
            !job.operation.is_write()
                || job.owner == Owner::Token
                || caller.is_some_and(|(id, _)| id == job.id)
        };
        let Some(job) = self.jobs.get(wanted.job).filter(|job| is_at_hand(job)) else {
            return Ok(Sent::NotYet);
        };
        let (operation, most) = (job.operation, link.largest());
        if operation.is_discard() {
            let flag = if operation == Operation::SecureDiscard { blkif::DISCARD_SECURE } else { 0 };
            link.discard(flag, wanted)?;
            self.stats.requests += 1;
            self.stats.discards += 1;
            if let Some(job) = self.jobs.get_mut(wanted.job) {
                job.advance(wanted.len);
            }
            return Ok(Sent::Some);
        }
        let first = Part { len: wanted.len.min(most), ..wanted };
        let run = merge::run(&self.jobs, at, first, most, is_at_hand);
        let stage = link.stage(run.len)?;
        let parts = || core::iter::once(&first).chain(&run.more);
        for part in parts() {
            let Some(job) = self.jobs.get_mut(part.job) else { continue };
            if operation.is_write() {
                let data = match (job.owner, caller) {
                    (Owner::Caller, Some((_, data))) => data,
                    _ => &job.data[..],
                };
                let from = (part.start - job.first) as usize;
                let bytes = data.get(from..from + part.len as usize).unwrap_or_default();
                link.copy_in(&stage, (part.start - run.start) as usize, bytes);
            }
            job.advance(part.len);
            self.stats.merged += u64::from(part.job != first.job);
        }
        self.stats.requests += 1;
        self.stats.segments += run.len.div_ceil(xen::PAGE_SIZE as u64);
        let code = if operation.is_write() { blkif::OP_WRITE } else { blkif::OP_READ };
        link.transfer(stage, code, run.start, run.len, first, run.more);
        Ok(Sent::Some)
    }

    fn send_flush(&mut self, id: u64) -> Result<Sent, Stall> {
        let Some(link) = &mut self.link else { return Ok(Sent::NotYet) };
        let operation = match self.disk.flush {
            FlushKind::DiskCache => Some(blkif::OP_FLUSH_DISKCACHE),
            FlushKind::Barrier => Some(blkif::OP_WRITE_BARRIER),
            FlushKind::DrainOnly => None,
        };
        if let Some(operation) = operation {
            link.flush(operation, Part { job: id, start: 0, len: 0 })?;
            self.stats.requests += 1;
            self.stats.flushes += 1;
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.needs_flush = false;
            job.outstanding += u32::from(operation.is_some());
        }
        Ok(Sent::Some)
    }

    /// Takes the responses that are there.
    pub fn reap(&mut self, mut sink: Option<Sink<'_>>) {
        while self.fault.is_none() {
            let Some(link) = &mut self.link else { return };
            match link.pop() {
                Ok(None) => return,
                Ok(Some((piece, status))) => self.complete(&piece, status, &mut sink),
                Err(lie) => self.die(Fault::Misbehaved(lie)),
            }
        }
    }

    fn complete(&mut self, piece: &Piece, status: i16, sink: &mut Option<Sink<'_>>) {
        self.stats.responses += 1;
        self.stats.errors += u64::from(status != blkif::RSP_OKAY);
        for part in piece.parts() {
            // A job lives until its pieces are answered.
            let (Some(job), Some(link)) = (self.jobs.get_mut(part.job), &self.link) else { continue };
            job.outstanding -= 1;
            if status == blkif::RSP_OKAY {
                match job.operation {
                    Operation::Read => {
                        self.stats.bytes_read += part.len;
                        deliver(link, job, piece, part, sink);
                    }
                    Operation::Write | Operation::DurableWrite => self.stats.bytes_written += part.len,
                    Operation::Discard | Operation::SecureDiscard => self.stats.bytes_discarded += part.len,
                    Operation::Flush => {}
                }
            } else if !piece.more.is_empty() {
                // Whose fault it is shows when each is alone.
                job.alone = true;
                job.repeat(*part);
            } else {
                refused(job, &mut self.disk, piece, status);
            }
            self.jobs.settle(part.job);
        }
        if let Some(link) = &mut self.link {
            link.recycle(piece);
        }
    }

    /// Gives up the link, and with it the requests on it, or keeps them for the next one.
    pub fn die(&mut self, fault: Fault) {
        let keep = self.hold && matches!(fault, Fault::Gone(_)) && !self.closing;
        if self.fault.is_none() {
            self.fault = Some(fault);
        }
        if let Some(link) = &mut self.link {
            for piece in link.abandon() {
                for part in piece.parts() {
                    if let Some(job) = self.jobs.get_mut(part.job) {
                        job.outstanding -= 1;
                        job.repeat(*part);
                    }
                }
            }
        }
        for job in self.jobs.unfinished().filter(|job| job.operation == Operation::DurableWrite) {
            job.rewind();
        }
        if !keep {
            self.jobs.unfinished().for_each(|job| job.fail(Failure::Fault(fault)));
        }
        self.jobs.settle_all();
        // The disk that comes back may hold something else.
        self.spoil_ahead(0, u64::MAX);
        self.drop_ahead();
    }

    /// Ends the link of a back end that said goodbye once it has answered everything.
    pub fn leave(&mut self) {
        if self.leaving_since.is_some() && self.fault.is_none() && self.in_flight() == 0 {
            self.die(Fault::Gone(State::Closing));
        }
    }

    /// A link is there: what was held goes through it, if the disk that came back is still one for it.
    pub fn revive(&mut self, link: Link<P>, disk: Disk) {
        (self.link, self.disk, self.fault, self.closing) = (Some(link), disk, None, false);
        self.leaving_since = None;
        self.epoch += 1;
        self.stats.connections += 1;
        let sector = u64::from(self.disk.sector_size);
        let held: Vec<u64> = self.jobs.unfinished().map(|job| job.id).collect();
        for id in held {
            let Some((operation, first, end)) =
                self.jobs.get(id).map(|job| (job.operation, job.first, job.end))
            else {
                continue;
            };
            let fits = self.check_range(operation, first, end - first).is_ok()
                && first.is_multiple_of(sector)
                && end.is_multiple_of(sector);
            if let Some(job) = self.jobs.get_mut(id).filter(|_| !fits) {
                job.fail(Failure::Changed);
            }
            self.jobs.settle(id);
        }
        self.issue(None);
    }

    /// The result of a finished request.
    pub fn result(&self, job: &Job) -> Result<(), Error> {
        let disk = self.label.clone();
        match job.failure {
            None => Ok(()),
            Some(Failure::Fault(fault)) => Err(fault.error(&self.label)),
            Some(Failure::OutOfMemory { len }) => Err(Error::OutOfMemory { disk, len }),
            Some(Failure::Unsupported) => Err(Error::Unsupported { disk, operation: job.operation }),
            Some(Failure::Changed) => Err(Error::Changed { disk, offset: job.start, len: job.len }),
            Some(Failure::Status { offset, len, status }) => {
                let intact = offset.saturating_sub(job.start);
                Err(Error::Failed { disk, operation: job.operation, offset, len, intact, status })
            }
        }
    }

    /// The event channels and their counts; to be read before looking at the rings.
    pub fn events(&self) -> Ports {
        self.link.as_ref().filter(|_| self.fault.is_none()).map_or(Ports::none(), Link::events)
    }

    /// Requests that the back end has not answered.
    pub fn in_flight(&self) -> u32 {
        self.link.as_ref().filter(|_| self.fault.is_none()).map_or(0, Link::in_flight)
    }

    /// Asks for an event. `true`: look again first.
    pub fn arm(&mut self) -> bool {
        self.fault.is_none() && self.link.as_mut().is_some_and(Link::arm)
    }
}

fn refused(job: &mut Job, disk: &mut Disk, piece: &Piece, status: i16) {
    if piece.operation == blkif::OP_FLUSH_DISKCACHE || piece.operation == blkif::OP_WRITE_BARRIER {
        let barrier = piece.operation == blkif::OP_WRITE_BARRIER;
        // Some back ends fail an empty barrier when they do not know it.
        if status == blkif::RSP_EOPNOTSUPP || (barrier && status == blkif::RSP_ERROR) {
            disk.flush_refused(if barrier { FlushKind::Barrier } else { FlushKind::DiskCache });
            job.needs_flush = true;
            return;
        }
    }
    if piece.operation == blkif::OP_DISCARD && status == blkif::RSP_EOPNOTSUPP {
        disk.discard_refused(job.operation);
        job.fail(Failure::Unsupported);
        return;
    }
    job.fail(Failure::Status { offset: piece.start, len: piece.len, status });
}

/// Copies what was read to where it belongs.
fn deliver<P: Platform>(
    link: &Link<P>,
    job: &mut Job,
    piece: &Piece,
    part: &Part,
    sink: &mut Option<Sink<'_>>,
) {
    let from = part.start.max(job.start);
    let to = (part.start + part.len).min(job.start + job.len);
    let (skip, len) = ((from - piece.start) as usize, (to - from) as usize);
    let at = (from - job.start) as usize;
    match (job.owner, sink) {
        (Owner::Token | Owner::Ahead, _) => link.copy_out(piece, skip, &mut job.data[at..at + len]),
        (Owner::Caller, Some(sink)) if sink.job == job.id => {
            link.copy_out(piece, skip, &mut sink.buf[at..at + len])
        }
        (Owner::Caller, _) => {
            let mut bytes = Vec::new();
            if bytes.try_reserve_exact(len).is_err() || job.filed.try_reserve(1).is_err() {
                job.fail(Failure::OutOfMemory { len: len as u64 });
                return;
            }
            bytes.resize(len, 0);
            link.copy_out(piece, skip, &mut bytes);
            job.filed.push((at, bytes));
        }
    }
}
