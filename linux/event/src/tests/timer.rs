//! Timers and timerfd.

use super::*;
use crate::{Schedule, TimerFd, TimerQueue, TimerSpec, TimerTarget};
use linux_base::{Errno, host};
use std::sync::Mutex;

#[derive(Default)]
struct Log(Mutex<Vec<u64>>);

impl TimerTarget for Log {
    fn expired(&self, now_ns: u64) {
        self.0.lock().unwrap().push(now_ns);
    }
}

fn target(log: &Arc<Log>) -> std::sync::Weak<dyn TimerTarget> {
    Arc::downgrade(&(log.clone() as Arc<dyn TimerTarget>))
}

#[test]
fn timers_expire_in_their_order_and_once() {
    let (queue, log, changed) = (TimerQueue::new(), Arc::new(Log::default()), Arc::new(Count::default()));
    let _watch = queue.changed().watch(changed.clone());
    let timers: Vec<_> = [30, 10, 20, 40].map(|at| queue.arm(at, target(&log))).into();
    assert_eq!((queue.next_deadline(), changed.take()), (Some(10), 2));
    assert_eq!((queue.expire(9), queue.expire(10), queue.expire(10)), (0, 1, 0));
    drop(timers);
    assert_eq!((queue.next_deadline(), queue.expire(u64::MAX)), (None, 0));
    let _kept = queue.arm(u64::MAX, target(&log));
    assert_eq!(queue.expire(u64::MAX), 1);
    assert_eq!(*log.0.lock().unwrap(), [10, u64::MAX]);
}

#[test]
fn a_target_that_is_gone_is_not_told() {
    let queue = TimerQueue::new();
    let log = Arc::new(Log::default());
    let _timer = queue.arm(5, target(&log));
    drop(log);
    assert_eq!(queue.expire(5), 1);
}

#[test]
fn a_schedule_counts_the_moments_that_passed() {
    let spec = TimerSpec { interval_ns: 10, value_ns: 5 };
    let mut schedule = Schedule::new(spec, None, 100);
    assert_eq!((schedule.advance(104), schedule.remaining(104).value_ns), (0, 1));
    assert_eq!((schedule.advance(105), schedule.deadline_ns), (1, Some(115)));
    assert_eq!((schedule.advance(144), schedule.deadline_ns), (3, Some(145)));
    let mut once = Schedule::new(TimerSpec { interval_ns: 0, value_ns: 1 }, None, u64::MAX);
    assert_eq!(
        (once.advance(u64::MAX), once.advance(u64::MAX), once.remaining(0)),
        (1, 0, TimerSpec::default())
    );
    let mut fast = Schedule::new(TimerSpec { interval_ns: 1, value_ns: 1 }, None, 0);
    assert_eq!(fast.advance(u64::MAX), u64::MAX);
}

#[test]
fn times_go_to_and_from_a_programs_memory() {
    let spec = TimerSpec { interval_ns: 1_500_000_000, value_ns: 7 };
    assert_eq!(TimerSpec::from_bytes(&spec.to_bytes()), Ok(spec));
    let mut bytes = spec.to_bytes();
    bytes[24..].copy_from_slice(&1_000_000_000u64.to_le_bytes());
    assert_eq!(TimerSpec::from_bytes(&bytes), Err(Errno::EINVAL));
    bytes[24..].copy_from_slice(&0u64.to_le_bytes());
    bytes[16..24].copy_from_slice(&i64::MAX.to_le_bytes());
    assert_eq!(TimerSpec::from_bytes(&bytes).map(|spec| spec.value_ns), Ok(u64::MAX));
    bytes[16..24].copy_from_slice(&(-1i64).to_le_bytes());
    assert_eq!(TimerSpec::from_bytes(&bytes), Err(Errno::EINVAL));
}

const HOUR: u64 = 3_600_000_000_000;

#[test]
fn a_timerfd_is_readable_when_it_has_expired() {
    let queue = TimerQueue::new();
    let timer = TimerFd::new(1, &queue).unwrap();
    assert_eq!(timer.set(0, TimerSpec { interval_ns: HOUR, value_ns: HOUR }), Ok(TimerSpec::default()));
    assert_eq!((read(&*timer, 8), timer.poll()), (Err(Errno::EAGAIN), PollEvents::empty()));
    let woken = Arc::new(Count::default());
    let _watch = timer.queue().unwrap().watch(woken.clone());
    let due = queue.next_deadline().unwrap();
    queue.expire(due);
    assert_eq!((woken.take(), timer.poll()), (1, PollEvents::IN));
    // It is not armed again until it is read.
    assert_eq!(queue.next_deadline(), None);
    assert_eq!(read(&*timer, 7), Err(Errno::EINVAL));
    assert_eq!(read(&*timer, 8), Ok(1u64.to_le_bytes().to_vec()));
    assert_eq!(queue.next_deadline(), Some(due + HOUR));
    let left = timer.get();
    assert!(left.interval_ns == HOUR && left.value_ns > HOUR && left.value_ns <= 2 * HOUR);
    timer.set(0, TimerSpec::default()).unwrap();
    assert_eq!((timer.get(), queue.next_deadline()), (TimerSpec::default(), None));
}

#[test]
fn an_expiry_of_before_a_timer_was_set_anew_is_not_told() {
    let queue = TimerQueue::new();
    let timer = TimerFd::new(1, &queue).unwrap();
    timer.set(0, TimerSpec { interval_ns: 0, value_ns: HOUR }).unwrap();
    let due = queue.next_deadline().unwrap();
    timer.set(0, TimerSpec { interval_ns: 0, value_ns: 3 * HOUR }).unwrap();
    let woken = Arc::new(Count::default());
    let _watch = timer.queue().unwrap().watch(woken.clone());
    timer.expired(due);
    assert_eq!((woken.take(), timer.take()), (0, Err(Errno::EAGAIN)));
}

#[test]
fn absolute_moments_may_have_passed() {
    let queue = TimerQueue::new();
    for (clock, now) in [(0, host::host().wall_ns()), (1, host::host().now_ns()), (7, host::host().now_ns())]
    {
        let timer = TimerFd::new(clock, &queue).unwrap();
        timer.set(3, TimerSpec { interval_ns: 0, value_ns: now - 1 }).unwrap();
        assert_eq!((timer.poll(), timer.take()), (PollEvents::IN, Ok(1)));
        timer.set(1, TimerSpec { interval_ns: 0, value_ns: now + HOUR }).unwrap();
        let left = timer.get().value_ns;
        assert!(left <= HOUR && left > HOUR / 2, "clock {clock}: {left}");
    }
    assert_eq!(TimerFd::new(2, &queue).map(|_| ()), Err(Errno::EINVAL));
    assert_eq!(TimerFd::new(0, &queue).unwrap().set(4, TimerSpec::default()), Err(Errno::EINVAL));
}

#[test]
fn a_thread_drives_the_queue() {
    let queue = TimerQueue::new();
    let stop = Arc::new(AtomicUsize::new(0));
    let (other, stopped) = (queue.clone(), stop.clone());
    let thread = std::thread::spawn(move || other.run_while(|| stopped.load(Ordering::Relaxed) == 0));
    let timer = TimerFd::new(1, &queue).unwrap();
    timer.set(0, TimerSpec { interval_ns: 1_000_000, value_ns: 2_000_000 }).unwrap();
    let mut set = crate::PollSet::default();
    set.push(Some(open(timer.clone(), OpenFlags::empty())), PollEvents::IN).unwrap();
    for _ in 0..3 {
        assert_eq!(set.wait(None), Ok(1));
        assert!(timer.take().unwrap() >= 1);
    }
    stop.store(1, Ordering::Relaxed);
    queue.changed().wake(PollEvents::IN);
    thread.join().unwrap();
}
