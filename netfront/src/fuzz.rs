//! What the fuzz target runs: a script for a hostile back end, its lies interleaved with what the driver does.

use core::iter;

use smoltcp::phy::{Device as _, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use xen::fake::{FakeDevice, FakeXen, World};
use xen::xenbus::State;
use xen::{PAGE_SIZE, SharedMemory};
use xen_sys::io::netif::{RxRequest, RxResponse, TxResponse};
use xen_sys::io::ring::{HEADER_LEN, REQ_PROD, RSP_PROD};

use crate::fake::{BackRings, FakeNetback};
use crate::{Config, ETHERNET_HEADER, MAX_FRAME, NetFront};

const TX_SLOT: usize = 12;
const RX_SLOT: usize = 8;
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
    for (bit, key) in ["feature-no-csum-offload", "feature-gso-tcpv4"].iter().enumerate() {
        device.set_back(key, if options >> bit & 1 == 0 { "0" } else { "1" });
    }
    let config = Config {
        rx_buffers: usize::from(options >> 4) + 1,
        tx_buffers: 4,
        first_index: u32::from(options & 0x0c).wrapping_sub(8),
        rx_segments: options & 0x80 != 0,
        ..Config::default()
    };
    let Ok(mut front) = NetFront::connect(&*world, device, config) else { return };
    while let Some(action) = script.next() {
        match action % 10 {
            0 => receive_all(&mut front),
            1 => send(&mut front, number(script) as usize),
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
            lie => _ = back.with_rings(|rings, _| tell(lie, rings, &world, script)),
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

fn send(front: &mut NetFront<FakeXen, FakeDevice>, len: usize) {
    if let Some(token) = front.transmit(Instant::ZERO) {
        token.consume(len % 2_000, |frame| frame.fill(len as u8));
    }
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
            let response = TxResponse { id: (number(script) % 6) as u16, status: number(script) as i16 };
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
        for _ in 0..if cfg!(miri) { 5 } else { 3_000 } {
            let len = crate::tests::random(&mut seed) as usize % 600;
            let script: Vec<u8> = (0..len).map(|_| (crate::tests::random(&mut seed) >> 24) as u8).collect();
            super::backend(&script);
        }
    }
}
