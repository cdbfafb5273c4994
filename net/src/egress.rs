//! Polling the flows that have something to send.

use core::cell::Cell;
use smoltcp::iface::PollResult;
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::{Duration, Instant};

use crate::core_::{Cause, Core, Kind};
use crate::device::{Outlet, Port};

/// Packets that a flow may send before the next flow has its turn.
pub(crate) const BURST: usize = 8;
/// Fragments and reports that an interface may send in a row.
const OWN_BURST: usize = 64;
/// Seconds that a datagram may wait for its neighbour.
const PATIENCE: u8 = 3;
/// When a connection asks for its neighbour again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// When smoltcp says "at once" and then sends nothing, it is asked again after this time.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MISC: Duration = Duration::from_secs(5);
/// A device without room tells when it has some; this is in case it forgets.
pub(crate) const BLOCKED_RETRY: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It may have more to send.
    More,
    /// It has sent all that it could.
    Sent,
    /// It had nothing to send.
    Nothing,
    /// It waits for its neighbour's hardware address.
    Waits,
    /// The device has no room.
    Full,
}

impl Core {
    /// Polls the dirty flows of an interface until they have nothing more to send or the device has no room.
    pub(crate) fn send_dirty<D: Device>(&mut self, link: usize, port: &mut Port<D>) {
        self.links[link].blocked = false;
        self.links[link].announce(self.now, port);
        // Each flow that is dirty now has a few turns; what is left waits for the next poll.
        let mut turns = 4 * self.links[link].dirty.len() + 16;
        while turns > 0
            && let Some(index) = self.links[link].dirty.pop_front()
        {
            turns -= 1;
            match self.send_flow(link, index, port) {
                Outcome::Full => {
                    self.links[link].dirty.push_front(index);
                    self.links[link].blocked = true;
                    return;
                }
                outcome => {
                    if let Some(flow) = self.flows.get_mut(index) {
                        flow.dirty = false;
                        self.after_sending(index, outcome);
                    }
                }
            }
        }
    }

    fn send_flow<D: Device>(&mut self, link: usize, index: u32, port: &mut Port<D>) -> Outcome {
        let Some(flow) = self.flows.get_mut(index) else { return Outcome::Nothing };
        if matches!(flow.kind, Kind::Tcp(_)) {
            return self.send_tcp(link, index, port);
        }
        let l = &mut self.links[link];
        let mut outlet = Outlet { port, caps: &l.caps, begun: false, used: Cell::new(false), full: false };
        for turn in 0..BURST {
            outlet.begun = false;
            outlet.used.set(false);
            let sent = l.iface.poll_egress(self.now, &mut outlet, &mut flow.set);
            if outlet.full {
                return Outcome::Full;
            }
            if sent == PollResult::None {
                let waits = outlet.begun && !matches!(flow.kind, Kind::Misc);
                if waits && !outlet.used.get() {
                    // smoltcp asks for one address a second; the others are asked for here.
                    let to = flow.kind.peer();
                    l.ask_for_neighbour(self.now, to, port);
                }
                return match turn {
                    _ if waits => Outcome::Waits,
                    0 => Outcome::Nothing,
                    _ => Outcome::Sent,
                };
            }
            // The rest of a datagram that was sent in fragments must go before the next one.
            for _ in 0..OWN_BURST {
                if l.iface.poll_at(self.now, &self.nobody) != Some(Instant::ZERO) {
                    break;
                }
                l.iface.poll_egress(self.now, &mut outlet, &mut self.nobody);
                if outlet.full {
                    return Outcome::Full;
                }
            }
        }
        Outcome::More
    }

    fn after_sending(&mut self, index: u32, outcome: Outcome) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        let link = flow.link;
        let mut at = match &flow.kind {
            Kind::Tcp(tcp) if outcome == Outcome::Waits => {
                let again = self.now + ASK_AGAIN;
                Some(tcp.connection.poll_at().filter(|at| *at > self.now).map_or(again, |at| at.min(again)))
            }
            Kind::Tcp(tcp) => tcp.connection.poll_at(),
            _ => self.links[link].iface.poll_at(self.now, &flow.set),
        };
        match outcome {
            Outcome::Waits => {
                flow.unanswered = flow.unanswered.saturating_add(1);
                if flow.unanswered > PATIENCE && !matches!(flow.kind, Kind::Tcp(_)) {
                    flow.unanswered = 0;
                    self.discard_datagram(index);
                    return;
                }
                if !self.links[link].waiting.contains(&index) {
                    self.links[link].waiting.push(index);
                }
            }
            Outcome::Nothing => {}
            _ => {
                flow.unanswered = 0;
                // A flow keeps its place among the waiting until it has sent: news may be of other neighbours.
                self.links[link].waiting.retain(|other| *other != index);
            }
        }
        let more = outcome == Outcome::More;
        let limit = match &self.flows.get(index).map(|flow| &flow.kind) {
            Some(Kind::Tcp(tcp)) => tcp.limit,
            Some(Kind::Ping(ping)) => Some(ping.expires_at),
            _ => None,
        };
        if more && matches!(self.flows.get(index).map(|flow| &flow.kind), Some(Kind::Tcp(_))) {
            self.touch(index);
        } else if let Some(due) = at
            && due <= self.now
        {
            if more {
                self.touch(index);
                at = None;
            } else {
                at = Some(self.now + if self.is_misc(index) { PAUSE_MISC } else { PAUSE });
            }
        }
        self.set_deadline(index, [at, limit].into_iter().flatten().min());
        self.settle(index, Cause::Clock);
    }

    /// Drops the datagram at the head of a flow, whose neighbour does not answer: those behind it may be for others.
    fn discard_datagram(&mut self, index: u32) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        let loopback = &mut self.links[0];
        let mut void = Void(&loopback.caps);
        // smoltcp lets no packet be taken back, so it is sent to nowhere. Loopback knows no neighbours; the time is past
        // the pause that smoltcp keeps between two tries.
        let later = self.now + Duration::from_secs(5);
        let _ = loopback.iface.poll_egress(later, &mut void, &mut flow.set);
        self.touch(index);
    }
}

/// A device that takes everything and sends nothing.
struct Void<'a>(&'a smoltcp::phy::DeviceCapabilities);

pub(crate) struct VoidToken;

impl TxToken for VoidToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut alloc::vec![0; len])
    }
}

impl smoltcp::phy::RxToken for VoidToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&[])
    }
}

impl Device for Void<'_> {
    type RxToken<'a>
        = VoidToken
    where
        Self: 'a;
    type TxToken<'a>
        = VoidToken
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(VoidToken, VoidToken)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<VoidToken> {
        Some(VoidToken)
    }

    fn capabilities(&self) -> smoltcp::phy::DeviceCapabilities {
        self.0.clone()
    }
}
