//! Events that bring nothing: after some in a row, the device's ports are muted for a while (XSA-391).
//!
//! An event is acknowledged late in any case: what the back end raises while the rings are being looked at is one event. A
//! back end that raises them without end could still keep a processor busy with looking. The pause grows to a second.

use crate::stats::Stats;

/// As many may come in a row: an event can be late for what was found without it.
const TOLERATED: u32 = 8;
const FIRST_PAUSE_NS: u64 = 1_000_000;
const LONGEST_PAUSE_NS: u64 = 1_000_000_000;

/// What has come of events so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Storm {
    events: u32,
    slots: u64,
    in_vain: u32,
    /// Until when the ports are muted.
    quiet_until: Option<u64>,
}

/// What to do with the ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Leave,
    Mute,
    Unmute,
}

impl Storm {
    /// After a look at the rings: `events` have come so far.
    pub fn judge(&mut self, events: u32, stats: &mut Stats, now_ns: impl Fn() -> u64) -> Verdict {
        let came = events.wrapping_sub(core::mem::replace(&mut self.events, events));
        stats.events += u64::from(came);
        let slots = stats.rx.slots + stats.tx.responses;
        let worked = core::mem::replace(&mut self.slots, slots) != slots;
        if worked {
            self.in_vain = 0;
        } else if came > 0 {
            self.in_vain = self.in_vain.saturating_add(1);
        }
        match self.quiet_until {
            Some(until) if worked || now_ns() >= until => {
                self.quiet_until = None;
                Verdict::Unmute
            }
            None if self.in_vain > TOLERATED && came > 0 => {
                let pause = FIRST_PAUSE_NS << (self.in_vain - TOLERATED - 1).min(10);
                self.quiet_until = Some(now_ns().saturating_add(pause.min(LONGEST_PAUSE_NS)));
                stats.storms += 1;
                Verdict::Mute
            }
            _ => Verdict::Leave,
        }
    }

    pub fn quiet_until(&self) -> Option<u64> {
        self.quiet_until
    }
}
