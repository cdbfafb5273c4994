//! The connections: [`Flows`], a table of bounded size that is found by either direction's packets.
//!
//! All memory is taken when it is made. Which bucket a packet falls into depends on a random key, so nobody can choose.

use alloc::vec::Vec;

use super::packet::{Tuple, protocol, tcp};

/// No entry.
const NONE: u32 = u32::MAX;
const SECOND: u64 = 1_000_000_000;

/// A connection's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowId(u32);

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// As the first packet did.
    Original = 0,
    /// As the answer does.
    Reply = 1,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

/// How far a connection is, which says how long it may be silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing has come back.
    New,
    /// Both have spoken.
    Established,
    /// TCP: one side has ended.
    HalfClosed(Direction),
    /// TCP: both have.
    Closed,
    /// TCP: reset.
    Reset,
}

#[derive(Clone, Copy)]
struct Flow {
    /// What packets of either direction look like when they come in.
    tuples: [Tuple; 2],
    /// The next in the bucket of either tuple.
    next: [u32; 2],
    state: State,
    expires: u64,
    used: bool,
    translated: bool,
}

/// Why a connection can not be put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There are too many.
    Full,
    /// There is one that looks the same.
    Taken,
}

/// The table.
pub struct Flows {
    slots: Vec<Flow>,
    buckets: Vec<u32>,
    /// The unused slots, linked by their first `next`.
    free: u32,
    key: u64,
    len: usize,
    translated: usize,
    /// The slot that is looked at next for its end.
    sweep: usize,
}

impl Flows {
    /// Room for so many; `None` without memory. `key` is random.
    pub fn new(most: usize, key: u64) -> Option<Self> {
        let mut flows =
            Self { slots: Vec::new(), buckets: Vec::new(), free: NONE, key, len: 0, translated: 0, sweep: 0 };
        let buckets = most.checked_mul(2)?.next_power_of_two();
        flows.slots.try_reserve_exact(most).ok()?;
        flows.buckets.try_reserve_exact(buckets).ok()?;
        flows.buckets.resize(buckets, NONE);
        Some(flows)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them have other addresses on one side than on the other.
    pub fn translated(&self) -> usize {
        self.translated
    }

    /// The connection that an incoming packet belongs to.
    pub fn find(&self, tuple: &Tuple, now: u64) -> Option<(FlowId, Direction)> {
        let mut at = self.buckets.get(self.bucket(tuple)).copied()?;
        while let Some(flow) = self.slots.get(at as usize) {
            for direction in [Direction::Original, Direction::Reply] {
                if flow.tuples.get(direction as usize) == Some(tuple) {
                    return Some((FlowId(at), direction)).filter(|_| flow.expires > now);
                }
            }
            at = self.next_in_bucket(flow, tuple);
        }
        None
    }

    /// What packets of a direction are to look like when they go out.
    pub fn outgoing(&self, id: FlowId, direction: Direction) -> Option<Tuple> {
        let flow = self.slots.get(id.0 as usize).filter(|flow| flow.used)?;
        flow.tuples.get(direction.other() as usize).map(|tuple| tuple.reversed())
    }

    /// Puts a new connection in; what comes back is to look like `reply`. One that has expired makes room, or one of a few that
    /// have no answer yet.
    pub fn insert(&mut self, original: Tuple, reply: Tuple, now: u64) -> Result<FlowId, Refused> {
        for tuple in [original, reply] {
            // One that lives is not pushed aside by another that would look like it.
            if self.find(&tuple, now).is_some() {
                return Err(Refused::Taken);
            }
            // What has expired but was not swept yet must not stand before this one.
            while let Some(id) = self.find(&tuple, 0).map(|(id, _)| id) {
                self.remove(id);
            }
        }
        let id = self.take_slot(now).ok_or(Refused::Full)?;
        let flow = Flow {
            tuples: [original, reply],
            next: [NONE; 2],
            state: State::New,
            expires: now + lifetime(original.protocol, State::New),
            used: true,
            translated: original.reversed() != reply,
        };
        if let Some(slot) = self.slots.get_mut(id as usize) {
            *slot = flow;
        }
        self.len += 1;
        self.translated += usize::from(flow.translated);
        self.link(id, Direction::Original);
        // One that looks alike from either end stands in one bucket once.
        if self.bucket(&original) != self.bucket(&reply) {
            self.link(id, Direction::Reply);
        }
        Ok(FlowId(id))
    }

    /// A packet of the connection passes; `flags` are TCP's.
    pub fn advance(&mut self, id: FlowId, direction: Direction, flags: u8, now: u64) {
        let Some(flow) = self.slots.get_mut(id.0 as usize).filter(|flow| flow.used) else { return };
        let (number, before) = (flow.tuples[0].protocol, flow.state);
        flow.state = if number == protocol::TCP {
            after_segment(flow.state, direction, flags)
        } else if direction == Direction::Reply {
            State::Established
        } else {
            flow.state
        };
        // A connection that nobody answers is not kept by asking again.
        if flow.state != State::New || before != State::New || number != protocol::TCP {
            flow.expires = now + lifetime(number, flow.state);
        }
    }

    /// How far a connection is.
    pub fn state(&self, id: FlowId) -> Option<State> {
        self.slots.get(id.0 as usize).filter(|flow| flow.used).map(|flow| flow.state)
    }

    /// Looks at some slots and removes what has been silent for too long.
    pub fn sweep(&mut self, now: u64, slots: usize) {
        for _ in 0..slots.min(self.slots.len()) {
            self.sweep = if self.sweep + 1 < self.slots.len() { self.sweep + 1 } else { 0 };
            if self.slots.get(self.sweep).is_some_and(|flow| flow.used && flow.expires <= now) {
                self.remove(FlowId(self.sweep as u32));
            }
        }
    }

    fn take_slot(&mut self, now: u64) -> Option<u32> {
        if self.free == NONE && self.slots.len() < self.slots.capacity() {
            let none = Tuple {
                protocol: 0,
                src: super::address::Addr::NONE,
                dst: super::address::Addr::NONE,
                src_port: 0,
                dst_port: 0,
            };
            let flow = Flow {
                tuples: [none; 2],
                next: [NONE; 2],
                state: State::New,
                expires: 0,
                used: false,
                translated: false,
            };
            self.slots.push(flow);
            return u32::try_from(self.slots.len() - 1).ok();
        }
        if self.free == NONE {
            self.sweep(now, 16);
        }
        if self.free == NONE {
            let from = self.sweep;
            let unanswered = (from..self.slots.len())
                .chain(0..from)
                .take(16)
                .find(|at| self.slots.get(*at).is_some_and(|flow| flow.used && flow.state == State::New))?;
            self.remove(FlowId(unanswered as u32));
        }
        let id = self.free;
        self.free = self.slots.get(id as usize)?.next[0];
        Some(id)
    }

    fn remove(&mut self, id: FlowId) {
        let Some(flow) = self.slots.get(id.0 as usize).copied().filter(|flow| flow.used) else { return };
        for tuple in &flow.tuples {
            self.unlink(id.0, tuple);
        }
        self.len -= 1;
        self.translated -= usize::from(flow.translated);
        let free = self.free;
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            (slot.used, slot.next[0]) = (false, free);
            self.free = id.0;
        }
    }

    /// Which of its links leads on in the bucket of `tuple`.
    fn side(&self, flow: &Flow, bucket: usize) -> usize {
        usize::from(self.bucket(&flow.tuples[0]) != bucket)
    }

    fn next_in_bucket(&self, flow: &Flow, tuple: &Tuple) -> u32 {
        flow.next[self.side(flow, self.bucket(tuple)) & 1]
    }

    fn link(&mut self, id: u32, direction: Direction) {
        let side = direction as usize & 1;
        let Some(flow) = self.slots.get(id as usize) else { return };
        let bucket = self.bucket(&flow.tuples[side]);
        let Some(head) = self.buckets.get_mut(bucket) else { return };
        let next = core::mem::replace(head, id);
        if let Some(flow) = self.slots.get_mut(id as usize) {
            flow.next[side] = next;
        }
    }

    fn unlink(&mut self, id: u32, tuple: &Tuple) {
        let bucket = self.bucket(tuple);
        let Some(mut at) = self.buckets.get(bucket).copied() else { return };
        let mut before = NONE;
        while at != id {
            let Some(flow) = self.slots.get(at as usize) else { return };
            before = at;
            at = flow.next[self.side(flow, bucket) & 1];
        }
        let Some(next) = self.slots.get(id as usize).map(|flow| flow.next[self.side(flow, bucket) & 1])
        else {
            return;
        };
        match self.slots.get(before as usize).map(|flow| self.side(flow, bucket)) {
            Some(side) => {
                if let Some(flow) = self.slots.get_mut(before as usize) {
                    flow.next[side & 1] = next;
                }
            }
            None => {
                if let Some(head) = self.buckets.get_mut(bucket) {
                    *head = next;
                }
            }
        }
    }

    fn bucket(&self, tuple: &Tuple) -> usize {
        let (src, dst) = (tuple.src.bits(), tuple.dst.bits());
        let ports =
            u64::from(tuple.src_port) << 32 | u64::from(tuple.dst_port) << 16 | u64::from(tuple.protocol);
        let mut hash = self.key;
        for word in [src as u64, (src >> 64) as u64, dst as u64, (dst >> 64) as u64, ports] {
            hash = mixed(hash ^ word, self.key | 1);
        }
        hash as usize & (self.buckets.len() - 1)
    }
}

/// Both halves of a product, which depend on all bits of both factors.
pub fn mixed(word: u64, key: u64) -> u64 {
    let product = u128::from(word ^ 0x9e37_79b9_7f4a_7c15) * u128::from(key ^ 0xd6e8_feb8_6659_fd93);
    product as u64 ^ (product >> 64) as u64
}

fn after_segment(state: State, direction: Direction, flags: u8) -> State {
    if flags & tcp::RST != 0 {
        return State::Reset;
    }
    match state {
        State::New if direction == Direction::Reply => State::Established,
        State::Established if flags & tcp::FIN != 0 => State::HalfClosed(direction),
        State::HalfClosed(first) if flags & tcp::FIN != 0 && direction != first => State::Closed,
        // A new connection with the same ports; or a reset that the other end did not believe.
        State::Closed | State::Reset if flags & (tcp::SYN | tcp::ACK) == tcp::SYN => State::New,
        State::Reset if flags & (tcp::SYN | tcp::FIN) == 0 => State::Established,
        other => other,
    }
}

/// How long a connection may be silent, as RFC 4787 and 5382 want it.
fn lifetime(number: u8, state: State) -> u64 {
    let seconds = match (number, state) {
        (protocol::TCP, State::New) => 60,
        (protocol::TCP, State::Established) => 7440,
        (protocol::TCP, State::HalfClosed(_)) => 240,
        (protocol::TCP, State::Closed) => 60,
        (_, State::Reset) => 10,
        (protocol::ICMP | protocol::ICMPV6, _) => 60,
        (_, State::New) => 30,
        _ => 300,
    };
    seconds * SECOND
}
