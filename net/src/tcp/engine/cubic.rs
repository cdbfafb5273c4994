//! The congestion window: slow start that ends when the round trip grows (after RFC 9406), then CUBIC (RFC 9438). In
//! whole numbers, since a guest may have no floating point.

use smoltcp::time::{Duration, Instant};

/// Segments that may be sent at the start (RFC 6928).
const INITIAL: u32 = 10;
const MOST: u32 = 1 << 30;
/// Below this window a growing round trip says nothing about the path: a busy host makes it grow too.
const SMALL: u32 = 64 << 10;

/// The congestion window of one connection; all in bytes.
pub(crate) struct Cubic {
    window: u32,
    threshold: u32,
    /// The window at the last loss, where growth pauses.
    plateau: u32,
    /// When the growth since the last loss began, the window then, and the time from there to the plateau.
    epoch: Option<(Instant, u64)>,
    /// What Reno would have reached.
    reno: u32,
    /// Shortest round trips of the last round and of this one, and how many of this one were seen.
    rounds: (u32, u32, u8),
}

/// What a reduction changes.
#[derive(Clone, Copy)]
pub(crate) struct Saved {
    window: u32,
    threshold: u32,
    plateau: u32,
}

impl Cubic {
    pub(crate) fn new(mss: u32) -> Self {
        Self {
            window: INITIAL * mss,
            threshold: MOST,
            plateau: 0,
            epoch: None,
            reno: 0,
            rounds: (u32::MAX, u32::MAX, 0),
        }
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    pub(crate) fn threshold(&self) -> u32 {
        self.threshold
    }

    pub(crate) fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// The segment size turned out to be another one before anything was sent.
    pub(crate) fn start(&mut self, mss: u32) {
        self.window = INITIAL * mss;
    }

    /// A round trip was measured; `new_round` if it is the first of data sent after the last round's end.
    pub(crate) fn round_trip(&mut self, took: Duration, new_round: bool) {
        let took = u32::try_from(took.total_micros()).unwrap_or(u32::MAX);
        if new_round {
            self.rounds = (self.rounds.1, u32::MAX, 0);
        }
        let (last, this, seen) = &mut self.rounds;
        *this = took.min(*this);
        *seen = seen.saturating_add(1);
        let slack = (*last / 8).clamp(4_000, 16_000);
        if self.window >= SMALL
            && self.window < self.threshold
            && *seen >= 8
            && *last != u32::MAX
            && *this >= last.saturating_add(slack)
        {
            self.threshold = self.window;
        }
    }

    /// `acked` bytes were acknowledged while the window was what held more back.
    pub(crate) fn acknowledged(&mut self, acked: u32, mss: u32, now: Instant, rtt: Duration) {
        if self.in_slow_start() {
            self.window = self.window.saturating_add(acked).min(self.threshold.max(self.window)).min(MOST);
            return;
        }
        let mss = mss.max(1);
        if self.epoch.is_none() {
            let below = self.plateau.saturating_sub(self.window) / mss;
            self.plateau = self.plateau.max(self.window);
            self.reno = self.window;
            // K = cbrt(below / 0.4) seconds, in milliseconds.
            self.epoch = Some((now, cube_root(u64::from(below) * 2_500_000_000)));
        }
        let Some((start, to_plateau)) = self.epoch else { return };
        let elapsed = (now - start + rtt).total_millis().min(10_000_000);
        let distance = i128::from(elapsed) - i128::from(to_plateau);
        // 0.4 segments per cubic second.
        let above = distance * distance * distance * 4 * i128::from(mss) / 10_000_000_000;
        let target = (i128::from(self.plateau) + above)
            .clamp(i128::from(self.window), i128::from(self.window) * 3 / 2) as u64;
        let window = u64::from(self.window.max(1));
        let growth = (target - window) * u64::from(acked) / window;
        self.window = self.window.saturating_add(growth.min(u64::from(acked)) as u32).min(MOST);
        // Reno with the same factor of decrease grows 0.53 segments a round trip.
        let reno = u64::from(acked) * u64::from(mss) * 53 / 100 / window;
        self.reno = self.reno.saturating_add(reno as u32).min(MOST);
        self.window = self.window.max(self.reno);
    }

    /// What to give to [`Cubic::restore`] if a reduction turns out to have been needless.
    pub(crate) fn save(&self) -> Saved {
        Saved { window: self.window, threshold: self.threshold, plateau: self.plateau }
    }

    /// Undoes a reduction.
    pub(crate) fn restore(&mut self, saved: Saved) {
        self.window = self.window.max(saved.window);
        self.threshold = self.threshold.max(saved.threshold);
        self.plateau = self.plateau.max(saved.plateau);
        self.epoch = None;
    }

    /// Something was lost.
    pub(crate) fn lost(&mut self, mss: u32) {
        self.reduce(mss);
        self.window = self.threshold;
    }

    /// Nothing at all comes back.
    pub(crate) fn timed_out(&mut self, mss: u32) {
        self.reduce(mss);
        self.window = mss;
    }

    fn reduce(&mut self, mss: u32) {
        // Who loses before it has reached what it had leaves some to others.
        self.plateau = if self.window < self.plateau { self.window / 20 * 17 } else { self.window };
        self.threshold = (self.window / 10 * 7).max(2 * mss);
        self.epoch = None;
    }

    /// Nothing was sent for long: what the window says is old (RFC 5681 section 4.1).
    pub(crate) fn idle(&mut self, mss: u32) {
        self.threshold = self.threshold.max(self.window / 4 * 3);
        self.window = self.window.min(INITIAL * mss);
        self.epoch = None;
    }
}

/// The cube root, rounded down.
fn cube_root(value: u64) -> u64 {
    let (mut low, mut high) = (0u64, 2_642_245);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if middle * middle * middle <= value { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cube_roots_are_exact() {
        for value in [0, 1, 7, 8, 26, 27, 1_000_000_000, u64::MAX] {
            let root = cube_root(value);
            assert!(root.pow(3) <= value);
            assert!((root + 1).checked_pow(3).is_none_or(|more| more > value));
        }
    }

    #[test]
    fn slow_start_doubles_and_cubic_comes_back_to_the_plateau_as_the_formula_says() {
        let (mss, rtt) = (1000, Duration::from_millis(100));
        let mut cubic = Cubic::new(mss);
        assert_eq!(cubic.window(), 10_000);
        for _ in 0..5 {
            cubic.acknowledged(cubic.window(), mss, Instant::ZERO, rtt);
        }
        assert_eq!(cubic.window(), 320_000);
        cubic.lost(mss);
        assert_eq!(cubic.window(), 224_000);
        // K = cbrt(320 * 0.3 / 0.4) = 6.2 s.
        let mut now = Instant::ZERO;
        let mut at = |cubic: &mut Cubic, ms: i64| {
            while now < Instant::from_millis(ms) {
                now += rtt;
                for _ in 0..10 {
                    cubic.acknowledged(cubic.window() / 10, mss, now, rtt);
                }
            }
            cubic.window() / 1000
        };
        assert!((295..=325).contains(&at(&mut cubic, 3_500)), "concave: most of it soon");
        let plateau = at(&mut cubic, 6_200);
        assert!((310..=330).contains(&plateau), "{plateau}");
        assert!(at(&mut cubic, 14_000) > 400, "and beyond it ever faster");
        cubic.timed_out(mss);
        assert_eq!(cubic.window(), 1000);
    }

    #[test]
    fn a_growing_round_trip_ends_slow_start() {
        let mut cubic = Cubic::new(1000);
        let rounds = |cubic: &mut Cubic| {
            for round in 0..3u64 {
                for n in 0..10 {
                    cubic.round_trip(Duration::from_millis(20 + 10 * (round / 2)), n == 0);
                }
            }
            cubic.in_slow_start()
        };
        assert!(rounds(&mut cubic), "not of a small one");
        cubic.acknowledged(80_000, 1000, Instant::ZERO, Duration::from_millis(20));
        assert!(!rounds(&mut cubic));
        cubic.idle(1000);
        assert_eq!(cubic.window(), 10_000);
    }
}
