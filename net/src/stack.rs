//! The public face: one value that owns the devices, the interfaces and the sockets.

mod queries;
mod tcp;
mod udp;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::IpListenEndpoint;

use crate::config::{IfConfig, Ipv4Config, Ipv6Config};
use crate::core_::Core;
use crate::device::{Port, loopback_capabilities};
use crate::egress::BLOCKED_RETRY;
use crate::error::{Error, Result};
use crate::link::{IfIndex, IfStatus, Link};
use crate::loopback::Loopback;

/// Frames taken from an interface before the others have their turn.
const INGRESS_BURST: usize = 64;
/// Times that `poll` goes round before it returns to its caller.
const ROUNDS: usize = 16;

/// When [`Stack::poll`] wants to be called again, if no device has news and no operation is done before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextPoll {
    /// At once: there is work left.
    Now,
    /// At this time in nanoseconds.
    At(u64),
    /// Only when a device has news.
    Idle,
}

/// The network of one guest.
pub struct Stack<D: Device> {
    pub(crate) core: Core,
    /// By the interfaces' numbers.
    pub(crate) ports: Vec<Port<D>>,
}

fn bound_addr(endpoint: IpListenEndpoint) -> SocketAddr {
    let any = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
    SocketAddr::new(endpoint.addr.map_or(any, IpAddr::from), endpoint.port)
}

impl<D: Device> Stack<D> {
    /// A stack with only the loopback interface. `seed` should be hard to guess: ports and sequence numbers follow from it.
    pub fn new(seed: u64) -> Self {
        let mut core = Core::new(seed);
        let misc = core.add_misc_flow(0, None).expect("the first entry of a table fits");
        let config = IfConfig {
            ipv4: Ipv4Config::None,
            ipv6: Ipv6Config::None,
            dns: Vec::new(),
            mtu: None,
            hostname: None,
        };
        let seed = core.rng.next_u64();
        let caps = loopback_capabilities();
        let link = Link::new(String::from("lo"), caps, None, config, seed, misc, Instant::ZERO);
        core.links.insert(0, link).expect("the first entry of a table fits");
        Self { core, ports: alloc::vec![Port::Loopback(Loopback::default())] }
    }

    /// Receives, sends, and does what is due. `now_ns` is nanoseconds since boot and never goes back.
    pub fn poll(&mut self, now_ns: u64) -> NextPoll {
        let now = Instant::from_micros((now_ns / 1000) as i64);
        self.core.now = self.core.now.max(now);
        self.core.fire_alarms();
        let mut more = true;
        for _ in 0..ROUNDS {
            more = false;
            for link in 0..self.ports.len() {
                if self.core.links.get(link).is_some() {
                    more |= self.take_in(link);
                    self.core.maintain(link);
                }
            }
            self.core.work_on_names();
            for (link, port) in self.ports.iter_mut().enumerate() {
                if self.core.links.get(link).is_some() {
                    self.core.send_dirty(link, port);
                }
            }
            more |= matches!(&self.ports[0], Port::Loopback(device) if !device.is_empty());
            if !more {
                break;
            }
        }
        self.next_poll(more)
    }

    /// As [`Stack::poll`], for loopback alone: no device is touched, so who sends to this machine may call it and then finds
    /// its data received. `None` if loopback had nothing to send.
    pub fn poll_loopback(&mut self, now_ns: u64) -> Option<NextPoll> {
        if self.core.links[0].dirty.is_empty() {
            return None;
        }
        self.core.now = self.core.now.max(Instant::from_micros((now_ns / 1000) as i64));
        let mut more = true;
        for _ in 0..ROUNDS {
            self.core.send_dirty(0, &mut self.ports[0]);
            more = self.take_in(0);
            more |= !self.core.links[0].dirty.is_empty();
            more |= matches!(&self.ports[0], Port::Loopback(device) if !device.is_empty());
            if !more {
                break;
            }
        }
        Some(self.next_poll(more))
    }

    /// Whether an operation since the last poll left something to send: call `poll` before sleeping.
    pub fn needs_poll(&self) -> bool {
        self.core.links.iter().any(|(_, link)| !link.dirty.is_empty() && !link.blocked)
    }

    /// Takes frames in; `true` when there may be more.
    fn take_in(&mut self, link: usize) -> bool {
        let Self { core, ports } = self;
        for _ in 0..INGRESS_BURST {
            let Some((rx, tx)) = ports[link].receive(core.now) else { return false };
            let meta = rx.meta();
            rx.consume(|frame| core.receive(link, frame, meta, tx));
        }
        true
    }

    fn next_poll(&mut self, more: bool) -> NextPoll {
        if more || self.needs_poll() {
            return NextPoll::Now;
        }
        let is_there = |at: usize| self.ports.get(at).is_some_and(|port| !matches!(port, Port::Absent));
        let blocked = self.core.links.iter().any(|(at, link)| link.blocked && is_there(at));
        let retry = blocked.then(|| self.core.now + BLOCKED_RETRY);
        let alarm = self.core.next_alarm();
        let names = self.core.names_deadline();
        match [retry, alarm, names].into_iter().flatten().min() {
            Some(at) => NextPoll::At(u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(1000)),
            None => NextPoll::Idle,
        }
    }

    /// What the interfaces look like now; loopback first.
    pub fn interfaces(&mut self) -> Vec<IfStatus> {
        self.core.links.iter_mut().map(|(index, link)| link.status(index)).collect()
    }

    /// Waits until the interface has an address of each kind that must be waited for: IPv4 if it is to have one,
    /// else IPv6.
    pub fn poll_configured(&mut self, interface: IfIndex, cx: &mut Context<'_>) -> Poll<Result<IfStatus>> {
        match self.core.links.get_mut(interface.0) {
            None => Poll::Ready(Err(Error::NoSuchInterface(interface.0))),
            Some(link) if link.is_configured() => Poll::Ready(Ok(link.status(interface.0))),
            Some(_) => {
                self.core.config_wakers.retain(|waker| !waker.will_wake(cx.waker()));
                self.core.config_wakers.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The address that we would use to speak to `to`.
    pub fn local_addr_for(&mut self, to: IpAddr) -> Result<IpAddr> {
        self.core.route(to.into(), None).map(|(_, addr)| addr.into())
    }

    /// Whether an address is one of this machine's.
    pub fn is_local(&self, addr: IpAddr) -> bool {
        self.core.is_local(addr.into())
    }

    /// Joins a multicast group on an interface.
    pub fn join_multicast(&mut self, interface: IfIndex, group: IpAddr) -> Result<()> {
        self.core.multicast(interface.0, group.into(), true)
    }

    /// Leaves a multicast group.
    pub fn leave_multicast(&mut self, interface: IfIndex, group: IpAddr) -> Result<()> {
        self.core.multicast(interface.0, group.into(), false)
    }

    /// The hardware addresses of the groups whose frames an interface wants, for a device that can keep others away. One may come
    /// twice.
    pub fn multicast_macs(&self, interface: IfIndex) -> impl Iterator<Item = [u8; 6]> {
        let links = self.core.links.get(interface.0).filter(|link| !link.is_loopback());
        links.into_iter().flat_map(Link::multicast_macs)
    }

    /// Limits the memory of TCP connections: 1 KiB for each, and what is in their queues. Near it queues stop growing; callers
    /// beyond it are left to try again.
    pub fn set_tcp_memory_limit(&mut self, bytes: usize) {
        self.core.tcp.pool.set_limit(bytes);
    }

    /// The memory of TCP connections now.
    pub fn tcp_memory(&self) -> usize {
        self.core.tcp.pool.used()
    }

    /// TCP connections of every kind, and those in TIME-WAIT.
    pub fn tcp_counts(&self) -> (usize, usize) {
        (self.core.tcp.index.len(), self.core.tcp.time_wait.len())
    }
}
