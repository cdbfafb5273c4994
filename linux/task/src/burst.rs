//! Lines of the log that programs cause: a burst is told, then there is silence for a while, so that nobody floods the console.

/// Lines in a row.
const LINES: u32 = 10;
/// After so long there may be as many again.
const PERIOD_NS: u64 = 5_000_000_000;

/// What has been told lately.
#[derive(Default, Debug)]
pub struct Burst {
    since_ns: u64,
    told: u32,
    untold: u32,
}

/// A line that is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Lines before this one that were not.
    pub missed: u32,
    /// The next ones will not be.
    pub is_last: bool,
}

impl Burst {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { since_ns: 0, told: 0, untold: 0 }
    }

    /// Whether a line is to be told now.
    pub fn admit(&mut self, now_ns: u64) -> Option<Told> {
        if now_ns.saturating_sub(self.since_ns) >= PERIOD_NS {
            (self.since_ns, self.told) = (now_ns, 0);
        }
        if self.told >= LINES {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(Told { missed: core::mem::take(&mut self.untold), is_last: self.told == LINES })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_lines_there_is_silence_for_five_seconds() {
        let mut burst = Burst::new();
        let told = (0..1000).filter_map(|at| burst.admit(7_000_000_000 + at)).collect::<Vec<_>>();
        assert_eq!(told.len(), 10);
        assert_eq!(told.iter().map(|told| told.missed).sum::<u32>(), 0);
        assert_eq!(told.iter().position(|told| told.is_last), Some(9));
        assert_eq!(burst.admit(11_999_999_999), None);
        assert_eq!(burst.admit(12_000_000_000), Some(Told { missed: 991, is_last: false }));
        assert_eq!(burst.admit(12_000_000_001), Some(Told { missed: 0, is_last: false }));
    }

    #[test]
    fn what_comes_now_and_then_is_always_told() {
        let mut burst = Burst::new();
        assert!(
            (0..100).all(|second| burst.admit(second * 1_000_000_000).is_some_and(|told| told.missed == 0))
        );
    }
}
