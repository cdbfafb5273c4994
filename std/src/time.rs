//! Clocks.

pub use core::time::Duration;

use core::ops::{Add, Sub};

/// A moment of the monotonic clock, which never steps back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(u64);

impl Instant {
    /// This moment.
    pub fn now() -> Self {
        Self(minios::time::now_ns())
    }

    /// The moment when the scheduler last looked at the clock: good enough for time-outs, and cheaper where the TSC is
    /// emulated.
    pub fn recent() -> Self {
        Self(minios::time::recent_ns())
    }

    /// Time since then.
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }

    /// Nanoseconds of the runtime's clock: what deadlines are given in.
    pub fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Time since 1970-01-01 UTC, by Xen's wall clock.
pub fn since_epoch() -> Duration {
    Duration::from_nanos(minios::time::wall_clock_ns())
}

/// The same when the scheduler last looked at the clock.
pub fn recent_since_epoch() -> Duration {
    Duration::from_nanos(minios::time::recent_wall_clock_ns())
}
