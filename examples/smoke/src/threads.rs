//! Threads and what they wait on.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use minios::sync::channel::{ReceiveError, bounded};
use minios::sync::{Condvar, Mutex};
use minios::thread::{self, Builder, JoinHandle};
use minios::{memory, time};

use crate::{Outcome, Test, check};

pub const TESTS: &[Test] = &[
    ("join_returns_the_value", join_returns_the_value),
    ("a_mutex_excludes_across_yields", a_mutex_excludes_across_yields),
    ("a_condition_variable_wakes_its_waiters", a_condition_variable_wakes_its_waiters),
    ("a_bounded_channel_passes_everything_in_order", a_bounded_channel_passes_everything_in_order),
    ("a_channel_without_senders_is_closed", a_channel_without_senders_is_closed),
    ("an_unpark_before_the_park_is_remembered", an_unpark_before_the_park_is_remembered),
    ("a_thousand_threads_leave_no_memory_behind", a_thousand_threads_leave_no_memory_behind),
];

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, String> {
    thread::spawn(f).map_err(|error| alloc::format!("{error}"))
}

fn join_returns_the_value() -> Outcome {
    let handles: Result<Vec<_>, _> = (0..20u64).map(|n| spawn(move || n * n)).collect();
    let sum: u64 = handles?.into_iter().map(JoinHandle::join).sum();
    check!(sum == 2470, "{sum}");
    Ok(())
}

fn a_mutex_excludes_across_yields() -> Outcome {
    let shared = Arc::new(Mutex::new((0u32, false)));
    let handles: Result<Vec<_>, _> = (0..10)
        .map(|_| {
            let shared = shared.clone();
            spawn(move || {
                for _ in 0..50 {
                    let mut guard = shared.lock();
                    if guard.1 {
                        return false;
                    }
                    guard.1 = true;
                    let count = guard.0;
                    thread::yield_now();
                    guard.0 = count + 1;
                    guard.1 = false;
                }
                true
            })
        })
        .collect();
    let alone = handles?.into_iter().all(JoinHandle::join);
    check!(alone, "two threads held the lock at once");
    let count = shared.lock().0;
    check!(count == 500, "{count}");
    Ok(())
}

fn a_condition_variable_wakes_its_waiters() -> Outcome {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let handles: Result<Vec<_>, _> = (1..=5)
        .map(|turn| {
            let shared = shared.clone();
            spawn(move || {
                let (value, changed) = &*shared;
                let mut guard = value.lock();
                while *guard != turn {
                    guard = changed.wait(guard);
                }
                *guard += 1;
                changed.notify_all();
            })
        })
        .collect();
    thread::yield_now();
    *shared.0.lock() = 1;
    shared.1.notify_all();
    handles?.into_iter().for_each(JoinHandle::join);
    let last = *shared.0.lock();
    check!(last == 6, "{last}");
    let deadline = time::now_ns() + 1_000_000;
    let (_, wake) = shared.1.wait_until(shared.0.lock(), Some(deadline));
    check!(wake == xen::Wake::TimedOut, "{wake:?}");
    Ok(())
}

fn a_bounded_channel_passes_everything_in_order() -> Outcome {
    let (sender, receiver) = bounded(3);
    let handle = spawn(move || (0..100u32).all(|number| sender.send(number).is_ok()))?;
    for number in 0..100 {
        check!(receiver.receive() == Ok(number), "{number} did not come");
    }
    check!(handle.join(), "sending failed");
    check!(receiver.receive() == Err(ReceiveError::Closed), "it is not closed");
    Ok(())
}

fn a_channel_without_senders_is_closed() -> Outcome {
    let (sender, receiver) = bounded::<u8>(1);
    let late = receiver.receive_until(Some(time::now_ns() + 1_000_000));
    check!(late == Err(ReceiveError::TimedOut), "{late:?}");
    drop(receiver);
    check!(sender.send(7).is_err(), "nobody is there to receive");
    Ok(())
}

fn an_unpark_before_the_park_is_remembered() -> Outcome {
    thread::current().unpark();
    thread::park();
    let main = thread::current();
    let handle = spawn(move || {
        thread::sleep(Duration::from_millis(1));
        main.unpark();
    })?;
    thread::park();
    handle.join();
    Ok(())
}

fn a_thousand_threads_leave_no_memory_behind() -> Outcome {
    let round = || -> Outcome {
        for _ in 0..10 {
            let handles: Result<Vec<_>, _> =
                (0..20).map(|_| Builder::new("short").stack_len(8 * 1024).spawn(thread::yield_now)).collect();
            handles.map_err(|error| alloc::format!("{error}"))?.into_iter().for_each(JoinHandle::join);
        }
        Ok(())
    };
    round()?;
    let before = memory::usage().free;
    for _ in 0..4 {
        round()?;
    }
    let after = memory::usage().free;
    check!(after + 4 >= before, "{after} pages free of {before}");
    Ok(())
}
