//! What the peer has beyond a gap, as it tells in SACK options (RFC 2018), and what follows: which bytes are lost and
//! how many are on the way (RFC 6675).

use alloc::vec::Vec;

use super::seq::Seq;

/// Ranges remembered. What is not remembered is sent once too often.
const MOST: usize = 128;

/// The ranges that the peer has, all of them after what it acknowledged, in order, apart from each other.
#[derive(Default)]
pub(crate) struct Scoreboard {
    ranges: Vec<(Seq, Seq)>,
    bytes: u32,
}

impl Scoreboard {
    /// Bytes in all ranges.
    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// The end of the last range.
    pub(crate) fn highest(&self) -> Option<Seq> {
        self.ranges.last().map(|(_, end)| *end)
    }

    /// The start of the range that reaches to `end`.
    pub(crate) fn range_to(&self, end: Seq) -> Option<Seq> {
        self.ranges.iter().rev().find(|(start, e)| start.lt(end) && end.le(*e)).map(|(start, _)| *start)
    }

    pub(crate) fn clear(&mut self) {
        self.ranges = Vec::new();
        self.bytes = 0;
    }

    /// Takes in a range that lies between `una` and `nxt`; what makes no sense is ignored. `true` if it told something new.
    pub(crate) fn add(&mut self, (start, end): (Seq, Seq), una: Seq, nxt: Seq) -> bool {
        // A range at or before what is acknowledged tells of a segment that came twice (RFC 2883). By distances: pairwise
        // order would let a range through that goes round the circle.
        if !(0 < start - una && start - una < end - una && end - una <= nxt - una) {
            return false;
        }
        let before = self.bytes;
        let from = self.ranges.partition_point(|(_, e)| e.lt(start));
        let to = self.ranges.partition_point(|(s, _)| s.le(end)).max(from);
        let (mut low, mut high) = (start, end);
        let mut had = 0;
        for (s, e) in &self.ranges[from..to] {
            low = low.min(*s);
            high = high.max(*e);
            had += *e - *s;
        }
        if from < to {
            self.ranges[from] = (low, high);
            self.ranges.drain(from + 1..to);
        } else if self.ranges.len() < MOST && self.ranges.try_reserve(1).is_ok() {
            self.ranges.insert(from, (low, high));
        } else {
            return false;
        }
        self.bytes = self.bytes - had + (high - low);
        self.bytes > before
    }

    /// Forgets what is before `una`.
    pub(crate) fn acknowledge(&mut self, una: Seq) {
        let gone = self.ranges.partition_point(|(_, end)| end.le(una));
        for (start, end) in self.ranges.drain(..gone) {
            self.bytes -= end - start;
        }
        if let Some((start, _)) = self.ranges.first_mut() {
            let cut = una.beyond(*start);
            *start = *start + cut;
            self.bytes -= cut;
        }
        if self.ranges.is_empty() {
            self.clear();
        }
    }

    /// Bytes before this number that the peer does not have are lost: more than two segments after them arrived, by
    /// their bytes or by their number.
    pub(crate) fn lost_before(&self, mss: u32) -> Option<Seq> {
        let mut above = 0u32;
        for (count, (start, end)) in self.ranges.iter().rev().enumerate() {
            above += *end - *start;
            if above > 2 * mss || count >= 2 {
                return Some(*start);
            }
        }
        None
    }

    /// The first bytes from `from` on, before `to`, that the peer does not have.
    pub(crate) fn hole(&self, from: Seq, to: Seq) -> Option<(Seq, Seq)> {
        let mut start = from;
        let first = self.ranges.partition_point(|(_, end)| end.le(from));
        for (s, e) in &self.ranges[first..] {
            if start.lt(*s) {
                return start.lt(to).then(|| (start, to.min(*s)));
            }
            start = start.max(*e);
        }
        start.lt(to).then_some((start, to))
    }

    /// Bytes from `from` on, before `to`, that the peer does not have.
    pub(crate) fn missing(&self, from: Seq, to: Seq) -> u32 {
        let inside = |(s, e): &(Seq, Seq)| e.min(to).beyond(s.max(from));
        let first = self.ranges.partition_point(|(_, end)| end.le(from));
        let had: u32 = self.ranges[first..].iter().take_while(|(s, _)| s.lt(to)).map(inside).sum();
        to.beyond(from).saturating_sub(had)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn ranges_agree_with_a_plain_map_of_bytes() {
        for seed in 0..30 {
            let mut rng = Rng::new(seed);
            let mut roll = |n: u32| (rng.next_u64() % u64::from(n)) as u32;
            let base = Seq(u32::MAX - 150);
            let (mut board, mut map, mut una) = (Scoreboard::default(), [false; 301], 0);
            for _ in 0..60 {
                let (a, b) = (roll(301), roll(301));
                board.add((base + a, base + b), base + una, base + 300);
                if una < a && a < b && b <= 300 {
                    map[a as usize..b as usize].fill(true);
                }
                if roll(5) == 0 {
                    una = (una + roll(20)).min(300);
                    board.acknowledge(base + una);
                    map[..una as usize].fill(false);
                }
                let count = map.iter().filter(|had| **had).count() as u32;
                assert_eq!(board.bytes(), count);
                let (from, to) = (una + roll(301 - una), roll(301));
                let missing = (from..to).filter(|at| !map[*at as usize]).count() as u32;
                assert_eq!(board.missing(base + from, base + to), missing);
                let hole = (from..to).find(|at| !map[*at as usize]).map(|start| {
                    let end = (start..to).find(|at| map[*at as usize]).unwrap_or(to);
                    (base + start, base + end)
                });
                assert_eq!(board.hole(base + from, base + to), hole);
            }
        }
    }

    #[test]
    fn what_three_later_segments_have_passed_is_lost() {
        let mut board = Scoreboard::default();
        let add = |board: &mut Scoreboard, a, b| board.add((Seq(a), Seq(b)), Seq(0), Seq(100_000));
        assert!(add(&mut board, 1000, 2000) && !add(&mut board, 1000, 1500));
        assert_eq!(board.lost_before(1000), None);
        add(&mut board, 2000, 3000);
        assert_eq!(board.lost_before(1000), None);
        add(&mut board, 3000, 3001);
        assert_eq!(board.lost_before(1000), Some(Seq(1000)));
        add(&mut board, 5000, 5100);
        add(&mut board, 6000, 6100);
        assert_eq!(board.lost_before(10_000), Some(Seq(1000)));
        assert!(!add(&mut board, 1_500_000_000, 3_000_000_000), "round the circle");
        assert!(!add(&mut board, 0, 100) && !add(&mut board, 90_000, 100_001), "lies are ignored");
    }
}
