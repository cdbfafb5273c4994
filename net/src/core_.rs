//! What all sockets share: the interfaces, the flows, their deadlines and the tables that find them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::task::Waker;
use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::{AnySocket, dhcpv4};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use crate::dns::Resolver;
use crate::error::{Error, Result};
use crate::links::Links;
use crate::ping::Ping;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::slab::Slab;
use crate::tcp::{Tcp, TcpTables};
use crate::udp::UdpTables;

/// One smoltcp socket, in a set of its own, on one interface; or a connection, whose set is empty.
pub(crate) struct Flow {
    pub(crate) set: SocketSet<'static>,
    pub(crate) handle: SocketHandle,
    pub(crate) link: usize,
    pub(crate) kind: Kind,
    /// When it must be polled next.
    pub(crate) deadline: Option<Instant>,
    /// The earliest alarm that the schedule holds for it.
    pub(crate) armed: Option<Instant>,
    /// It is in its link's queue of flows to poll.
    pub(crate) dirty: bool,
    /// How often it was polled in vain because its neighbour does not answer.
    pub(crate) unanswered: u8,
}

/// What a flow is for.
#[expect(clippy::large_enum_variant, reason = "nearly all are connections")]
pub(crate) enum Kind {
    /// The interface's own business: DHCP, SLAAC, answers to pings.
    Misc,
    Tcp(Tcp),
    /// Part of the UDP socket `owner`, which sent to `peer` last.
    Udp {
        owner: u32,
        peer: Option<IpAddress>,
    },
    Ping(Ping),
}

impl Kind {
    /// Whom the flow sends to.
    pub(crate) fn peer(&self) -> Option<IpAddress> {
        match self {
            Kind::Misc => None,
            Kind::Tcp(tcp) => Some(tcp.key.remote.1),
            Kind::Udp { peer, .. } => *peer,
            Kind::Ping(ping) => Some(ping.dst),
        }
    }
}

/// What may have changed a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Frame,
    Clock,
}

pub(crate) struct Core {
    pub(crate) now: Instant,
    pub(crate) rng: Rng,
    pub(crate) links: Links,
    pub(crate) flows: Slab<Flow>,
    pub(crate) schedule: Schedule,
    pub(crate) tcp: TcpTables,
    pub(crate) udp: UdpTables,
    /// Pings in flight by their ICMP identifier.
    pub(crate) pings: BTreeMap<u16, u32>,
    pub(crate) resolver: Resolver,
    /// Those who wait for an address.
    pub(crate) config_wakers: Vec<Waker>,
    /// For frames that no socket wants: smoltcp answers as it should.
    pub(crate) nobody: SocketSet<'static>,
    /// Where smoltcp puts TCP segments together that came in fragments.
    pub(crate) whole: Option<(SocketSet<'static>, SocketHandle)>,
}

impl Core {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let tcp = TcpTables::new(|| rng.next_u64());
        Self {
            now: Instant::ZERO,
            rng,
            links: Links::default(),
            flows: Slab::new(),
            schedule: Schedule::default(),
            tcp,
            udp: UdpTables::default(),
            pings: BTreeMap::new(),
            resolver: Resolver::default(),
            config_wakers: Vec::new(),
            nobody: SocketSet::new(Vec::new()),
            whole: None,
        }
    }

    /// Puts a socket in a set of its own. On failure the socket is dropped.
    pub(crate) fn add_flow<S: AnySocket<'static>>(
        &mut self,
        link: usize,
        socket: S,
        kind: Kind,
    ) -> Result<u32> {
        let mut slots: Vec<SocketStorage<'static>> = Vec::new();
        slots.try_reserve_exact(1).map_err(|_| Error::OutOfMemory)?;
        let mut set = SocketSet::new(slots);
        let handle = set.add(socket);
        self.insert_flow(link, set, handle, kind)
    }

    /// The flow of an interface's own business; `dhcp` when it asks for a lease.
    pub(crate) fn add_misc_flow(
        &mut self,
        link: usize,
        dhcp: Option<dhcpv4::Socket<'static>>,
    ) -> Result<u32> {
        match dhcp {
            Some(socket) => self.add_flow(link, socket, Kind::Misc),
            None => self.add_bare_flow(link, Kind::Misc),
        }
    }

    /// A flow without a socket of smoltcp.
    pub(crate) fn add_bare_flow(&mut self, link: usize, kind: Kind) -> Result<u32> {
        self.insert_flow(link, SocketSet::new(Vec::new()), SocketHandle::default(), kind)
    }

    fn insert_flow(
        &mut self,
        link: usize,
        set: SocketSet<'static>,
        handle: SocketHandle,
        kind: Kind,
    ) -> Result<u32> {
        let flow = Flow { set, handle, link, kind, deadline: None, armed: None, dirty: false, unanswered: 0 };
        self.flows.insert(flow).ok_or(Error::OutOfMemory)
    }

    /// The flows of an interface.
    pub(crate) fn flows_of(&self, link: usize) -> Vec<(u32, usize)> {
        self.flows.iter().filter(|(_, flow)| flow.link == link).map(|(index, _)| (index, link)).collect()
    }

    /// Has the flow polled soon.
    pub(crate) fn touch(&mut self, index: u32) {
        if let Some(flow) = self.flows.get_mut(index)
            && !flow.dirty
        {
            flow.dirty = true;
            self.links[flow.link].dirty.push_back(index);
        }
    }

    /// Sets the flow's deadline and sees that an alarm is there for it.
    pub(crate) fn set_deadline(&mut self, index: u32, at: Option<Instant>) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        flow.deadline = at;
        let Some(at) = at else { return };
        match flow.armed {
            Some(armed) if armed <= at => return,
            Some(armed) => self.schedule.remove(armed, index),
            None => {}
        }
        flow.armed = Some(at);
        self.schedule.add(at, index);
    }

    /// The next deadline of any flow. Alarms that ring too early on the way to it are set right.
    pub(crate) fn next_alarm(&mut self) -> Option<Instant> {
        loop {
            let (at, index) = self.schedule.first()?;
            match self.flows.get(index).map(|flow| flow.deadline) {
                Some(Some(deadline)) if deadline <= at => return Some(at),
                Some(deadline) => {
                    self.disarm(index, at);
                    self.set_deadline(index, deadline);
                }
                None => self.schedule.remove(at, index),
            }
        }
    }

    /// Marks the flows whose deadline has come.
    pub(crate) fn fire_alarms(&mut self) {
        while let Some(at) = self.next_alarm()
            && at <= self.now
            && let Some((at, index)) = self.schedule.first()
        {
            self.disarm(index, at);
            if let Some(flow) = self.flows.get_mut(index) {
                flow.deadline = None;
            }
            if !self.expire(index) {
                self.touch(index);
            }
        }
    }

    fn disarm(&mut self, index: u32, at: Instant) {
        self.schedule.remove(at, index);
        if let Some(flow) = self.flows.get_mut(index) {
            flow.armed = None;
        }
    }

    /// Forgets a flow.
    pub(crate) fn remove_flow(&mut self, index: u32) -> Option<Flow> {
        let flow = self.flows.remove(index)?;
        if let Some(armed) = flow.armed {
            self.schedule.remove(armed, index);
        }
        Some(flow)
    }

    /// Whether a limit of ours, not smoltcp's, ended the flow.
    fn expire(&mut self, index: u32) -> bool {
        match self.flows.get(index).map(|flow| &flow.kind) {
            Some(Kind::Tcp(_)) => self.expire_tcp(index),
            Some(Kind::Ping(_)) => self.expire_ping(index),
            _ => false,
        }
    }

    /// Looks at what a frame or a transmission changed in a flow.
    pub(crate) fn settle(&mut self, index: u32, cause: Cause) {
        match self.flows.get(index).map(|flow| &flow.kind) {
            Some(Kind::Tcp(_)) => self.settle_tcp(index),
            Some(Kind::Udp { owner, .. }) => {
                let owner = *owner;
                self.settle_udp(owner, cause);
            }
            Some(Kind::Ping(_)) => self.settle_ping(index),
            Some(Kind::Misc) => self.settle_misc(index),
            None => {}
        }
    }

    /// Tells those who wait for an address.
    pub(crate) fn wake_config(&mut self) {
        for waker in self.config_wakers.drain(..) {
            waker.wake();
        }
    }
}

/// Keeps the waker of the last task that found nothing to do.
pub(crate) fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(old) if old.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

pub(crate) fn duration(ns: u64) -> Duration {
    Duration::from_micros(ns.div_ceil(1000))
}
