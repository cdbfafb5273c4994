//! A disk and its users: blocking and asynchronous requests.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spin::{Mutex, MutexGuard};
use xen::Platform;
use xen::xenbus::{Device, State};
use xen::{Port, Wake};

use crate::error::Fault;
use crate::job::{Job, Owner};
use crate::link::Ports;
use crate::queue::{Queue, Sink};
use crate::{
    Completion, Config, Discard, Disk, Error, Operation, Request, Stats, SubmitError, Token, Transport,
};

/// Events without a response that are borne before a waiting thread sleeps instead (XSA-391).
const SPURIOUS_EVENTS: u32 = 16;
const MIN_BACKOFF_NS: u64 = 1_000_000;
const MAX_BACKOFF_NS: u64 = 1_000_000_000;
/// Patrol while several threads wait: one may have taken a response whose event another was waiting for.
const CROWD_PATROL_NS: u64 = 20_000_000;

/// One disk. Share it by reference; no lock is held while anything waits.
pub struct BlkFront<P: Platform, D: Device> {
    pub(crate) platform: P,
    pub(crate) device: D,
    pub(crate) config: Config,
    pub(crate) label: Arc<str>,
    queue: Mutex<Queue<P>>,
    waiting: AtomicU32,
    /// When somebody looked after the back end.
    patrolled_at: AtomicU64,
}

impl<P: Platform, D: Device> BlkFront<P, D> {
    /// Connects a disk. Fails if the back end does not get ready in time.
    pub fn connect(platform: P, device: D, config: Config) -> Result<Self, Error> {
        let name = crate::device_name(device.id());
        let label: Arc<str> = Arc::from(format!("{name} ({})", device.name()));
        let disk = Disk::unknown(name, device.id());
        let hold = config.on_loss != crate::OnLoss::Fail;
        let queue = Mutex::new(Queue::new(label.clone(), disk, hold));
        let patrolled_at = platform.now_ns().into();
        let disk = Self { platform, device, config, label, queue, waiting: 0.into(), patrolled_at };
        disk.establish_first()?;
        Ok(disk)
    }

    /// What the back end said about the disk.
    pub fn disk(&self) -> Disk {
        self.queue().disk.clone()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        self.queue().stats
    }

    /// Requests that the back end has not answered yet.
    pub fn in_flight(&self) -> u32 {
        self.queue().in_flight()
    }

    /// The event channels, for threads that wait for several devices at once; none while there is no back end.
    pub fn ports(&self) -> Vec<Port> {
        self.queue().events().as_slice().iter().map(|(port, _)| *port).collect()
    }

    /// What was agreed with the back end; all zero while there is none.
    pub fn transport(&self) -> Transport {
        let queue = self.queue();
        let Some(link) = queue.link.as_ref().filter(|_| queue.fault.is_none()) else {
            return Transport::default();
        };
        let terms = link.terms();
        Transport {
            queues: terms.queues,
            ring_pages: 1 << terms.ring_order,
            slots: link.slots(),
            max_segments: link.segments(),
            persistent: terms.persistent && queue.disk.persistent,
        }
    }

    /// Collects what is submitted until the value is dropped: then requests that touch go out as one, and the back end is
    /// notified once. Waiting for an answer sends what there is.
    pub fn plug(&self) -> Plug<'_, P, D> {
        self.queue().plugs += 1;
        Plug(self)
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue<P>> {
        self.queue.lock()
    }

    /// Fills `buf` with the bytes at `offset`, which need not be aligned. On an error `buf` holds a part or nothing.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let fetched = self.read_fetched(offset, buf);
        let (offset, buf) = (offset.saturating_add(fetched as u64), &mut buf[fetched..]);
        let Some(id) = self.begin(Operation::Read, offset, buf.len() as u64)? else { return Ok(()) };
        let mut job = self.until(None, |queue| {
            queue.reap(Some(Sink { job: id, buf }));
            queue.issue(None);
            queue.jobs.take(id)
        });
        for (at, bytes) in job.iter_mut().flat_map(|job| job.filed.drain(..)) {
            buf[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        self.outcome(job).map_err(|error| match error {
            Error::Failed { disk, operation, offset, len, intact, status } => {
                let intact = intact + fetched as u64;
                Error::Failed { disk, operation, offset, len, intact, status }
            }
            error => error,
        })
    }

    /// Writes whole sectors at `offset`. They are durable after [`BlkFront::flush`].
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.write_as(Operation::Write, offset, data)
    }

    /// As [`BlkFront::write_at`], and the data is durable afterwards, as far as the disk can.
    pub fn write_durable_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.write_as(Operation::DurableWrite, offset, data)
    }

    fn write_as(&self, operation: Operation, offset: u64, data: &[u8]) -> Result<(), Error> {
        let Some(id) = self.begin(operation, offset, data.len() as u64)? else { return Ok(()) };
        let job = self.until(None, |queue| {
            queue.reap(None);
            queue.issue(Some((id, data)));
            queue.jobs.take(id)
        });
        self.outcome(job)
    }

    /// Tells the disk that whole sectors are not needed any more. Without [`Disk::discard`] that is an error.
    pub fn discard_at(&self, offset: u64, len: u64, kind: Discard) -> Result<(), Error> {
        let (operation, offset, len) = Request::Discard { offset, len, kind }.extent();
        match self.begin(operation, offset, len)? {
            Some(id) => self.without_data(id),
            None => Ok(()),
        }
    }

    /// Makes all writes that were submitted before durable, as far as the disk can: see [`Disk::flush`].
    pub fn flush(&self) -> Result<(), Error> {
        match self.begin(Operation::Flush, 0, 0)? {
            Some(id) => self.without_data(id),
            None => Ok(()),
        }
    }

    fn without_data(&self, id: u64) -> Result<(), Error> {
        let job = self.until(None, |queue| {
            queue.reap(None);
            queue.issue(None);
            queue.jobs.take(id)
        });
        self.outcome(job)
    }

    /// Takes on a request of this thread; `None` if it is empty.
    fn begin(&self, operation: Operation, offset: u64, len: u64) -> Result<Option<u64>, Error> {
        let checked = self.queue().check(operation, offset, len);
        if matches!(checked, Err(Error::OutOfRange { .. })) {
            // The disk may have grown.
            let _ = self.refresh();
        }
        let mut queue = self.queue();
        queue.check(operation, offset, len)?;
        if len == 0 && operation != Operation::Flush {
            return Ok(None);
        }
        queue.add(Owner::Caller, operation, offset, len, Vec::new()).map(Some)
    }

    fn outcome(&self, job: Option<Job>) -> Result<(), Error> {
        match job {
            Some(job) => self.queue().result(&job),
            // Only a wait with a deadline ends without its job.
            None => Err(Fault::Closed.error(&self.label)),
        }
    }

    /// Accepts a request without waiting. It is full when no slot of a ring or no bounce page is free and the backlog is full,
    /// too.
    pub fn submit(&self, request: Request) -> Result<Token, SubmitError> {
        let refused = SubmitError::Refused;
        let mut queue = self.queue();
        let (operation, offset, len) = request.extent();
        queue.check(operation, offset, len).map_err(refused)?;
        queue.reap(None);
        let is_plugged = queue.plugs > 0;
        if !is_plugged {
            queue.issue(None);
        }
        queue.check_alive().map_err(refused)?;
        let is_next = queue.jobs.backlog() == 0;
        let bytes = if operation.is_discard() { 0 } else { len };
        let room = queue.link.as_mut().is_none_or(|link| link.room_for(bytes).is_ok());
        if !(is_next && room) && queue.jobs.backlog() >= self.config.backlog {
            return Err(SubmitError::Full(request));
        }
        let data = match request {
            Request::ReadInto { data, .. }
            | Request::Write { data, .. }
            | Request::WriteDurable { data, .. } => data,
            Request::Read { len, .. } => {
                let mut data = Vec::new();
                let no_memory = Error::OutOfMemory { disk: self.label.clone(), len: len as u64 };
                data.try_reserve_exact(len).map_err(|_| refused(no_memory))?;
                data.resize(len, 0);
                data
            }
            Request::Flush | Request::Discard { .. } => Vec::new(),
        };
        let id = queue.add(Owner::Token, operation, offset, len, data).map_err(refused)?;
        if !is_plugged {
            queue.issue(None);
        }
        Ok(Token(id))
    }

    /// A request that has ended, if there is one. Does not wait.
    pub fn poll(&self) -> Option<Completion> {
        let mut queue = self.queue();
        queue.reap(None);
        queue.issue(None);
        let job = queue.jobs.take_any()?;
        Some(completion(&queue, job))
    }

    /// Waits for one request.
    pub fn wait(&self, token: Token) -> Result<Completion, Error> {
        let unknown = || Error::UnknownToken { disk: self.label.clone(), token: token.0 };
        if !self.queue().jobs.knows_token(token.0) {
            return Err(unknown());
        }
        let done = self.until(None, |queue| {
            queue.reap(None);
            queue.issue(None);
            match queue.jobs.take(token.0) {
                Some(job) => Some(Some(completion(queue, job))),
                // Another thread took it meanwhile.
                None if !queue.jobs.knows_token(token.0) => Some(None),
                None => None,
            }
        });
        done.flatten().ok_or_else(unknown)
    }

    /// Waits until any request ends; `None` at the deadline, or at once if none is outstanding.
    pub fn wait_any(&self, deadline_ns: Option<u64>) -> Option<Completion> {
        let done = self.until(deadline_ns, |queue| {
            queue.reap(None);
            queue.issue(None);
            match queue.jobs.take_any() {
                Some(job) => Some(Some(completion(queue, job))),
                None if !queue.jobs.has_tokens() => Some(None),
                None => None,
            }
        });
        done.flatten()
    }

    /// Looks, without a request, whether the back end is still there; if not, outstanding requests end. Threads that wait
    /// do this now and then by themselves.
    pub fn check_backend(&self) -> Result<(), Error> {
        let epoch = self.queue().epoch;
        // XenStore may block: no lock is held.
        let state = match self.device.backend_state() {
            Ok(state) => state,
            Err(error) => return Err(Error::Device { disk: self.label.clone(), error }),
        };
        let there = matches!(state, State::Connected | State::Reconfiguring | State::Reconfigured);
        let now = self.platform.now_ns();
        let mut queue = self.queue();
        if !there && queue.fault.is_none() && queue.epoch == epoch {
            queue.reap(None);
            // One that says goodbye may answer what it has first.
            let since = *queue.leaving_since.get_or_insert(now);
            let patient = state == State::Closing && now.saturating_sub(since) < self.config.close_timeout_ns;
            if !patient || queue.in_flight() == 0 {
                queue.die(Fault::Gone(state));
            }
        }
        queue.check_alive()
    }

    /// Looks how large the disk is now. Back ends tell by their `sectors` key when it grows or shrinks while it is in use; a blocking
    /// request behind the end that was known looks by itself.
    pub fn refresh(&self) -> Result<Disk, Error> {
        let (epoch, sector_size) = {
            let queue = self.queue();
            queue.check_alive()?;
            (queue.epoch, queue.disk.sector_size)
        };
        // XenStore may block: no lock is held.
        let size = Disk::read_size(&self.device, sector_size.into());
        let size = size.map_err(|error| Error::Device { disk: self.label.clone(), error })?;
        let mut queue = self.queue();
        if queue.epoch == epoch {
            queue.disk.size_bytes = size;
        }
        Ok(queue.disk.clone())
    }

    /// Waits until `look` finds something, or until the deadline. `look` takes responses and sees all that changed.
    pub(crate) fn until<T>(
        &self,
        deadline_ns: Option<u64>,
        mut look: impl FnMut(&mut Queue<P>) -> Option<T>,
    ) -> Option<T> {
        let mut responses = None;
        let mut silent_since = self.platform.now_ns();
        let mut spurious = 0;
        loop {
            let events = {
                let mut queue = self.queue();
                // The count first: an event after this ends the wait below.
                let events = queue.events();
                if let Some(found) = look(&mut queue) {
                    return Some(found);
                }
                queue.leave();
                if queue.arm() {
                    continue;
                }
                let now = self.platform.now_ns();
                if responses.replace(queue.stats.responses) == Some(queue.stats.responses) {
                    queue.stats.spurious_events += u64::from(spurious > 0);
                } else {
                    (spurious, silent_since) = (0, now);
                }
                if queue.in_flight() == 0 {
                    silent_since = now;
                }
                events
            };
            match self.doze(&events, spurious, deadline_ns) {
                Wake::Event => {
                    spurious += 1;
                    self.queue().stats.events += 1;
                }
                Wake::TimedOut => spurious = 0,
            }
            let now = self.platform.now_ns();
            if deadline_ns.is_some_and(|deadline| deadline <= now) {
                return look(&mut self.queue());
            }
            // Also when every answer comes at once: a back end that says goodbye waits for this side.
            if now.saturating_sub(self.patrolled_at.load(Ordering::Relaxed)) >= self.config.patrol_ns {
                self.patrolled_at.store(now, Ordering::Relaxed);
                self.patrol(silent_since);
            }
        }
    }

    /// One sleep: until an event, the next patrol or the deadline; without events while they are a nuisance.
    fn doze(&self, events: &Ports, spurious: u32, deadline_ns: Option<u64>) -> Wake {
        let crowd = self.waiting.fetch_add(1, Ordering::Relaxed) > 0;
        let patrol = if crowd { self.config.patrol_ns.min(CROWD_PATROL_NS) } else { self.config.patrol_ns };
        let now = self.platform.now_ns();
        let end = |after| Some(deadline_ns.unwrap_or(u64::MAX).min(now.saturating_add(after)));
        let wake = if spurious <= SPURIOUS_EVENTS {
            self.platform.wait(events.as_slice(), end(patrol))
        } else {
            let backoff = MIN_BACKOFF_NS << (spurious - SPURIOUS_EVENTS).min(10);
            self.platform.wait(&[], end(backoff.min(MAX_BACKOFF_NS)));
            // Did they go on meanwhile?
            if self.queue().events().as_slice() == events.as_slice() { Wake::TimedOut } else { Wake::Event }
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        wake
    }

    /// Time for a look: is anybody there?
    fn patrol(&self, silent_since: u64) {
        let (dead, lost) = {
            let mut queue = self.queue();
            queue.stats.patrols += 1;
            let lost = matches!(queue.fault, Some(Fault::Gone(_))) && !queue.closing;
            (queue.fault.is_some(), lost)
        };
        if lost && self.config.on_loss == crate::OnLoss::Reconnect {
            self.come_back();
        }
        let waited = self.platform.now_ns().saturating_sub(silent_since);
        // A XenStore that does not answer is no news about the back end.
        if !dead
            && self.check_backend().is_ok()
            && self.config.answer_timeout_ns.is_some_and(|most| waited >= most)
        {
            self.queue().die(Fault::NoAnswer { waited_ms: waited / 1_000_000 });
        }
    }
}

fn completion<P: Platform>(queue: &Queue<P>, job: Job) -> Completion {
    Completion { token: Token(job.id), result: queue.result(&job), data: job.data }
}

/// Collects requests; see [`BlkFront::plug`].
#[must_use = "requests are collected as long as it lives"]
pub struct Plug<'a, P: Platform, D: Device>(&'a BlkFront<P, D>);

impl<P: Platform, D: Device> Drop for Plug<'_, P, D> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.plugs -= 1;
        if queue.plugs == 0 {
            queue.reap(None);
            queue.issue(None);
        }
    }
}
