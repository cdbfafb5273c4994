//! What a figure is to reach, and whether it does.

/// What a figure is to reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At least as much as Linux does; machines differ too much for a number.
    RatioAtLeast(f64),
    /// At least as much as Linux does, unless dom0 has no time left: then it is dom0 that is measured.
    RatioAtLeastUnlessDom0IsFull(f64),
    /// At most this part of Linux's.
    RatioAtMost(f64),
    /// At most this, whatever Linux does.
    AtMost(f64),
    /// At least this, whatever Linux does.
    AtLeast(f64),
}

/// dom0's share of a processor, in percent, from which on it is full.
const FULL: f64 = 97.0;

/// Whether a goal is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is.
    Reached,
    /// It is not.
    Missed,
    /// It is not, and dom0 is what holds it.
    Dom0IsFull,
    /// Nobody knows.
    NotMeasured,
}

impl Goal {
    /// The goal in words.
    pub fn text(self) -> String {
        match self {
            Goal::RatioAtLeast(limit) | Goal::RatioAtLeastUnlessDom0IsFull(limit) => {
                format!("ratio at least {limit}")
            }
            Goal::RatioAtMost(limit) => format!("ratio at most {limit}"),
            Goal::AtMost(limit) => format!("at most {limit}"),
            Goal::AtLeast(limit) => format!("at least {limit}"),
        }
    }

    /// What our figure, its ratio to Linux's, and dom0's share meanwhile come to.
    pub fn verdict(self, ours: Option<f64>, ratio: Option<f64>, dom0_share: Option<f64>) -> Verdict {
        let met = match self {
            Goal::RatioAtLeast(limit) | Goal::RatioAtLeastUnlessDom0IsFull(limit) => {
                ratio.map(|ratio| ratio >= limit)
            }
            Goal::RatioAtMost(limit) => ratio.map(|ratio| ratio <= limit),
            Goal::AtMost(limit) => ours.map(|ours| ours <= limit),
            Goal::AtLeast(limit) => ours.map(|ours| ours >= limit),
        };
        match (met, self) {
            (None, _) => Verdict::NotMeasured,
            (Some(true), _) => Verdict::Reached,
            (Some(false), Goal::RatioAtLeastUnlessDom0IsFull(_))
                if dom0_share.is_some_and(|share| share >= FULL) =>
            {
                Verdict::Dom0IsFull
            }
            (Some(false), _) => Verdict::Missed,
        }
    }
}

impl Verdict {
    /// The verdict in words.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Reached => "reached",
            Verdict::Missed => "missed",
            Verdict::Dom0IsFull => "dom0 at 100 %",
            Verdict::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_below_linuxs_counts_only_while_dom0_has_time() {
        let goal = Goal::RatioAtLeastUnlessDom0IsFull(1.0);
        assert_eq!(goal.verdict(None, Some(1.0), None), Verdict::Reached);
        assert_eq!(goal.verdict(None, Some(0.9), Some(60.0)), Verdict::Missed);
        assert_eq!(goal.verdict(None, Some(0.9), Some(99.0)), Verdict::Dom0IsFull);
        assert_eq!(goal.verdict(Some(5.0), None, Some(99.0)), Verdict::NotMeasured);
        assert_eq!(Goal::RatioAtLeast(1.0).verdict(None, Some(0.9), Some(99.0)), Verdict::Missed);
    }

    #[test]
    fn limits_without_linux_judge_our_figure() {
        assert_eq!(Goal::AtMost(1.0).verdict(Some(0.5), None, None), Verdict::Reached);
        assert_eq!(Goal::AtLeast(100.0).verdict(Some(99.0), Some(9.0), None), Verdict::Missed);
    }
}
