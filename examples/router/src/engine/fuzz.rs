//! Entry points of the fuzz targets.

use alloc::vec;
use alloc::vec::Vec;

use super::router::{Frame, Link, Out, Router};
use super::rules;

const RULES: &str = "interface 0 10.1.0.1/24 fd00:1::1/64 advertise\n\
    interface 1 10.2.0.1/24 fd00:2::1/64 mtu 1300\n\
    route 0.0.0.0/0 via 10.2.0.2\nroute ::/0 via fd00:2::2\n\
    masquerade out 1\nmasquerade out 1 from fd00:1::/64\n\
    forward in 1 tcp port 80 to 10.1.0.2 port 8080\n\
    accept in 0 out 1\naccept in 1 tcp port 8080\nreject udp\ndefault accept\nconnections 16\n";

/// Looks at what is sent, and keeps a little of it.
#[derive(Default)]
struct Sink(Vec<(usize, Vec<u8>)>);

impl Out for Sink {
    fn send(
        &mut self,
        output: usize,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        let whole = if output == 1 { 1300 + 14 } else { 1500 + 14 };
        assert!(output < 2, "sent out of interface {output}");
        assert!((14..=if segment_len.is_some() { 65_535 } else { whole }).contains(&len), "{len} bytes");
        let mut frame = vec![0; len];
        write(&mut frame);
        if self.0.len() < 64 {
            self.0.push((output, frame));
        }
        true
    }
}

/// A router with two interfaces that gets these frames: each has two bytes of length and interface, and what it sends comes back as
/// answers now and then.
pub fn frames(data: &[u8]) {
    let Ok(rules) = rules::parse("fuzz", RULES) else { return };
    let Ok(mut router) = Router::new(rules, [1, 2, 3]) else { return };
    for number in 0..2u8 {
        let link =
            Link { mac: [2, 0, 0, 0, 0, number], mtu: 1500, divides_v4: true, divides_v6: number == 0 };
        router.set_link(number.into(), link);
    }
    let (mut rest, mut now, mut sink) = (data, 1, Sink::default());
    while let Some(([high, low], more)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([*high & 0x7, *low])).min(more.len());
        let (bytes, after) = more.split_at(len);
        rest = after;
        now += u64::from(*high >> 5) * 100_000_000;
        let segment_len = (high & 8 != 0).then_some(u16::from(*low) * 8 + 1);
        router.receive(&Frame { bytes, input: usize::from(high >> 4 & 1), segment_len }, now, &mut sink);
        router.poll(now, &mut sink);
        if high & 0xe8 == 0xe8 {
            for (output, mut frame) in core::mem::take(&mut sink.0) {
                // The other end answers: addresses and ports are exchanged, which no checksum notices.
                let is_v4 = frame.get(12..14) == Some(&[8, 0]);
                let (addresses, ports) = if is_v4 { (26..34, 34..38) } else { (22..54, 54..58) };
                for place in [0..12, addresses, ports] {
                    let part = frame.get_mut(place).unwrap_or_default();
                    part.rotate_left(part.len() / 2);
                }
                router.receive(&Frame { bytes: &frame, input: output, segment_len: None }, now, &mut sink);
            }
        }
        assert!(router.flows().len() <= 16 && router.neighbours().len() <= 256);
    }
}

/// A text of rules: rules or an error that names a line.
pub fn rules(data: &[u8]) {
    let text = alloc::string::String::from_utf8_lossy(data);
    match rules::parse("fuzz", &text) {
        Ok(rules) => assert!(rules.interfaces.len() <= rules::MAX_INTERFACES),
        Err(error) => {
            assert!(error.line >= 1 && error.line <= text.lines().count().max(1));
            assert!(!error.reason.is_empty());
        }
    }
}
