//! The driver against FakeNetback.

mod connect;
mod events;
mod features;
mod groups;
mod hostile;
mod oracle;
mod plug;
mod segments;
mod stack;
mod transfer;

use smoltcp::phy::{Device as _, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use xen::fake::{FakeDevice, FakeXen, World};
use xen::{EventSeq, Port};

use crate::fake::FakeNetback;
use crate::{Config, NetFront};

type Front = NetFront<FakeXen, FakeDevice>;

const NOW: Instant = Instant::ZERO;

fn config() -> Config {
    Config { rx_buffers: 8, tx_buffers: 8, ..Config::default() }
}

fn connected(world: &World, config: Config) -> (Front, FakeNetback) {
    let (device, back) = FakeNetback::with_device(world);
    (Front::connect(world, device, config).expect("the back end is willing"), back)
}

/// Sends a frame; `false` if there is no room.
fn send(front: &mut Front, frame: &[u8]) -> bool {
    let Some(token) = front.transmit(NOW) else { return false };
    token.consume(frame.len(), |into| into.copy_from_slice(frame));
    true
}

fn receive(front: &mut Front) -> Option<Vec<u8>> {
    let (token, _) = front.receive(NOW)?;
    Some(token.consume(|frame| frame.to_vec()))
}

/// The event channel of a device that has one, and the count of its events.
fn event(front: &Front) -> (Port, EventSeq) {
    let mut events = front.events();
    let first = events.next().expect("it is connected");
    assert_eq!(events.next(), None, "there is one");
    first
}

/// A frame of no protocol, so that nobody looks for checksums in it.
fn opaque(len: usize, seed: usize) -> Vec<u8> {
    let turn: Vec<u8> = (0..len.min(256)).map(|at| (at * 7 + seed) as u8).collect();
    let mut frame = turn.repeat(len.div_ceil(256));
    frame.truncate(len);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

/// Numbers that look random, the same in each run.
pub(crate) fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}
