//! What comes after a while: `alarm(2)`, `setitimer(2)`, `timer_create(2)`, `timerfd_create(2)`.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use linux_base::{Errno, Mutex, OpenFile, OpenFlags, Result};
use linux_event::{Clock, Schedule, Timer, TimerFd, TimerQueue, TimerSpec, TimerTarget};
use linux_task::limits::Resource;
use linux_task::signal::{Cause, SigInfo, Signal};
use spin::LazyLock;

use super::cpulimit::CpuLimit;
use super::cputimer::{Counts, CpuTimer};
use crate::signal;
use crate::task::{Process, Task, Thread};

static QUEUE: LazyLock<TimerQueue> = LazyLock::new(TimerQueue::new);

/// All timers of programs; a thread of the kernel drives them.
pub fn queue() -> &'static TimerQueue {
    &QUEUE
}

/// The timers of a process.
#[derive(Default)]
pub struct Timers {
    real: Mutex<Option<Arc<SignalTimer>>>,
    /// By time in user mode, and by all CPU time.
    cpu: Mutex<[Option<Arc<CpuTimer>>; 2]>,
    posix: Mutex<BTreeMap<i32, Arc<SignalTimer>>>,
    /// `RLIMIT_CPU`
    pub limit: Mutex<Option<Arc<CpuLimit>>>,
}

impl Timers {
    /// Ends all, at the end of the process.
    pub fn clear(&self) {
        let gone = self.real.lock().take();
        drop(gone);
        let gone = core::mem::take(&mut *self.cpu.lock());
        drop(gone);
        let gone = self.limit.lock().take();
        drop(gone);
        self.clear_on_exec();
    }

    /// Ends those that a new program does not have: `alarm` goes on.
    pub fn clear_on_exec(&self) {
        let gone = core::mem::take(&mut *self.posix.lock());
        drop(gone);
    }
}

/// Who is told when a timer expires, and how.
enum Tells {
    Nobody,
    Process(Signal),
    Thread(Weak<Thread>, Signal),
}

/// Expiries of one timer are told of no faster than this: a program must not keep the kernel busy by an interval of a nanosecond.
const LEAST_GAP_NS: u64 = 20_000;
/// So long it is left alone when nobody takes its signals.
const UNHEEDED_GAP_NS: u64 = 4_000_000;

/// A timer that sends a signal.
pub struct SignalTimer {
    process: Weak<Process>,
    tells: Tells,
    clock: Clock,
    /// For POSIX timers: its number and what the program wants to be told.
    identity: Option<(i32, u64)>,
    state: Mutex<State>,
    myself: Weak<Self>,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    /// No expiry is told of before.
    not_before_ns: u64,
    /// Expiries beside the one that the last signal told of.
    overrun: i32,
    /// The same of the signal before.
    last_overrun: i32,
    timer: Option<Timer>,
}

impl SignalTimer {
    fn new(task: &Task, tells: Tells, clock: Clock, identity: Option<(i32, u64)>) -> Arc<Self> {
        let process = Arc::downgrade(task.process());
        Arc::new_cyclic(|myself| Self {
            process,
            tells,
            clock,
            identity,
            state: Mutex::default(),
            myself: myself.clone(),
        })
    }

    /// Sets it, and returns what there was before.
    fn set(&self, spec: TimerSpec, is_absolute: bool) -> TimerSpec {
        let now = minios::time::now_ns();
        let schedule = Schedule::new(spec, is_absolute.then_some(self.clock), now);
        let old = {
            let mut state = self.state.lock();
            core::mem::replace(&mut *state, State { schedule, ..State::default() })
        };
        let before = old.schedule.remaining(now);
        drop(old);
        self.arm(now);
        before
    }

    fn get(&self) -> TimerSpec {
        let now = minios::time::now_ns();
        let mut schedule = self.state.lock().schedule;
        // Expiries that are not told of yet do not count as due.
        if schedule.interval_ns > 0 {
            schedule.advance(now);
        }
        schedule.remaining(now)
    }

    fn arm(&self, now_ns: u64) {
        let (deadline, not_before) = {
            let state = self.state.lock();
            (state.schedule.deadline_ns, state.not_before_ns)
        };
        let timer = match deadline {
            Some(deadline) if deadline.max(not_before) <= now_ns => return self.expired(now_ns),
            Some(deadline) => Some(QUEUE.arm(deadline.max(not_before), self.myself.clone())),
            None => None,
        };
        let old = core::mem::replace(&mut self.state.lock().timer, timer);
        drop(old);
    }

    fn is_pending(&self) -> bool {
        match &self.tells {
            Tells::Nobody => false,
            Tells::Process(signal) => {
                self.process.upgrade().is_some_and(|process| process.pending.lock().set().contains(*signal))
            }
            Tells::Thread(thread, signal) => {
                thread.upgrade().is_some_and(|thread| thread.signals.lock().pending.set().contains(*signal))
            }
        }
    }

    fn is_ignored(&self) -> bool {
        match (&self.tells, self.process.upgrade()) {
            (Tells::Nobody, _) | (_, None) => true,
            (Tells::Process(signal) | Tells::Thread(_, signal), Some(process)) => {
                process.actions().lock().get(*signal).discards(*signal)
            }
        }
    }

    fn add_overrun(&self, more: i32) {
        let Some((id, _)) = self.identity else { return };
        match &self.tells {
            Tells::Nobody => {}
            Tells::Process(_) => {
                if let Some(process) = self.process.upgrade() {
                    process.pending.lock().add_overrun(id, more);
                }
            }
            Tells::Thread(thread, _) => {
                if let Some(thread) = thread.upgrade() {
                    thread.signals.lock().pending.add_overrun(id, more);
                }
            }
        }
    }

    fn tell(&self, overrun: i32) {
        let Some(process) = self.process.upgrade() else { return };
        let info = |signal| match self.identity {
            Some((id, value)) => {
                SigInfo { signal, errno: 0, code: SigInfo::TIMER, cause: Cause::Timer { id, overrun, value } }
            }
            None => SigInfo::kernel(signal),
        };
        // A queue that is full loses the signal, not the timer.
        let _ = match &self.tells {
            Tells::Nobody => Ok(()),
            Tells::Process(signal) => signal::send(&process, info(*signal)),
            Tells::Thread(thread, signal) => match thread.upgrade() {
                Some(thread) => signal::send_to_thread(&thread, info(*signal)),
                None => Ok(()),
            },
        };
    }
}

impl TimerTarget for SignalTimer {
    fn expired(&self, now_ns: u64) {
        // As long as its signal has not been taken, another is an overrun.
        let waits = self.is_pending();
        let is_pending = self.identity.is_some() && waits;
        let gap_ns = if waits || self.is_ignored() { UNHEEDED_GAP_NS } else { LEAST_GAP_NS };
        let count = {
            let mut state = self.state.lock();
            let count = state.schedule.advance(now_ns);
            if count > 0 {
                state.not_before_ns = now_ns.saturating_add(gap_ns);
            }
            let more = i32::try_from(count.saturating_sub(u64::from(!is_pending))).unwrap_or(i32::MAX);
            if is_pending {
                state.overrun = state.overrun.saturating_add(more);
            } else {
                state.last_overrun = core::mem::replace(&mut state.overrun, more);
            }
            count
        };
        if count > 0 && is_pending {
            self.add_overrun(i32::try_from(count).unwrap_or(i32::MAX));
            self.arm(now_ns);
        } else if count > 0 {
            self.tell(i32::try_from(count - 1).unwrap_or(i32::MAX));
            self.arm(now_ns);
        }
    }
}

/// `alarm(2)`: how many seconds were left of the one before.
pub fn alarm(task: &mut Task, seconds: u32) -> Result<u64> {
    let spec = TimerSpec { interval_ns: 0, value_ns: u64::from(seconds) * 1_000_000_000 };
    let before = real_timer(task).set(spec, false).value_ns;
    // At least one, if there is anything left.
    Ok(if before == 0 { 0 } else { ((before + 500_000_000) / 1_000_000_000).max(1) })
}

fn real_timer(task: &Task) -> Arc<SignalTimer> {
    let make = || SignalTimer::new(task, Tells::Process(Signal::ALRM), Clock::Monotonic, None);
    task.process().timers.real.lock().get_or_insert_with(make).clone()
}

/// The timer of `ITIMER_VIRTUAL` or `ITIMER_PROF`.
fn cpu_timer(task: &Task, which: i32) -> Arc<CpuTimer> {
    let (place, counts) = if which == ITIMER_VIRTUAL { (0, Counts::User) } else { (1, Counts::All) };
    let mut timers = task.process().timers.cpu.lock();
    timers[place].get_or_insert_with(|| CpuTimer::new(task.process(), counts)).clone()
}

const ITIMER_REAL: i32 = 0;
const ITIMER_VIRTUAL: i32 = 1;
const ITIMER_PROF: i32 = 2;

/// `getitimer(2)`
pub fn getitimer(task: &mut Task, which: i32, address: u64) -> Result<()> {
    let spec = match which {
        ITIMER_REAL => real_timer(task).get(),
        ITIMER_VIRTUAL | ITIMER_PROF => cpu_timer(task, which).get(),
        _ => return Err(Errno::EINVAL),
    };
    task.space().write_bytes(address, &itimerval(spec))
}

/// `setitimer(2)`
pub fn setitimer(task: &mut Task, which: i32, new: u64, old: u64) -> Result<()> {
    let spec = if new == 0 { TimerSpec::default() } else { read_itimerval(task, new)? };
    let before = match which {
        ITIMER_REAL => real_timer(task).set(spec, false),
        ITIMER_VIRTUAL | ITIMER_PROF => cpu_timer(task, which).set(spec),
        _ => return Err(Errno::EINVAL),
    };
    task.write_unless_null(old, &itimerval(before))
}

fn read_itimerval(task: &Task, address: u64) -> Result<TimerSpec> {
    let bytes: [u8; 32] = task.space().read_array(address)?;
    let mut words = [0_i64; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = i64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    let ns = |seconds: i64, micros: i64| match (u64::try_from(seconds), micros) {
        (Ok(seconds), 0..1_000_000) => {
            Ok(seconds.saturating_mul(1_000_000_000).saturating_add(micros as u64 * 1000))
        }
        _ => Err(Errno::EINVAL),
    };
    Ok(TimerSpec { interval_ns: ns(words[0], words[1])?, value_ns: ns(words[2], words[3])? })
}

/// A time of less than a microsecond is one: 0 would say that the timer is not set.
fn itimerval(spec: TimerSpec) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, ns) in bytes.chunks_exact_mut(16).zip([spec.interval_ns, spec.value_ns]) {
        let micros = ns.div_ceil(1000);
        let (seconds, rest) = place.split_at_mut(8);
        seconds.copy_from_slice(&(micros / 1_000_000).to_le_bytes());
        rest.copy_from_slice(&(micros % 1_000_000).to_le_bytes());
    }
    bytes
}

/// Timers that one process can have.
const MOST_TIMERS: usize = 1024;

/// `timer_create(2)`: by SIGALRM without a `sigevent`.
pub fn timer_create(task: &mut Task, clock: i32, event: u64, id: u64) -> Result<()> {
    const SIGNAL: i32 = 0;
    const NONE: i32 = 1;
    const THREAD_ID: i32 = 4;
    // CPU-time clocks are not timed by: they are refused as clocks that cannot be.
    let clock = Clock::from_id(clock)?;
    let number = {
        let timers = task.process().timers.posix.lock();
        if timers.len() >= MOST_TIMERS {
            return Err(Errno::EAGAIN);
        }
        (0..).find(|number| !timers.contains_key(number)).ok_or(Errno::EAGAIN)?
    };
    let (tells, value) = if event == 0 {
        (Tells::Process(Signal::ALRM), number as u64)
    } else {
        let bytes: [u8; 64] = task.space().read_array(event)?;
        let int = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut value = [0; 8];
        value.copy_from_slice(&bytes[..8]);
        let tells = match int(12) {
            SIGNAL => Tells::Process(Signal::new(int(8))?),
            NONE => Tells::Nobody,
            THREAD_ID => {
                let threads = task.process().threads();
                let thread = threads.into_iter().find(|thread| i64::from(thread.tid()) == i64::from(int(16)));
                Tells::Thread(Arc::downgrade(&thread.ok_or(Errno::EINVAL)?), Signal::new(int(8))?)
            }
            _ => return Err(Errno::EINVAL),
        };
        (tells, u64::from_le_bytes(value))
    };
    task.space().write_u32(id, number as u32)?;
    let timer = SignalTimer::new(task, tells, clock, Some((number, value)));
    task.process().timers.posix.lock().insert(number, timer);
    Ok(())
}

fn posix(task: &Task, id: i32) -> Result<Arc<SignalTimer>> {
    task.process().timers.posix.lock().get(&id).cloned().ok_or(Errno::EINVAL)
}

/// `timer_settime(2)`
pub fn timer_settime(task: &mut Task, id: i32, flags: u32, new: u64, old: u64) -> Result<()> {
    const ABSOLUTE: u32 = 1;
    if new == 0 {
        return Err(Errno::EINVAL);
    }
    let spec = TimerSpec::from_bytes(&task.space().read_array(new)?)?;
    let before = posix(task, id)?.set(spec, flags & ABSOLUTE != 0);
    task.write_unless_null(old, &before.to_bytes())
}

/// `timer_gettime(2)`
pub fn timer_gettime(task: &mut Task, id: i32, value: u64) -> Result<()> {
    let spec = posix(task, id)?.get();
    task.space().write_bytes(value, &spec.to_bytes())
}

/// `timer_getoverrun(2)`
pub fn timer_getoverrun(task: &mut Task, id: i32) -> Result<i32> {
    let timer = posix(task, id)?;
    // What was delivered last: a signal that is pending still counts for the next.
    let is_pending = timer.is_pending();
    let state = timer.state.lock();
    Ok(if is_pending { state.last_overrun } else { state.overrun })
}

/// `timer_delete(2)`
pub fn timer_delete(task: &mut Task, id: i32) -> Result<()> {
    let gone = task.process().timers.posix.lock().remove(&id);
    gone.map(drop).ok_or(Errno::EINVAL)
}

/// `timerfd_create(2)`
pub fn timerfd_create(task: &mut Task, clock: i32, flags: u32) -> Result<i32> {
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let timer = TimerFd::new(clock, queue())?;
    let status = OpenFlags::RDWR | flags & OpenFlags::NONBLOCK;
    let open = OpenFile::new(timer, status, b"anon_inode:[timerfd]".to_vec());
    let limit = task.process().limit(Resource::Files);
    task.files()?.insert(open, flags.contains(OpenFlags::CLOEXEC), 0, limit)
}

fn timerfd(task: &Task, fd: i32) -> Result<Arc<TimerFd>> {
    task.files()?.get(fd)?.downcast_arc().ok_or(Errno::EINVAL)
}

/// `timerfd_settime(2)`
pub fn timerfd_settime(task: &mut Task, fd: i32, flags: u32, new: u64, old: u64) -> Result<()> {
    let spec = TimerSpec::from_bytes(&task.space().read_array(new)?)?;
    let before = timerfd(task, fd)?.set(flags, spec)?;
    task.write_unless_null(old, &before.to_bytes())
}

/// `timerfd_gettime(2)`
pub fn timerfd_gettime(task: &mut Task, fd: i32, value: u64) -> Result<()> {
    let spec = timerfd(task, fd)?.get();
    task.space().write_bytes(value, &spec.to_bytes())
}
