//! The round trip time and the time after which something not acknowledged is sent again (RFC 6298).

use smoltcp::time::Duration;

const FIRST: u32 = 1_000_000;
const LEAST: u32 = 200_000;
const MOST: u32 = 60_000_000;

/// Estimates in microseconds.
pub(crate) struct Rtt {
    smoothed: Option<u32>,
    variation: u32,
    least: u32,
    /// Time-outs in a row.
    backoff: u8,
}

impl Rtt {
    pub(crate) fn new() -> Self {
        Self { smoothed: None, variation: 0, least: u32::MAX, backoff: 0 }
    }

    /// Takes in how long an acknowledgement took.
    pub(crate) fn sample(&mut self, took: Duration) {
        let took = u32::try_from(took.total_micros()).unwrap_or(MOST).clamp(1, MOST);
        self.least = self.least.min(took);
        match self.smoothed {
            None => {
                self.smoothed = Some(took);
                self.variation = took / 2;
            }
            Some(smoothed) => {
                self.variation = self.variation / 4 * 3 + smoothed.abs_diff(took) / 4;
                self.smoothed = Some((smoothed / 8 * 7 + smoothed % 8 * 7 / 8 + took / 8).max(1));
            }
        }
    }

    /// Time until the next time-out.
    pub(crate) fn timeout(&self) -> Duration {
        let base = match self.smoothed {
            None => FIRST,
            Some(smoothed) => smoothed.saturating_add(self.variation.saturating_mul(4)).clamp(LEAST, MOST),
        };
        let backed_off = u64::from(base) << self.backoff.min(16);
        Duration::from_micros(backed_off.min(MOST.into()))
    }

    /// The mean round trip, if one is known.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(|micros| Duration::from_micros(micros.into()))
    }

    /// How much round trips differ, in microseconds.
    pub(crate) fn variation(&self) -> u32 {
        self.variation
    }

    /// The shortest round trip, if one is known.
    pub(crate) fn least(&self) -> Option<Duration> {
        self.smoothed.map(|_| Duration::from_micros(self.least.into()))
    }

    /// A time-out: the next takes twice as long.
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// Time-outs in a row.
    pub(crate) fn backoff(&self) -> u8 {
        self.backoff
    }

    /// Something was acknowledged.
    pub(crate) fn progress(&mut self) {
        self.backoff = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_out_follows_the_samples_and_doubles() {
        let mut rtt = Rtt::new();
        assert_eq!(rtt.timeout(), Duration::from_secs(1));
        for _ in 0..100 {
            rtt.sample(Duration::from_millis(400));
        }
        let usual = rtt.timeout().total_millis();
        assert!((395..=420).contains(&usual), "{usual} ms");
        rtt.back_off();
        rtt.back_off();
        assert!(rtt.timeout().total_millis() >= 4 * 395);
        for _ in 0..200 {
            rtt.back_off();
        }
        assert_eq!(rtt.timeout(), Duration::from_secs(60));
        rtt.progress();
        assert_eq!(rtt.timeout().total_millis(), usual);
        rtt.sample(Duration::from_secs(u64::MAX / 10_000_000));
        let mut quick = Rtt::new();
        quick.sample(Duration::from_micros(100));
        assert_eq!(quick.timeout(), Duration::from_millis(200));
    }
}
