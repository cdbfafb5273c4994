//! First sequence numbers that nobody can guess (RFC 6528), and those that hold a call so that we need not (RFC 4987).
//!
//! A cookie is a hash of both ends, the caller's number and a slow clock, with two bits of the clock and two that stand
//! for the segment size. Whoever sends it back has heard our answer.

use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use super::Seq;
use crate::tcp::FlowKey;

/// Segment sizes that a cookie can hold.
const SIZES: [u16; 4] = [536, 1220, 1440, 1460];
/// Seconds of a tick of the slow clock; a cookie is good for one to two of them.
const TICK: i64 = 32;

/// The secrets of a stack.
pub(crate) struct Keys {
    numbers: (u64, u64),
    cookies: (u64, u64),
}

impl Keys {
    pub(crate) fn new(mut random: impl FnMut() -> u64) -> Self {
        Self { numbers: (random(), random()), cookies: (random(), random()) }
    }

    /// The first number of a connection, and the first of its timestamps.
    pub(crate) fn first(&self, flow: &FlowKey, now: Instant) -> (Seq, u32) {
        let hash = hash(self.numbers, flow, 0);
        // One more each four microseconds, so that a later connection between the same ends begins above an earlier one.
        (Seq((hash as u32).wrapping_add((now.total_micros() / 4) as u32)), (hash >> 32) as u32)
    }

    /// The answer to a call, or `None` if its segment size fits no cookie.
    pub(crate) fn cookie(&self, flow: &FlowKey, caller: Seq, mss: u16, now: Instant) -> Option<Seq> {
        let size = SIZES.iter().rposition(|size| *size <= mss)?;
        Some(self.bake(flow, caller, size as u32, tick(now)))
    }

    /// The segment size of the call that was answered with this number, if one was lately.
    pub(crate) fn check(&self, flow: &FlowKey, caller: Seq, answer: Seq, now: Instant) -> Option<u16> {
        let (now, size) = (tick(now), answer.0 & 3);
        let age = now.wrapping_sub(answer.0 >> 2) & 3;
        let then = now.wrapping_sub(age);
        (age <= 1 && self.bake(flow, caller, size, then) == answer).then(|| SIZES[size as usize])
    }

    fn bake(&self, flow: &FlowKey, caller: Seq, size: u32, tick: u32) -> Seq {
        let salt = u64::from(caller.0) << 32 | u64::from(tick << 2 | size);
        Seq((hash(self.cookies, flow, salt) as u32) << 4 | (tick & 3) << 2 | size)
    }
}

fn tick(now: Instant) -> u32 {
    (now.secs() / TICK) as u32 & (u32::MAX >> 2)
}

/// SipHash-2-4 over both ends and `salt`.
fn hash((k0, k1): (u64, u64), flow: &FlowKey, salt: u64) -> u64 {
    let mut sip = Sip([
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ]);
    sip.word(u64::from(flow.local.0) << 16 | u64::from(flow.remote.0));
    for address in [flow.local.1, flow.remote.1] {
        match address {
            IpAddress::Ipv4(v4) => sip.word(u64::from(v4.to_bits())),
            IpAddress::Ipv6(v6) => {
                let bits = v6.to_bits();
                sip.word((bits >> 64) as u64);
                sip.word(bits as u64);
            }
        }
    }
    sip.word(salt);
    sip.0[2] ^= 0xff;
    (0..4).for_each(|_| sip.round());
    sip.0[0] ^ sip.0[1] ^ sip.0[2] ^ sip.0[3]
}

struct Sip([u64; 4]);

impl Sip {
    fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::Ipv4Address;

    fn flow(port: u16) -> FlowKey {
        let ip = |last| IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, last));
        FlowKey { local: (80, ip(1)), remote: (port, ip(2)) }
    }

    /// The words of the reference test vector of SipHash-2-4: key 00..0f, message 00..0e and its length.
    #[test]
    fn the_hash_is_siphash() {
        let key = |from: u8| u64::from_le_bytes(core::array::from_fn(|i| from + i as u8));
        let (k0, k1) = (key(0), key(8));
        let mut sip = Sip([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ]);
        sip.word(key(0));
        sip.word(key(8) & (u64::MAX >> 8) | 15 << 56);
        sip.0[2] ^= 0xff;
        (0..4).for_each(|_| sip.round());
        assert_eq!(sip.0.iter().fold(0, |a, b| a ^ b), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn a_cookie_is_good_for_a_minute_and_for_its_caller_alone() {
        let mut next = 7u64;
        let keys = Keys::new(|| {
            next = next.wrapping_mul(6364136223846793005).wrapping_add(99);
            next
        });
        let at = |secs| Instant::from_secs(secs);
        for (mss, size) in [(536, 536), (1459, 1440), (1460, 1460), (9000, 1460)] {
            let cookie = keys.cookie(&flow(1000), Seq(5), mss, at(100)).unwrap();
            assert_eq!(keys.check(&flow(1000), Seq(5), cookie, at(100)), Some(size));
            assert_eq!(keys.check(&flow(1000), Seq(5), cookie, at(130)), Some(size));
            assert_eq!(keys.check(&flow(1000), Seq(5), cookie, at(170)), None);
            assert_eq!(keys.check(&flow(1001), Seq(5), cookie, at(100)), None);
            assert_eq!(keys.check(&flow(1000), Seq(6), cookie, at(100)), None);
            assert_eq!(keys.check(&flow(1000), Seq(5), cookie + 1, at(100)), None);
        }
        assert_eq!(keys.cookie(&flow(1), Seq(5), 500, at(0)), None);
        let (a, b) = (keys.first(&flow(1), at(1)).0, keys.first(&flow(1), at(2)).0);
        assert_eq!(b - a, 250_000);
    }
}
