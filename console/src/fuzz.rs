//! What the fuzz target `console_backend` runs: a script for the back end of a further console, its lies and its states
//! interleaved with what the front end does.

use xen::fake::World;
use xen::xenbus::State;
use xen::{Clock, PAGE_SIZE, SharedMemory};
use xen_sys::io::console as abi;

use crate::fake::FakeBackend;
use crate::{Front, Link};

/// Runs a script. Whatever it says, nothing panics, no more is read than was asked for, nothing is handed out while there is
/// no connection, and nothing leaks but the pages that a back end never let go of.
pub fn backend(data: &[u8]) {
    let script = &mut data.iter().copied();
    let world = World::new();
    let (device, back) = FakeBackend::new(&world);
    let front = Front::new(&*world, device);
    let soon = || Some(world.now_ns() + 1_000_000);
    let mut buffer = [0; 300];
    while let Some(action) = script.next() {
        match action % 10 {
            0 => {
                let len = front.read(&mut buffer[..usize::from(action)]);
                assert!(len <= usize::from(action));
            }
            1 => {
                let count = front.write_raw(&buffer);
                assert!(count <= buffer.len());
            }
            2 => drop(front.follow(soon())),
            3 => drop(front.flush(world.now_ns() + 1_000)),
            4 => back.set_away(action & 0x10 != 0),
            5 => back.type_in(&buffer[..usize::from(action)]),
            6 => {
                // Any state, whether the ring is let go or not.
                let number = script.next().unwrap_or_default();
                let state = State::from_raw(u32::from(number) % 9).unwrap_or(State::Unknown);
                if number & 0x80 == 0 {
                    back.leave(state);
                } else {
                    front.device().set_back_state(state);
                }
            }
            7 => front.device().fail_publish(action & 0x10 != 0),
            lie => {
                let number = number(script);
                back.with_ring(|ring| {
                    let index = abi::IN_CONS + (number as usize >> 4) % 4 * 4;
                    match lie {
                        // Near to where it is.
                        8 => ring
                            .store_u32(index, ring.load_u32(index).wrapping_add(number >> 8).wrapping_sub(2)),
                        _ if number & 1 == 0 => ring.store_u32(index, number << 16 | number),
                        _ => ring.store_u32((number as usize % PAGE_SIZE) & !3, number << 16 | number),
                    }
                });
            }
        }
        if front.link() == Link::Down {
            assert!(front.read(&mut buffer) + front.write_raw(&buffer) == 0 && front.wait_point().is_none());
        }
        world.run_peers();
    }
    drop(front);
    back.leave(State::Closed);
}

fn number(script: &mut impl Iterator<Item = u8>) -> u32 {
    let [low, high] = [script.next(), script.next()].map(Option::unwrap_or_default);
    u16::from_le_bytes([low, high]).into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_scripts_of_a_hostile_back_end_break_nothing() {
        let mut seed = 0xfeed_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for _ in 0..if cfg!(miri) { 5 } else { 3_000 } {
            let script: Vec<u8> = (0..random() % 600).map(|_| random() as u8).collect();
            super::backend(&script);
        }
    }
}
