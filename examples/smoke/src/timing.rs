//! Clocks, timers and random numbers.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::time::Duration;

use minios::sync::SpinLock;
use minios::{entropy, thread, time};

use crate::{Outcome, Test, check};

pub const TESTS: &[Test] = &[
    ("time_never_steps_back", time_never_steps_back),
    ("the_wall_clock_is_in_this_century", the_wall_clock_is_in_this_century),
    ("a_sleep_lasts_at_least_as_long_as_asked", a_sleep_lasts_at_least_as_long_as_asked),
    ("sleepers_wake_in_the_order_of_their_deadlines", sleepers_wake_in_the_order_of_their_deadlines),
    ("random_numbers_differ_and_are_not_zero", random_numbers_differ_and_are_not_zero),
];

fn time_never_steps_back() -> Outcome {
    let mut last = time::now_ns();
    for _ in 0..20_000 {
        let now = time::now_ns();
        check!(now >= last, "{now} after {last}");
        last = now;
    }
    Ok(())
}

fn the_wall_clock_is_in_this_century() -> Outcome {
    let seconds = time::wall_clock_ns() / 1_000_000_000;
    check!((1_700_000_000..4_000_000_000).contains(&seconds), "{seconds} seconds since 1970");
    Ok(())
}

fn a_sleep_lasts_at_least_as_long_as_asked() -> Outcome {
    for micros in [0, 1, 100, 2_000, 20_000] {
        let start = time::now_ns();
        thread::sleep(Duration::from_micros(micros));
        let slept = time::now_ns() - start;
        check!(slept >= micros * 1000, "{slept} ns instead of {micros} us");
    }
    Ok(())
}

fn sleepers_wake_in_the_order_of_their_deadlines() -> Outcome {
    let order = Arc::new(SpinLock::new(alloc::vec::Vec::new()));
    let handles: Result<alloc::vec::Vec<_>, _> = [50u64, 10, 40, 20, 30]
        .into_iter()
        .map(|millis| {
            let order = order.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(millis));
                order.lock().push(millis);
            })
        })
        .collect();
    for handle in handles.map_err(|error| alloc::format!("{error}"))? {
        handle.join();
    }
    let order = order.lock();
    check!(*order == [10, 20, 30, 40, 50], "{order:?}");
    Ok(())
}

fn random_numbers_differ_and_are_not_zero() -> Outcome {
    let seen: BTreeSet<u64> = (0..1000).map(|_| entropy::random_u64()).collect();
    check!(seen.len() == 1000 && !seen.contains(&0), "{} different ones", seen.len());
    let ones: u32 = seen.iter().map(|number| number.count_ones()).sum();
    check!((31_000..33_000).contains(&ones), "{ones} of 64000 bits are set");
    Ok(())
}
