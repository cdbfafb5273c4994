//! The public face: one value that owns the devices, the interfaces and the sockets.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::IpListenEndpoint;

use crate::config::{IfConfig, Ipv4Config, Ipv6Config, Local, TcpOptions, UdpOptions};
use crate::core_::Core;
use crate::device::{Port, loopback_capabilities};
use crate::dns::NameQuery;
use crate::egress::BLOCKED_RETRY;
use crate::error::{Error, Result};
use crate::link::{IfIndex, IfStatus, Link};
use crate::loopback::Loopback;
use crate::observe::Observer;
use crate::ping::{PingId, PingReply};
use crate::tcp::{ListenerId, TcpId, TcpInfo, TcpState};
use crate::udp::{Datagram, UdpId, UdpState};

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

fn listen_endpoint(addr: SocketAddr) -> IpListenEndpoint {
    let ip = (!addr.ip().is_unspecified()).then(|| addr.ip().into());
    IpListenEndpoint { addr: ip, port: addr.port() }
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

/// TCP.
impl<D: Device> Stack<D> {
    /// Listens at `local` (port 0: any free one; an unspecified address: all). Up to `backlog` callers wait to be accepted.
    pub fn tcp_listen(
        &mut self,
        local: SocketAddr,
        backlog: usize,
        options: TcpOptions,
    ) -> Result<ListenerId> {
        self.core.listen(local.into(), backlog, options)
    }

    /// As [`Stack::tcp_listen`], for some addresses only, or sharing the port with other listeners.
    pub fn tcp_listen_at(&mut self, local: Local, backlog: usize, options: TcpOptions) -> Result<ListenerId> {
        self.core.listen(local, backlog, options)
    }

    /// Sets who is told of each caller.
    pub fn tcp_observe_listener(&mut self, listener: ListenerId, observer: Arc<dyn Observer>) -> Result<()> {
        self.core.observe_listener(listener, observer)
    }

    /// How many callers wait to be accepted.
    pub fn tcp_callers(&self, listener: ListenerId) -> Result<usize> {
        self.core.callers(listener)
    }

    /// Changes how many callers may wait to be accepted.
    pub fn tcp_set_backlog(&mut self, listener: ListenerId, backlog: usize) -> Result<()> {
        self.core.set_backlog(listener, backlog)
    }

    /// Waits for a caller.
    pub fn tcp_poll_accept(
        &mut self,
        listener: ListenerId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(TcpId, SocketAddr)>> {
        self.core.poll_accept(listener, cx).map(|result| result.map(|(id, peer)| (id, peer.into())))
    }

    /// Takes a caller that is there already.
    pub fn tcp_try_accept(&mut self, listener: ListenerId) -> Result<(TcpId, SocketAddr)> {
        self.core.try_accept(listener).map(|(id, peer)| (id, peer.into()))
    }

    /// Where the listener listens.
    pub fn tcp_listener_addr(&self, listener: ListenerId) -> Result<SocketAddr> {
        self.core.listener_addr(listener).map(bound_addr)
    }

    /// Stops listening; callers not yet accepted are reset.
    pub fn tcp_close_listener(&mut self, listener: ListenerId) -> Result<()> {
        self.core.close_listener(listener)
    }

    /// Starts to connect. Wait with [`Stack::tcp_poll_connect`].
    pub fn tcp_connect(&mut self, remote: SocketAddr, options: TcpOptions) -> Result<TcpId> {
        self.core.connect(remote.into(), (None, 0), options)
    }

    /// Starts to connect from a given address, or port, or both.
    pub fn tcp_connect_from(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        options: TcpOptions,
    ) -> Result<TcpId> {
        let local = listen_endpoint(local);
        self.core.connect(remote.into(), (local.addr, local.port), options)
    }

    /// Waits until the connection is established or has failed.
    pub fn tcp_poll_connect(&mut self, id: TcpId, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.core.poll_connect(id, cx)
    }

    /// Reads; 0 bytes are the end of what the peer sends.
    pub fn tcp_poll_read(&mut self, id: TcpId, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize>> {
        self.core.poll_read(id, cx, buf)
    }

    /// Reads what is there.
    pub fn tcp_try_read(&mut self, id: TcpId, buf: &mut [u8]) -> Result<usize> {
        self.core.try_read(id, buf)
    }

    /// Reads in place: `f` sees a run of received bytes and returns how many it took. Not called at the end.
    pub fn tcp_poll_read_with(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Result<usize>> {
        self.core.poll_read_with(id, cx, f)
    }

    /// Reads in place what is there, as [`Stack::tcp_poll_read_with`]; a run may be shorter than all that is there.
    pub fn tcp_read_with(&mut self, id: TcpId, f: impl FnOnce(&[u8]) -> usize) -> Result<usize> {
        self.core.read_with(id, f)
    }

    /// Writes in place if there is room. When there is none, the observer is told when there is enough again.
    pub fn tcp_write_with(&mut self, id: TcpId, f: impl FnOnce(&mut [u8]) -> usize) -> Result<usize> {
        self.core.write_with(id, f)
    }

    /// Copies what is there, and does not take it.
    pub fn tcp_peek(&mut self, id: TcpId, buf: &mut [u8]) -> Result<usize> {
        self.core.peek(id, buf)
    }

    /// Holds back what does not fill a segment, for 200 ms at most, or lets it go.
    pub fn tcp_set_corked(&mut self, id: TcpId, corked: bool) -> Result<()> {
        self.core.set_corked(id, corked)
    }

    /// Nobody will read: once our side has ended too, what still comes in resets the connection.
    pub fn tcp_refuse(&mut self, id: TcpId) -> Result<()> {
        self.core.refuse(id)
    }

    /// Sets who is told of each change: more to read, room after [`Error::WouldBlock`] or a state without room, another
    /// state of the connection.
    pub fn tcp_observe(&mut self, id: TcpId, observer: Arc<dyn Observer>) -> Result<()> {
        self.core.observe_tcp(id, observer)
    }

    /// Why the connection has failed, if it has.
    pub fn tcp_error(&mut self, id: TcpId) -> Result<Option<Error>> {
        self.core.tcp_error(id)
    }

    /// Reads without taking.
    pub fn tcp_poll_peek(&mut self, id: TcpId, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize>> {
        self.core.poll_peek(id, cx, buf)
    }

    /// Writes as much as there is room for, and at least a byte. It goes out with the next poll.
    pub fn tcp_poll_write(&mut self, id: TcpId, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        self.core.poll_write(id, cx, data)
    }

    /// Writes if there is room.
    pub fn tcp_try_write(&mut self, id: TcpId, data: &[u8]) -> Result<usize> {
        self.core.try_write(id, data)
    }

    /// Writes in place: `f` fills a run of free room and returns how much.
    pub fn tcp_poll_write_with(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        f: impl FnOnce(&mut [u8]) -> usize,
    ) -> Poll<Result<usize>> {
        self.core.poll_write_with(id, cx, f)
    }

    /// Waits until all that was written is acknowledged.
    pub fn tcp_poll_flush(&mut self, id: TcpId, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.core.poll_flush(id, cx)
    }

    /// Ends the sending half.
    pub fn tcp_shutdown_write(&mut self, id: TcpId) -> Result<()> {
        self.core.shutdown_write(id)
    }

    /// Ends the sending half and waits until the peer knows.
    pub fn tcp_poll_close(&mut self, id: TcpId, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.core.poll_close(id, cx)
    }

    /// Lets go of a connection: what was written is delivered in the background, then it ends. The handle is stale.
    pub fn tcp_close(&mut self, id: TcpId) -> Result<()> {
        self.core.close(id)
    }

    /// Resets a connection. The handle is stale.
    pub fn tcp_abort(&mut self, id: TcpId) -> Result<()> {
        self.core.abort(id)
    }

    /// What a connection knows of itself and of the path.
    pub fn tcp_info(&mut self, id: TcpId) -> Result<TcpInfo> {
        self.core.tcp_info(id)
    }

    /// What a connection can do now.
    pub fn tcp_state(&mut self, id: TcpId) -> Result<TcpState> {
        self.core.tcp_state(id)
    }

    /// Our end.
    pub fn tcp_local_addr(&mut self, id: TcpId) -> Result<SocketAddr> {
        self.core.tcp_addrs(id).map(|(local, _)| local.into())
    }

    /// The peer's end.
    pub fn tcp_peer_addr(&mut self, id: TcpId) -> Result<SocketAddr> {
        self.core.tcp_addrs(id).map(|(_, peer)| peer.into())
    }

    /// Changes options of a connection (not its buffers) and returns them.
    pub fn tcp_set_options(&mut self, id: TcpId, change: impl FnOnce(&mut TcpOptions)) -> Result<TcpOptions> {
        self.core.set_tcp_options(id, change)
    }
}

/// UDP, names and pings.
impl<D: Device> Stack<D> {
    /// Makes a UDP socket at `local` (port 0: any free one; an unspecified address: all).
    pub fn udp_bind(&mut self, local: SocketAddr, options: UdpOptions) -> Result<UdpId> {
        self.core.udp_bind(local.into(), options)
    }

    /// As [`Stack::udp_bind`], for some addresses only, or sharing the port with other sockets.
    pub fn udp_bind_at(&mut self, local: Local, options: UdpOptions) -> Result<UdpId> {
        self.core.udp_bind(local, options)
    }

    /// Sets who is told of each change.
    pub fn udp_observe(&mut self, id: UdpId, observer: Arc<dyn Observer>) -> Result<()> {
        self.core.observe_udp(id, observer)
    }

    /// What the socket can do now.
    pub fn udp_state(&mut self, id: UdpId) -> Result<UdpState> {
        self.core.udp_state(id)
    }

    /// Takes the error that a router or the peer has told of.
    pub fn udp_take_error(&mut self, id: UdpId) -> Result<Option<Error>> {
        self.core.udp_take_error(id)
    }

    /// Shows the next datagram in place, and takes it unless `peek`.
    pub fn udp_recv_with<R>(
        &mut self,
        id: UdpId,
        peek: bool,
        f: impl FnOnce(Datagram<'_>) -> R,
    ) -> Result<R> {
        self.core.udp_recv_with(id, peek, f)
    }

    /// Sends if there is room, from one of our addresses if that is named, and so many hops far (64 by default).
    pub fn udp_send_from(
        &mut self,
        id: UdpId,
        data: &[u8],
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
        hops: Option<u8>,
    ) -> Result<()> {
        self.core.udp_send_from(id, data, to.map(Into::into), from.map(Into::into), hops)
    }

    /// Chooses the one peer to send to and to hear; `None` undoes it.
    pub fn udp_connect(&mut self, id: UdpId, peer: Option<SocketAddr>) -> Result<()> {
        self.core.udp_connect(id, peer.map(Into::into))
    }

    /// Sends to `to`, or to the connected peer.
    pub fn udp_poll_send(
        &mut self,
        id: UdpId,
        cx: &mut Context<'_>,
        data: &[u8],
        to: Option<SocketAddr>,
    ) -> Poll<Result<()>> {
        self.core.udp_poll_send(id, cx, data, to.map(Into::into))
    }

    /// Sends if there is room.
    pub fn udp_try_send(&mut self, id: UdpId, data: &[u8], to: Option<SocketAddr>) -> Result<()> {
        self.core.udp_try_send(id, data, to.map(Into::into))
    }

    /// Waits for a datagram: its length, cut to `buf`, and its sender.
    pub fn udp_poll_recv(
        &mut self,
        id: UdpId,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, SocketAddr)>> {
        self.core.udp_poll_recv(id, cx, buf, false).map(|r| r.map(|(len, from, _)| (len, from.into())))
    }

    /// Takes a datagram that is there.
    pub fn udp_try_recv(&mut self, id: UdpId, buf: &mut [u8]) -> Result<(usize, SocketAddr)> {
        self.core.udp_try_recv(id, buf, false).map(|(len, from, _)| (len, from.into()))
    }

    /// Waits for a datagram and leaves it there.
    pub fn udp_poll_peek(
        &mut self,
        id: UdpId,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, SocketAddr)>> {
        self.core.udp_poll_recv(id, cx, buf, true).map(|r| r.map(|(len, from, _)| (len, from.into())))
    }

    /// Where the socket is bound.
    pub fn udp_local_addr(&mut self, id: UdpId) -> Result<SocketAddr> {
        self.core.udp_addrs(id).map(|(local, _)| bound_addr(local))
    }

    /// The connected peer.
    pub fn udp_peer_addr(&mut self, id: UdpId) -> Result<SocketAddr> {
        self.core.udp_addrs(id)?.1.map(Into::into).ok_or(Error::NotConnected)
    }

    /// Closes the socket; datagrams not yet sent are dropped.
    pub fn udp_close(&mut self, id: UdpId) -> Result<()> {
        self.core.udp_close(id)
    }

    /// Starts to look a host name up. Wait with [`Stack::dns_poll`].
    pub fn dns_query(&mut self, name: &str) -> Result<NameQuery> {
        self.core.resolve_name(name)
    }

    /// Waits for the addresses; ends the query.
    pub fn dns_poll(&mut self, query: NameQuery, cx: &mut Context<'_>) -> Poll<Result<Vec<IpAddr>>> {
        self.core.poll_name(query, cx)
    }

    /// Gives a query up.
    pub fn dns_cancel(&mut self, query: NameQuery) {
        self.core.cancel_name(query);
    }

    /// Sends an ICMP echo request of up to 1024 bytes. Wait with [`Stack::ping_poll`].
    pub fn ping(&mut self, to: IpAddr, payload: &[u8], timeout_ns: u64) -> Result<PingId> {
        self.core.ping(to.into(), payload, timeout_ns)
    }

    /// Waits for the answer; ends the ping.
    pub fn ping_poll(&mut self, ping: PingId, cx: &mut Context<'_>) -> Poll<Result<PingReply>> {
        self.core.poll_ping(ping, cx)
    }

    /// Gives a ping up.
    pub fn ping_cancel(&mut self, ping: PingId) {
        self.core.cancel_ping(ping);
    }
}
