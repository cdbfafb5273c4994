//! The requests of all threads, and the ring that they go through. Nothing here waits.

use alloc::sync::Arc;
use alloc::vec::Vec;

use xen::{EventSeq, Platform, Port};
use xen_sys::io::blkif;

use crate::disk::{Disk, FlushKind};
use crate::error::Fault;
use crate::job::{Failure, Job, Owner};
use crate::link::{Link, Piece, Plan, Stall};
use crate::{Error, Operation, Stats};

/// The buffer of the thread that takes responses, to save a copy when they are its own.
pub(crate) struct Sink<'a> {
    pub job: u64,
    pub buf: &'a mut [u8],
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
    /// Somebody connects or closes.
    pub busy: bool,
    /// Keep requests for the next link when this one's back end goes.
    pub hold: bool,
    pub stats: Stats,
    jobs: Vec<Job>,
    next_id: u64,
}

impl<P: Platform> Queue<P> {
    pub fn new(label: Arc<str>, disk: Disk, hold: bool) -> Self {
        let (link, fault, stats, jobs) = (None, Some(Fault::Closed), Stats::default(), Vec::new());
        Self {
            label,
            disk,
            link,
            epoch: 0,
            fault,
            closing: false,
            busy: false,
            hold,
            stats,
            jobs,
            next_id: 1,
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
        let (disk, size) = (self.label.clone(), self.disk.size_bytes);
        let sector_size = self.disk.sector_size;
        match operation {
            Operation::Flush => return Ok(()),
            Operation::Write if self.disk.read_only => return Err(Error::ReadOnly { disk }),
            _ => {}
        }
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::OutOfRange { disk, offset, len, size });
        }
        let aligned = [offset, len].iter().all(|number| number.is_multiple_of(sector_size.into()));
        if operation == Operation::Write && !aligned {
            return Err(Error::Unaligned { disk, offset, len, sector_size });
        }
        Ok(())
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
        let disk = self.label.clone();
        self.jobs.try_reserve(1).map_err(|_| Error::OutOfMemory { disk, len: size_of::<Job>() as u64 })?;
        let sector = u64::from(self.disk.sector_size);
        let (first, end) = match operation {
            Operation::Flush => (0, 1),
            _ if len == 0 => (start, start),
            _ => (start - start % sector, (start + len).next_multiple_of(sector)),
        };
        let id = self.next_id;
        self.next_id += 1;
        let (outstanding, failure, filed, stalled) = (0, None, Vec::new(), false);
        let cursor = first;
        self.jobs.push(Job {
            id,
            owner,
            operation,
            start,
            len,
            first,
            end,
            cursor,
            outstanding,
            failure,
            data,
            filed,
            stalled,
        });
        Ok(id)
    }

    /// Is there a request of a `Token` that the ring has not taken whole?
    pub fn is_backed_up(&self) -> bool {
        self.jobs.iter().any(|job| job.owner == Owner::Token && job.is_hungry())
    }

    /// Puts on the ring what fits, of all requests whose data is at hand, and of `caller`, whose is here.
    pub fn issue(&mut self, caller: Option<(u64, &[u8])>) {
        if self.fault.is_some() {
            return;
        }
        for at in 0..self.jobs.len() {
            let data = caller.filter(|(id, _)| *id == self.jobs[at].id).map(|(_, data)| data);
            self.issue_one(at, data);
        }
        let Some(link) = &mut self.link else { return };
        self.stats.notifications += u64::from(link.publish());
        self.stats.most_in_flight = self.stats.most_in_flight.max(link.in_flight());
    }

    fn issue_one(&mut self, at: usize, caller: Option<&[u8]>) {
        let Some(link) = &mut self.link else { return };
        while self.jobs[at].is_hungry() {
            let job = &self.jobs[at];
            let plan = Plan {
                job: job.id,
                operation: blkif::OP_READ,
                start: job.cursor,
                len: (job.end - job.cursor) as usize,
            };
            let pushed = match job.operation {
                Operation::Read => link.push(plan, None),
                Operation::Write => {
                    let data = match job.owner {
                        Owner::Token => &job.data[..],
                        Owner::Caller => match caller {
                            Some(data) => data,
                            None => return,
                        },
                    };
                    let data = &data[(job.cursor - job.first) as usize..];
                    link.push(Plan { operation: blkif::OP_WRITE, ..plan }, Some(data))
                }
                Operation::Flush => {
                    let earlier = |job: &Job, id| {
                        job.operation == Operation::Write && job.id < id && !job.is_finished()
                    };
                    if self.jobs.iter().any(|other| earlier(other, job.id)) {
                        return;
                    }
                    let operation = match self.disk.flush {
                        FlushKind::DiskCache => Some(blkif::OP_FLUSH_DISKCACHE),
                        FlushKind::Barrier => Some(blkif::OP_WRITE_BARRIER),
                        FlushKind::DrainOnly => None,
                    };
                    let Some(operation) = operation else {
                        self.jobs[at].cursor = self.jobs[at].end;
                        return;
                    };
                    link.push(Plan { operation, start: 0, len: 0, ..plan }, None).map(|_| 1)
                }
            };
            let job = &mut self.jobs[at];
            match pushed {
                Ok(len) => {
                    job.cursor += len as u64;
                    job.outstanding += 1;
                    job.stalled = false;
                    self.stats.requests += 1;
                }
                Err(stall) => {
                    if !core::mem::replace(&mut job.stalled, true) {
                        match stall {
                            Stall::Ring => self.stats.ring_full_waits += 1,
                            Stall::Pool => self.stats.pool_waits += 1,
                        }
                    }
                    return;
                }
            }
        }
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
        let Some(link) = &mut self.link else { return };
        self.stats.responses += 1;
        // A job lives until its pieces are answered.
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == piece.job) {
            job.outstanding -= 1;
            if status != blkif::RSP_OKAY {
                self.stats.errors += 1;
                Self::refused(job, &mut self.disk, piece, status);
            } else if job.operation == Operation::Read {
                self.stats.bytes_read += piece.len as u64;
                deliver(link, job, piece, sink);
            } else {
                self.stats.bytes_written += piece.len as u64;
            }
        }
        link.recycle(piece);
    }

    fn refused(job: &mut Job, disk: &mut Disk, piece: &Piece, status: i16) {
        if job.operation == Operation::Flush {
            let barrier = piece.is(blkif::OP_WRITE_BARRIER);
            // Some back ends fail an empty barrier when they do not know it.
            if status == blkif::RSP_EOPNOTSUPP || (barrier && status == blkif::RSP_ERROR) {
                disk.flush_refused(if barrier { FlushKind::Barrier } else { FlushKind::DiskCache });
                job.rewind();
                return;
            }
        }
        job.fail(Failure::Status { offset: piece.start, len: piece.len as u64, status });
    }

    /// Gives up the link, and with it the requests on it, or keeps them for the next one.
    pub fn die(&mut self, fault: Fault) {
        let keep = self.hold && matches!(fault, Fault::Gone(_)) && !self.closing;
        if self.fault.is_none() {
            self.fault = Some(fault);
        }
        for job in self.jobs.iter_mut().filter(|job| !job.is_finished()) {
            job.rewind();
            if !keep {
                job.fail(Failure::Fault(fault));
            }
        }
    }

    /// Takes a finished request out.
    pub fn take(&mut self, id: u64) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.id == id && job.is_finished())?;
        Some(self.jobs.remove(at))
    }

    /// Takes any finished request of a `Token` out, the oldest first.
    pub fn take_any(&mut self) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.owner == Owner::Token && job.is_finished())?;
        Some(self.jobs.remove(at))
    }

    pub fn knows(&self, id: u64) -> bool {
        self.jobs.iter().any(|job| job.id == id && job.owner == Owner::Token)
    }

    /// Is there a request of a `Token`?
    pub fn has_tokens(&self) -> bool {
        self.jobs.iter().any(|job| job.owner == Owner::Token)
    }

    pub fn is_drained(&self) -> bool {
        self.jobs.iter().all(Job::is_finished)
    }

    /// The result of a finished request.
    pub fn result(&self, job: &Job) -> Result<(), Error> {
        let disk = self.label.clone();
        match job.failure {
            None => Ok(()),
            Some(Failure::Fault(fault)) => Err(fault.error(&self.label)),
            Some(Failure::OutOfMemory { len }) => Err(Error::OutOfMemory { disk, len }),
            Some(Failure::Status { offset, len, status }) => {
                let intact = offset.saturating_sub(job.start);
                Err(Error::Failed { disk, operation: job.operation, offset, len, intact, status })
            }
        }
    }

    /// The event channel and its count; to be read before looking at the ring.
    pub fn events(&self) -> Option<(Port, EventSeq)> {
        let link = self.link.as_ref().filter(|_| self.fault.is_none())?;
        Some((link.port().port(), link.port().seq()))
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

/// Copies what was read to where it belongs.
fn deliver<P: Platform>(link: &Link<P>, job: &mut Job, piece: &Piece, sink: &mut Option<Sink<'_>>) {
    let from = piece.start.max(job.start);
    let to = (piece.start + piece.len as u64).min(job.start + job.len);
    let (skip, len) = ((from - piece.start) as usize, (to - from) as usize);
    let at = (from - job.start) as usize;
    match (job.owner, sink) {
        (Owner::Token, _) => link.copy_out(piece, skip, &mut job.data[at..at + len]),
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
