//! Parts of packets: only the first has the ports, so that what was decided about it is remembered for the others.

use alloc::vec::Vec;

use super::address::Addr;
use super::packet::{Packet, Part, Tuple};

const SECOND: u64 = 1_000_000_000;
const LIFETIME: u64 = 15 * SECOND;
/// Packets in parts that are under way at once.
const MOST: usize = 64;

#[derive(Clone, Copy)]
struct Entry {
    /// As it comes in, without ports.
    tuple: Tuple,
    id: u32,
    /// Addresses as it goes out.
    src: Addr,
    dst: Addr,
    expires: u64,
}

/// What was decided about first parts.
pub struct Fragments {
    entries: Vec<Option<Entry>>,
    next: usize,
}

impl Fragments {
    /// Nothing yet; `None` without memory.
    pub fn new() -> Option<Self> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(MOST).ok()?;
        entries.resize(MOST, None);
        Some(Self { entries, next: 0 })
    }

    /// The first part of a packet goes out like this.
    pub fn remember(&mut self, packet: &Packet, outgoing: &Tuple, now: u64) {
        let Part::First(id) = packet.part else { return };
        let tuple = without_ports(packet.tuple);
        let known = self.entries.iter().flatten();
        if known.clone().any(|entry| entry.id == id && entry.tuple == tuple && entry.expires > now) {
            return;
        }
        let entry = Entry { tuple, id, src: outgoing.src, dst: outgoing.dst, expires: now + LIFETIME };
        if let Some(place) = self.entries.get_mut(self.next) {
            *place = Some(entry);
        }
        self.next = (self.next + 1) % MOST;
    }

    /// How another part goes out.
    pub fn find(&self, packet: &Packet, now: u64) -> Option<Tuple> {
        let Part::Later(id) = packet.part else { return None };
        let tuple = without_ports(packet.tuple);
        let mut entries = self.entries.iter().flatten();
        let entry = entries.find(|entry| entry.id == id && entry.tuple == tuple && entry.expires > now)?;
        Some(Tuple { src: entry.src, dst: entry.dst, ..tuple })
    }
}

fn without_ports(tuple: Tuple) -> Tuple {
    Tuple { src_port: 0, dst_port: 0, ..tuple }
}
