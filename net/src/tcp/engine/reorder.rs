//! Packets that overtake each other are not lost.
//!
//! What looks lost, because later segments have arrived, is sent again and the congestion window reduced. If the peer then tells that it
//! had all of that already (D-SACK, RFC 2883), the reduction is undone (RFC 3708), and the next gap may last for a while before it counts
//! as a loss: a quarter of the shortest round trip, one more each time, as in RFC 8985.

use smoltcp::time::{Duration, Instant};

use super::cubic::Saved;

/// Quarters of a round trip that a gap may last at most.
const MOST: u8 = 16;
/// Losses after which reordering is forgotten, if there was none meanwhile.
const MEMORY: u8 = 16;
/// Where round trips are shorter than the clock can tell.
const LEAST_WAIT: Duration = Duration::from_micros(250);

/// What was seen of reordering.
#[derive(Default)]
pub(super) struct Reordering {
    quarters: u8,
    losses: u8,
    /// When the gap that there is counts as a loss.
    until: Option<Instant>,
    /// The window before it was reduced last, and how much of what was sent again since may have been lost.
    undo: Option<(Saved, u32)>,
}

impl Reordering {
    /// Whether what may be lost may also just be late. Asked again at [`Reordering::until`].
    pub(super) fn may_be_late(
        &mut self,
        now: Instant,
        round: Option<Duration>,
        smoothed: Option<Duration>,
    ) -> bool {
        if self.quarters == 0 {
            return false;
        }
        let quarter = (round.unwrap_or(LEAST_WAIT) / 4).max(LEAST_WAIT);
        let wait = (quarter * u32::from(self.quarters)).min(smoothed.unwrap_or(quarter).max(quarter));
        now < *self.until.get_or_insert(now + wait)
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The gap is filled, or another one.
    pub(super) fn progress(&mut self) {
        self.until = None;
    }

    /// Something counts as lost.
    pub(super) fn lost(&mut self, before: Saved) {
        self.until = None;
        self.undo = Some((before, 0));
        self.losses = self.losses.saturating_sub(1);
        if self.losses == 0 {
            self.quarters = 0;
        }
    }

    /// After a time-out nothing is undone.
    pub(super) fn timed_out(&mut self) {
        (self.until, self.undo) = (None, None);
    }

    /// So much was sent again.
    pub(super) fn resent(&mut self, len: u32) {
        if let Some((_, left)) = &mut self.undo {
            *left = left.saturating_add(len);
        }
    }

    /// The peer had so much already. The window to go back to, if that is all that was sent again.
    pub(super) fn duplicate(&mut self, len: u32) -> Option<Saved> {
        let (saved, left) = self.undo.as_mut().filter(|(_, left)| *left > 0)?;
        *left = left.saturating_sub(len);
        if *left > 0 {
            return None;
        }
        let saved = *saved;
        self.undo = None;
        self.quarters = (self.quarters + 1).min(MOST);
        self.losses = MEMORY;
        Some(saved)
    }
}
