//! What the fuzz target `vchan_peer` runs: a script for a client that lies, interleaved with what the server does; and for a
//! server that lies, seen by our client.

use std::vec::Vec;

use xen::fake::{MappedPage, Peer, World};
use xen::{Clock, DomId, GrantRef, PAGE_SIZE, Port, SharedMemory};
use xenstore::fake::{FakeXenstored, GUEST};

use crate::{Client, Error, Offer, Server, Sizes};

const PATH: &str = "data/vchan";

/// Runs a script. Whatever it says, nothing panics, no more is read or written than was asked for, and a server that is
/// not hoarded out serves an honest client at the end.
pub fn peer(data: &[u8]) {
    let script = &mut data.iter().copied();
    let world = World::new();
    let (xenstored, store) = FakeXenstored::start(&world);
    xenstored.set("/local/domain/5/domid", "5");
    let sizes = [0, 2000, 5000];
    let size = |byte: Option<u8>| sizes[usize::from(byte.unwrap_or(0)) % 3];
    let sizes = Sizes { to_server: size(script.next()), to_client: size(script.next()) };
    let Ok(server) = Server::new(&*world, &store, DomId::DOM0, PATH, sizes) else { return };
    let dom0 = world.peer(DomId::DOM0);
    let offer = || {
        let number = |key| xenstored.get(&format!("/local/domain/5/{PATH}/{key}"))?.parse().ok();
        let (gref, port) = (number("ring-ref")?, number("event-channel")?);
        Some(Offer { ring_ref: GrantRef::new(gref), event_channel: Port::new(port) })
    };
    let mut raw: Option<MappedPage> = None;
    let mut client: Option<Client<Peer>> = None;
    let mut buffer = [0; 3000];
    while let Some(action) = script.next() {
        match action % 8 {
            0 => {
                let soon = Some(world.now_ns() + 1_000);
                if let Err(Error::Hoarded(_)) = server.accept(soon) {
                    break;
                }
            }
            1 => {
                let wanted = usize::from(action) * 8;
                assert!(server.read(&mut buffer[..wanted]).unwrap_or(0) <= wanted);
            }
            2 => assert!(server.write(&buffer[..usize::from(action) * 8]).unwrap_or(0) <= 2040),
            3 => match offer() {
                Some(offer) => {
                    client = Client::connect(&dom0, GUEST, offer).ok();
                    raw = dom0.map_rw(offer.ring_ref.raw()).ok();
                }
                None => client = None,
            },
            4 => drop(client.as_ref().map(|client| client.read(&mut buffer[..usize::from(action)]))),
            5 => drop(client.as_ref().map(|client| client.write(&buffer[..usize::from(action) * 8]))),
            6 => {
                raw = None;
                server.hang_up();
                server.drain(Some(world.now_ns() + 1_000));
            }
            _ => {
                let number = number(script);
                // Mostly what has a meaning; near to where it is, or anything.
                let at = if number & 3 != 0 {
                    number as usize >> 2 & 7
                } else {
                    number as usize % (PAGE_SIZE / 4)
                };
                if let Some(raw) = &raw {
                    let value = if action & 0x40 == 0 { raw.load_u32(at * 4) } else { number << 13 };
                    raw.store_u32(at * 4, value.wrapping_add(number >> 5).wrapping_sub(8));
                }
            }
        }
    }
    drop((client, raw));
    serve_an_honest_one(&server, || Client::connect(&dom0, GUEST, offer()?).ok());
    drop(server);
}

fn serve_an_honest_one<P: xen::Platform, M: SharedMemory>(
    server: &Server<P, M>,
    connect: impl Fn() -> Option<Client<Peer>>,
) {
    match server.accept(Some(0)) {
        Err(Error::Hoarded(_)) => return,
        // A liar who says that it is there is served until it is found out.
        Ok(true) => drop(server.accept(Some(0))),
        _ => {}
    }
    let Some(client) = connect() else { return };
    assert_eq!(server.accept(Some(0)), Ok(true));
    assert_eq!(client.write(b"honest"), Ok(6));
    let mut seen = Vec::from([0; 9]);
    assert_eq!((server.read(&mut seen), &seen[..6]), (Ok(6), &b"honest"[..]));
}

fn number(script: &mut impl Iterator<Item = u8>) -> u32 {
    let [low, high] = [script.next(), script.next()].map(Option::unwrap_or_default);
    u16::from_le_bytes([low, high]).into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_scripts_of_a_hostile_peer_break_nothing() {
        let mut seed = 0xfeed_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for _ in 0..if cfg!(miri) { 1 } else { 500 } {
            let script: Vec<u8> =
                (0..random() % if cfg!(miri) { 60 } else { 300 }).map(|_| random() as u8).collect();
            super::peer(&script);
        }
    }
}
