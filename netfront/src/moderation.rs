//! For how many received slots to ask before the next event: [`Moderation`].
//!
//! Under bulk traffic an event for each frame costs both sides more than the frame: a hypercall there, a wake-up here. Several are
//! asked for then, with a deadline after which the rings are looked at in any case. As many as come well before the deadline: the number
//! doubles while that succeeds, and halves when the deadline was missed, after which it takes ever longer to try again. So a
//! peer that waits for an answer is kept waiting rarely; and never is one whose frames are small.

/// Slots to ask for at most: less than what a peer has under way whose window is 128 KiB.
const MOST: u32 = 16;
/// Bytes, of both directions, that a wake-up must have moved to count as one of bulk traffic.
const BULK: u64 = 8 << 10;
/// Wake-ups of bulk traffic before the number is raised: at first, and after many failures.
const FIRST_TRIAL: u32 = 4;
const LONGEST_TRIAL: u32 = 1024;
/// Successful ones after which failures are forgotten by half.
const FORGET: u32 = 256;
/// Bounds of the deadline.
const SHORTEST_NS: u64 = 50_000;
const LONGEST_NS: u64 = 2_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Moderation {
    count: u32,
    until: Option<u64>,
    /// Counters when last looked at with success, and when that was.
    slots: u64,
    bytes: u64,
    since: u64,
    /// Time from one slot to the next, in nanoseconds.
    pace: u64,
    /// Wake-ups of bulk traffic since the number changed, and how many it takes to change it.
    good: u32,
    trial: u32,
}

impl Default for Moderation {
    fn default() -> Self {
        Self { count: 1, until: None, slots: 0, bytes: 0, since: 0, pace: 0, good: 0, trial: FIRST_TRIAL }
    }
}

impl Moderation {
    /// Before a sleep: how many slots to ask for. `slots` were received so far, and `bytes` moved in both directions.
    pub fn count(&mut self, slots: u64, bytes: u64, now: u64) -> u32 {
        let late = self.until.is_some_and(|until| now >= until);
        let taken = slots.wrapping_sub(self.slots);
        if taken == 0 && !late {
            // Something else has ended the sleep.
            return self.count;
        }
        let took = now.saturating_sub(self.since);
        let moved = bytes.wrapping_sub(self.bytes);
        (self.slots, self.bytes, self.since) = (slots, bytes, now);
        if late && taken < u64::from(self.count) {
            self.count = (self.count / 2).max(1);
            self.trial = (self.trial * 2).min(LONGEST_TRIAL);
            self.good = 0;
        } else if moved < BULK {
            (self.count, self.good) = (1, 0);
        } else {
            let pace = took.min(LONGEST_NS) / taken.max(1);
            self.pace = (self.pace * 3 + pace) / 4;
            self.good += 1;
            if self.count < MOST && self.good >= self.trial {
                (self.count, self.good) = (self.count * 2, 0);
            } else if self.count > 1 && self.good >= FORGET {
                self.trial = (self.trial / 2).max(FIRST_TRIAL);
                self.good = 0;
            }
        }
        let wait = (2 * u64::from(self.count) * self.pace).clamp(SHORTEST_NS, LONGEST_NS);
        self.until = (self.count > 1).then(|| now.saturating_add(wait));
        self.count
    }

    /// When to look at the rings if no event has come until then.
    pub fn until(&self) -> Option<u64> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots that come at a steady pace; how many are asked for in the end, and how often the deadline was missed.
    fn steady(moderation: &mut Moderation, pace: u64, bytes: u64, window: u32, wakes: u32) -> (u32, u32) {
        let (mut slots, mut moved, mut now) = (moderation.slots, moderation.bytes, moderation.since);
        let mut late = 0;
        for _ in 0..wakes {
            let asked = moderation.count(slots, moved, now);
            let come = asked.min(window);
            slots += u64::from(come);
            moved += u64::from(come) * bytes;
            now += u64::from(come) * pace;
            if come < asked {
                now = now.max(moderation.until().unwrap());
                late += 1;
            }
        }
        (moderation.count, late)
    }

    #[test]
    fn bulk_traffic_has_an_event_for_many_slots() {
        let mut moderation = Moderation::default();
        assert_eq!(steady(&mut moderation, 20_000, 10_000, 1000, 100), (MOST, 0));
        let until = moderation.until().unwrap();
        assert!(until - moderation.since <= LONGEST_NS);
    }

    #[test]
    fn small_frames_have_an_event_each_and_no_deadline() {
        let mut moderation = Moderation::default();
        assert_eq!(steady(&mut moderation, 20_000, 100, 1000, 1000), (1, 0));
        assert_eq!(moderation.until(), None);
    }

    #[test]
    fn who_waits_for_an_answer_is_kept_waiting_ever_more_rarely() {
        let mut moderation = Moderation::default();
        // One large frame, and then nothing before it is answered.
        let (_, late) = steady(&mut moderation, 20_000, 10_000, 1, 10_000);
        assert!((5..20).contains(&late), "{late}");
        // Traffic that flows again is trusted again in the end.
        assert_eq!(steady(&mut moderation, 20_000, 10_000, 1000, 30_000).0, MOST);
    }

    #[test]
    fn what_ends_the_sleep_for_other_reasons_changes_nothing() {
        let mut moderation = Moderation::default();
        steady(&mut moderation, 20_000, 10_000, 1000, 100);
        let before = moderation;
        let count = moderation.count(before.slots, before.bytes + 100_000, before.since + 1);
        assert_eq!((count, moderation.until()), (before.count, before.until));
    }
}
