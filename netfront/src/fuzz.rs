//! What the fuzz target runs: a script for a hostile back end, its lies interleaved with what the driver does.

use core::iter;
use core::num::NonZeroU16;

use smoltcp::phy::{Device as _, PacketMeta, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use xen::fake::{FakeDevice, FakeXen, World};
use xen::xenbus::State;
use xen::{Clock, PAGE_SIZE, SharedMemory};
use xen_sys::io::netif::{RxRequest, RxResponse, TxResponse};
use xen_sys::io::ring::{HEADER_LEN, REQ_PROD, RSP_PROD};

use crate::fake::{BackRings, FakeNetback};
use crate::{Config, ETHERNET_HEADER, MAX_FRAME, NetFront};

const TX_SLOT: usize = 12;
const RX_SLOT: usize = 8;
const OFFERS: [&str; 6] = [
    "feature-no-csum-offload",
    "feature-gso-tcpv4",
    "feature-gso-tcpv6",
    "feature-ipv6-csum-offload",
    "feature-split-event-channels",
    "feature-multicast-control",
];
const RING_MASK: u32 = 255;

/// Runs a script. Whatever it says, nothing panics, no frame is longer or shorter than a frame can be, a device that has
/// failed hands out nothing, and nothing leaks.
pub fn backend(data: &[u8]) {
    let script = &mut data.iter().copied();
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    // Lies are told by the script; the fake only follows the states.
    back.adjust(|knobs| knobs.takes_tx = false);
    let Some(options) = script.next() else { return };
    let more = script.next().unwrap_or_default();
    for (bit, key) in OFFERS.iter().enumerate() {
        device.set_back(key, if u16::from_le_bytes([options, more]) >> bit & 1 == 0 { "0" } else { "1" });
    }
    device.set_back("multi-queue-max-queues", if more & 0x40 == 0 { "1" } else { "3" });
    let config = Config {
        rx_buffers: if more & 0x80 == 0 { usize::from(options >> 4) + 1 } else { 110 },
        tx_buffers: if options & 8 == 0 { 4 } else { 16 },
        queues: 3,
        multicast_control: true,
        first_index: u32::from(options & 0x0c).wrapping_sub(8),
        ..Config::default()
    };
    let Ok(mut front) = NetFront::connect(&*world, device, config) else { return };
    while let Some(action) = script.next() {
        match action % 13 {
            0 => receive_all(&mut front),
            1 => send(&mut front, script),
            10 => {
                let group = [1, 0, 0, 0, 0, script.next().unwrap_or_default() % 8];
                if action & 0x80 == 0 { front.join(group) } else { front.leave(group) }
            }
            12 => _ = back.with_rings(|rings, _| rings.event.notify()),
            // As a clock that goes on while the device is muted.
            11 => {
                world.advance_ns(front.quiet_until().map_or(1, |until| until.saturating_sub(world.now_ns())))
            }
            2 => front.flush(),
            3 => _ = front.arm(),
            4 => {
                let state = State::from_raw(number(script) % 9).unwrap_or(State::Unknown);
                match state {
                    State::Connected => {}
                    State::Closing | State::Closed | State::Unknown => back.leave(state),
                    _ => front.device().set_back_state(state),
                }
                let _ = front.link();
            }
            5 => {
                if front.reconnect().is_err() {
                    front.device().set_back_state(State::Closed);
                }
            }
            lie => {
                let queue = usize::from(action / 13) % 3;
                _ = back.with_queue(queue, |rings, _| tell(lie, rings, &world, script));
            }
        }
    }
    receive_all(&mut front);
    drop(front);
    back.leave(State::Closed);
}

fn number(script: &mut impl Iterator<Item = u8>) -> u32 {
    let [low, high] = [script.next(), script.next()].map(Option::unwrap_or_default);
    u16::from_le_bytes([low, high]).into()
}

fn receive_all(front: &mut NetFront<FakeXen, FakeDevice>) {
    for len in iter::from_fn(|| Some(front.receive(Instant::ZERO)?.0.consume(<[u8]>::len))) {
        assert!((ETHERNET_HEADER..=MAX_FRAME).contains(&len));
    }
    assert!(front.error().is_none() || front.transmit(Instant::ZERO).is_none());
}

/// Sends a frame that may be TCP or UDP over either IP, whole or to be divided, or anything else.
fn send(front: &mut NetFront<FakeXen, FakeDevice>, script: &mut impl Iterator<Item = u8>) {
    let (len, shape, size) = (number(script) as usize, script.next().unwrap_or_default(), number(script));
    let Some(mut token) = front.transmit(Instant::ZERO) else { return };
    if shape & 1 == 1 {
        let mut meta = PacketMeta::default();
        meta.segmentation_offload_size = NonZeroU16::new(size as u16);
        token.set_meta(meta);
    }
    token.consume(len % 20_000, |frame| {
        frame.fill(len as u8);
        let header: &[u8] = match shape >> 1 & 3 {
            0 => &[0x86, 0xdd, 0x60, 0, 0, 0],
            1 => &[0x08, 0, 0x45, 0],
            _ => return,
        };
        let end = 12 + header.len();
        let protocol = if shape & 0x10 == 0 { 6 } else { 17 };
        if let Some(place) = frame.get_mut(12..end) {
            place.copy_from_slice(header);
        }
        let (len_at, less, protocol_at) = if header.len() == 6 { (18, 54, 20) } else { (16, 14, 23) };
        let total = (frame.len().saturating_sub(less) as u16).to_be_bytes();
        if let Some(place) = frame.get_mut(len_at..len_at + 2) {
            place.copy_from_slice(&total);
        }
        if let Some(place) = frame.get_mut(protocol_at) {
            *place = protocol;
        }
    });
}

fn tell(lie: u8, rings: &mut BackRings, world: &World, script: &mut impl Iterator<Item = u8>) {
    let (tx, rx) = (rings.tx.memory(), rings.rx.memory());
    match lie {
        // Any word of either ring's page.
        6 => {
            let (place, value) = (number(script) as usize, number(script) << 16 | number(script));
            let ring = if place & 1 == 0 { tx } else { rx };
            ring.store_u32((place % PAGE_SIZE) & !3, value);
        }
        7 => {
            let index = tx.load_u32(RSP_PROD);
            let id = number(script) % 18;
            let id = if id == 17 { u16::MAX } else { id as u16 };
            let response = TxResponse { id, status: number(script) as i16 };
            tx.write_slot(HEADER_LEN + (index & RING_MASK) as usize * TX_SLOT, response);
            tx.store_u32(RSP_PROD, index.wrapping_add(1));
        }
        // A response with the right id, the rest as the script has it, after data for its buffer.
        8 => {
            let index = rx.load_u32(RSP_PROD);
            let at = HEADER_LEN + (index & RING_MASK) as usize * RX_SLOT;
            let request: RxRequest = rx.read_slot(at);
            if let Ok(buffer) = world.peer(xen::DomId::DOM0).map_rw(request.gref) {
                let bytes: [u8; 64] = core::array::from_fn(|_| script.next().unwrap_or(7));
                buffer.copy_in(0, &bytes);
            }
            let [offset, flags, status] = [number(script), number(script), number(script)];
            let offset = if offset & 1 == 0 { 0 } else { offset };
            let response = RxResponse {
                id: request.id,
                offset: offset as u16,
                flags: flags as u16 & 0x1f,
                status: status as i16,
            };
            rx.write_slot(at, response);
            rx.store_u32(RSP_PROD, index.wrapping_add(1));
        }
        // An index near the front end's own.
        _ => {
            let ring = if number(script) & 1 == 0 { tx } else { rx };
            let near = ring.load_u32(REQ_PROD).wrapping_add(number(script) % 8).wrapping_sub(4);
            ring.store_u32(RSP_PROD, near);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_scripts_of_a_hostile_back_end_break_nothing() {
        let mut seed = 0xfeed;
        for _ in 0..if cfg!(miri) { 3 } else { 2_000 } {
            let len = crate::tests::random(&mut seed) as usize % if cfg!(miri) { 150 } else { 600 };
            let script: Vec<u8> = (0..len).map(|_| (crate::tests::random(&mut seed) >> 24) as u8).collect();
            super::backend(&script);
        }
    }
}
