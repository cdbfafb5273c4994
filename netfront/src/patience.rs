//! How long to look at the rings before sleeping: [`Patience`].
//!
//! An event costs the back end a hypercall and this side a wake-up. When frames follow each other closely it is cheaper to look
//! again a few times, and nothing is lost if other threads run in between. How often is worth it shows by what came of it.

/// Looks in a row at most: a few microseconds.
const MOST: u32 = 32;
/// After frames that came with an event, so many are tried.
const FEWEST: u32 = 2;

/// How often to look at the rings again before an event is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    looks: u32,
    /// Frames were found since the last sleep.
    busy: bool,
}

impl Patience {
    /// How often to look now.
    pub fn looks(&self) -> u32 {
        self.looks
    }

    /// A look, or a poll, has found something.
    pub fn found(&mut self) {
        if self.busy {
            self.looks = (self.looks * 2).min(MOST);
        }
        self.looks = self.looks.max(FEWEST);
        self.busy = true;
    }

    /// All looks were in vain: sleep.
    pub fn slept(&mut self) {
        self.looks /= 2;
        self.busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_while_it_pays_and_ends_when_it_does_not() {
        let mut patience = Patience::default();
        assert_eq!(patience.looks(), 0, "an idle device is not looked at");
        patience.found();
        assert_eq!(patience.looks(), FEWEST);
        (0..10).for_each(|_| patience.found());
        assert_eq!(patience.looks(), MOST);
        let sleeps = core::iter::from_fn(|| (patience.looks() > 0).then(|| patience.slept())).count();
        assert_eq!(sleeps, 6);
    }

    #[test]
    fn frames_that_are_far_apart_cost_few_looks_each() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            patience.found();
            assert_eq!(patience.looks(), FEWEST);
            patience.slept();
        }
    }
}
