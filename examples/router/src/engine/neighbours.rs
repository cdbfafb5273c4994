//! Whose hardware address is whose: [`Neighbours`], a cache of fixed size.
//!
//! Addresses that nobody has answered for make room before those that somebody did, so that who asks for many that do not exist
//! puts out little of what is known.

use alloc::vec::Vec;

use super::address::{Addr, Mac};
use super::flows::mixed;

const SECOND: u64 = 1_000_000_000;
/// Entries with the same hash.
const WAYS: usize = 4;
const SETS: usize = 64;
/// An address is asked for again when this old, and given up when it is older by the tries.
const FRESH: u64 = 30 * SECOND;
/// Between two questions.
const PAUSE: u64 = SECOND;
/// Questions before an address counts as nobody's.
const TRIES: u8 = 3;

#[derive(Clone, Copy)]
struct Entry {
    interface: usize,
    address: Addr,
    mac: Option<Mac>,
    /// When it was confirmed; without a hardware address, when it was first wanted.
    since: u64,
    /// When it may be asked for again.
    ask: u64,
    asked: u8,
}

/// The cache.
pub struct Neighbours {
    entries: Vec<Option<Entry>>,
    key: u64,
}

/// What is known of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The hardware address, if there is one.
    pub mac: Option<Mac>,
    /// Whether somebody is to be asked now.
    pub ask: bool,
    /// Whether nobody has answered.
    pub failed: bool,
}

impl Neighbours {
    /// An empty one; `None` without memory. `key` is random.
    pub fn new(key: u64) -> Option<Self> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(SETS * WAYS).ok()?;
        entries.resize(SETS * WAYS, None);
        Some(Self { entries, key })
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.entries.iter().flatten().filter(|entry| entry.mac.is_some()).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks for an address to send to. If it is not known it will be after somebody was asked and has answered.
    pub fn find(&mut self, interface: usize, address: Addr, now: u64) -> Known {
        let set = self.set(interface, address);
        let Some(entry) = find_in(set, interface, address) else {
            let entry = Entry { interface, address, mac: None, since: now, ask: now + PAUSE, asked: 1 };
            replace(set, entry);
            return Known { mac: None, ask: true, failed: false };
        };
        let wanted = entry.mac.is_none() || now.saturating_sub(entry.since) > FRESH;
        let ask = wanted && now >= entry.ask;
        if ask && entry.asked >= TRIES {
            // It begins anew: somebody may be there later.
            *entry = Entry { mac: None, since: now, ask: now + PAUSE, asked: 0, ..*entry };
            return Known { mac: None, ask: false, failed: true };
        }
        if ask {
            entry.asked += 1;
            entry.ask = now + PAUSE;
        }
        Known { mac: entry.mac, ask, failed: false }
    }

    /// Somebody says that an address is theirs. `unasked` is remembered too, else only what was wanted before.
    pub fn learn(&mut self, interface: usize, address: Addr, mac: Mac, unasked: bool, now: u64) {
        if mac[0] & 1 != 0 || mac == [0; 6] {
            return;
        }
        let set = self.set(interface, address);
        let entry = Entry { interface, address, mac: Some(mac), since: now, ask: 0, asked: 0 };
        match find_in(set, interface, address) {
            Some(known) => *known = entry,
            None if unasked => replace(set, entry),
            None => {}
        }
    }

    /// Forgets all of an interface.
    pub fn forget(&mut self, interface: usize) {
        for entry in &mut self.entries {
            if entry.is_some_and(|entry| entry.interface == interface) {
                *entry = None;
            }
        }
    }

    fn set(&mut self, interface: usize, address: Addr) -> &mut [Option<Entry>] {
        let bits = address.bits();
        let hash = mixed(mixed(bits as u64 ^ interface as u64, self.key) ^ (bits >> 64) as u64, self.key);
        let at = hash as usize % SETS * WAYS;
        self.entries.get_mut(at..at + WAYS).unwrap_or_default()
    }
}

fn find_in(set: &mut [Option<Entry>], interface: usize, address: Addr) -> Option<&mut Entry> {
    set.iter_mut().flatten().find(|entry| entry.interface == interface && entry.address == address)
}

/// Puts an entry where none is, or where nobody has answered, or in the oldest's place.
fn replace(set: &mut [Option<Entry>], entry: Entry) {
    let victim = set.iter_mut().min_by_key(|place| match place {
        None => (0, 0),
        Some(old) => (1 + u8::from(old.mac.is_some()), old.since),
    });
    if let Some(place) = victim {
        *place = Some(entry);
    }
}
