//! UDP sockets. Each has one smoltcp socket for every interface that it has spoken through so far.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, SendError, Socket, UdpMetadata};
use smoltcp::wire::{IpAddress, IpEndpoint, IpListenEndpoint};

use crate::config::{Local, UdpOptions};
use crate::core_::{Cause, Core, Kind, remember};
use crate::error::{Error, Result};
use crate::link::IfIndex;
use crate::observe::{Change, Observed, Observer};
use crate::slab::{Id, Slab};
use crate::tcp::spread;

/// The most buffer, each way, of a socket on an interface that is not loopback.
const FARTHEST: usize = 64 << 10;

/// Names the kind of [`UdpId`].
#[derive(Debug)]
pub enum UdpKind {}
/// A UDP socket.
pub type UdpId = Id<UdpKind>;

pub(crate) struct UdpSocket {
    local: Local,
    /// The only peer to hear, once connected.
    peer: Option<IpEndpoint>,
    options: UdpOptions,
    flows: Vec<u32>,
    error: Option<Error>,
    rx_waker: Option<Waker>,
    tx_waker: Option<Waker>,
    observer: Observed,
    /// Somebody found no room to send.
    wants_room: bool,
}

/// What a UDP socket can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpState {
    /// There is a datagram to read.
    pub can_read: bool,
    /// How long that datagram is.
    pub next_len: usize,
    /// There is room to send.
    pub can_write: bool,
    /// An error is to be told.
    pub failed: bool,
}

/// A datagram that was received, as one who reads it in place sees it.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// What it carries.
    pub data: &'a [u8],
    /// Who sent it.
    pub from: core::net::SocketAddr,
    /// To which of our addresses, or to which group.
    pub to: core::net::IpAddr,
    /// Where it came in.
    pub interface: IfIndex,
    /// How many more hops it could have made.
    pub hop_limit: u8,
}

/// All UDP sockets.
#[derive(Default)]
pub(crate) struct UdpTables {
    sockets: Slab<UdpSocket>,
    by_port: BTreeMap<u16, Vec<u32>>,
}

impl Default for Slab<UdpSocket> {
    fn default() -> Self {
        Slab::new()
    }
}

impl Core {
    pub(crate) fn udp_bind(&mut self, mut local: Local, options: UdpOptions) -> Result<UdpId> {
        if let Some(addr) = local.addr.map(IpAddress::from)
            && !self.is_local(addr)
            && !addr.is_multicast()
            && !addr.is_broadcast()
        {
            return Err(Error::AddrNotAvailable);
        }
        if options.rx_datagrams == 0 || options.tx_datagrams == 0 {
            return Err(Error::InvalidInput("a UDP socket needs room for a datagram"));
        }
        local.port = match local.port {
            0 => self.ephemeral_port(|core, port| !core.udp.by_port.contains_key(&port))?,
            port => port,
        };
        let others = self.udp.by_port.get(&local.port).map_or(&[][..], |others| others);
        // One that names an address hears what is sent to it, another what is sent to the rest.
        let clash = |s: &UdpSocket| {
            s.local.addr == local.addr && s.local.meets(&local) && !(s.local.shared && local.shared)
        };
        if others.iter().filter_map(|index| self.udp.sockets.get(*index)).any(clash) {
            return Err(Error::AddrInUse);
        }
        let socket = UdpSocket {
            local,
            peer: None,
            options,
            flows: Vec::new(),
            error: None,
            rx_waker: None,
            tx_waker: None,
            observer: Observed::default(),
            wants_room: false,
        };
        let index = self.udp.sockets.insert(socket).ok_or(Error::OutOfMemory)?;
        self.udp.by_port.entry(local.port).or_default().push(index);
        Ok(self.udp.sockets.id(index))
    }

    /// The socket for a datagram: one that names the address before one that takes any.
    pub(crate) fn udp_socket_for(&self, addr: IpAddress, port: u16, from: (IpAddress, u16)) -> Option<u32> {
        let from = IpEndpoint { addr: from.0, port: from.1 };
        let hears = |s: &UdpSocket| s.local.hears(addr) && s.peer.is_none_or(|p| p == from);
        let sockets = self.udp.by_port.get(&port)?;
        let candidates = || {
            let known = sockets.iter().filter_map(|index| Some((*index, self.udp.sockets.get(*index)?)));
            known.filter(|(_, s)| hears(s))
        };
        let rank = |s: &UdpSocket| (s.peer.is_some(), s.local.addr.is_some());
        let best = candidates().map(|(_, s)| rank(s)).max()?;
        let group = || candidates().filter(|(_, s)| rank(s) == best);
        group().nth(spread((from.port, from.addr), group().count())).map(|(index, _)| index)
    }

    /// The socket's flow on an interface, made when it is first needed.
    pub(crate) fn udp_flow(&mut self, owner: u32, link: usize) -> Option<u32> {
        let s = self.udp.sockets.get(owner)?;
        let on_link = |index: &&u32| self.flows.get(**index).is_some_and(|flow| flow.link == link);
        if let Some(index) = s.flows.iter().find(on_link) {
            return Some(*index);
        }
        let UdpOptions { mut rx_buffer, rx_datagrams, mut tx_buffer, tx_datagrams } = s.options;
        if link != 0 {
            // Longer datagrams than smoltcp puts together from fragments go over loopback alone.
            (rx_buffer, tx_buffer) = (rx_buffer.min(FARTHEST), tx_buffer.min(FARTHEST));
        }
        let rx = PacketBuffer::new(vec![PacketMetadata::EMPTY; rx_datagrams], zeroed(rx_buffer)?);
        let tx = PacketBuffer::new(vec![PacketMetadata::EMPTY; tx_datagrams], zeroed(tx_buffer)?);
        let mut socket = Socket::new(rx, tx);
        socket.bind(IpListenEndpoint { addr: None, port: s.local.port }).ok()?;
        let index = self.add_flow(link, socket, Kind::Udp { owner, peer: None }).ok()?;
        self.udp.sockets.get_mut(owner)?.flows.push(index);
        Some(index)
    }

    fn udp(&mut self, id: UdpId) -> Result<&mut UdpSocket> {
        let index = self.udp.sockets.resolve(id).ok_or(Error::BadHandle)?;
        self.udp.sockets.get_mut(index).ok_or(Error::BadHandle)
    }

    /// Sets the peer for `udp_send` and hears nobody else; `None` undoes it.
    pub(crate) fn udp_connect(&mut self, id: UdpId, peer: Option<IpEndpoint>) -> Result<()> {
        if let Some(peer) = peer {
            let local = self.udp(id)?.local.addr.map(IpAddress::from);
            if peer.port == 0 {
                return Err(Error::AddrNotAvailable);
            }
            self.route(peer.addr, local)?;
        }
        self.udp(id)?.peer = peer;
        Ok(())
    }

    pub(crate) fn udp_try_send(&mut self, id: UdpId, data: &[u8], to: Option<IpEndpoint>) -> Result<()> {
        self.udp_send_from(id, data, to, None, None)
    }

    /// Sends, from a given address of ours if one is named, so many hops far.
    pub(crate) fn udp_send_from(
        &mut self,
        id: UdpId,
        data: &[u8],
        to: Option<IpEndpoint>,
        from: Option<IpAddress>,
        hops: Option<u8>,
    ) -> Result<()> {
        let s = self.udp(id)?;
        if let Some(error) = s.error.take() {
            return Err(error);
        }
        let (addr, capacity) = (from.or(s.local.addr.map(Into::into)), s.options.tx_buffer);
        let to = to.or(s.peer).ok_or(Error::NotConnected)?;
        if data.len() > capacity {
            return Err(Error::MessageTooLong(data.len()));
        }
        if to.port == 0 {
            return Err(Error::AddrNotAvailable);
        }
        let (link, source) = self.route(to.addr, addr.filter(|addr| addr.is_unicast()))?;
        let limit = self.longest_datagram(link, to.addr);
        if data.len() > limit {
            return Err(Error::MessageTooLong(data.len()));
        }
        let index = self.udp_flow(id.index(), link).ok_or(Error::OutOfMemory)?;
        let meta = UdpMetadata { endpoint: to, local_address: Some(source), meta: Default::default() };
        let flow = self.flows.get_mut(index).ok_or(Error::BadHandle)?;
        if let Kind::Udp { peer, .. } = &mut flow.kind {
            *peer = Some(to.addr);
        }
        let socket = flow.set.get_mut::<Socket<'_>>(flow.handle);
        // Of what waits to be sent, too: smoltcp has one for all of a socket.
        socket.set_hop_limit(hops.map(|hops| hops.max(1)));
        match socket.send_slice(data, meta) {
            Ok(()) => {}
            Err(SendError::BufferFull) => {
                self.udp(id)?.wants_room = true;
                return Err(Error::WouldBlock);
            }
            Err(SendError::Unaddressable) => return Err(Error::AddrNotAvailable),
        }
        self.touch(index);
        Ok(())
    }

    /// The longest datagram that an interface can carry: IPv4 in fragments, IPv6 whole.
    fn longest_datagram(&self, link: usize, to: IpAddress) -> usize {
        /// What smoltcp's fragmentation buffer holds, by the feature chosen in Cargo.toml.
        const FRAGMENTATION_BUFFER: usize = 8192;
        let mtu = self.links[link].caps.ip_mtu();
        match to {
            IpAddress::Ipv4(_) => mtu.clamp(FRAGMENTATION_BUFFER, 65535) - 28,
            IpAddress::Ipv6(_) => mtu.saturating_sub(48),
        }
    }

    pub(crate) fn udp_poll_send(
        &mut self,
        id: UdpId,
        cx: &mut Context<'_>,
        data: &[u8],
        to: Option<IpEndpoint>,
    ) -> Poll<Result<()>> {
        match self.udp_try_send(id, data, to) {
            Err(Error::WouldBlock) => {
                if let Ok(s) = self.udp(id) {
                    remember(&mut s.tx_waker, cx.waker());
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    /// Takes the next datagram: its length, cut to the buffer, who sent it, and to which address.
    pub(crate) fn udp_try_recv(
        &mut self,
        id: UdpId,
        buf: &mut [u8],
        peek: bool,
    ) -> Result<(usize, IpEndpoint, IpAddress)> {
        self.udp_recv_with(id, peek, |datagram| {
            let len = datagram.data.len().min(buf.len());
            buf[..len].copy_from_slice(&datagram.data[..len]);
            (len, datagram.from.into(), datagram.to.into())
        })
    }

    /// Shows the next datagram in place, and takes it unless `peek`.
    pub(crate) fn udp_recv_with<R>(
        &mut self,
        id: UdpId,
        peek: bool,
        f: impl FnOnce(Datagram<'_>) -> R,
    ) -> Result<R> {
        let index = self.udp.sockets.resolve(id).ok_or(Error::BadHandle)?;
        let s = self.udp.sockets.get_mut(index).ok_or(Error::BadHandle)?;
        for flow in &s.flows {
            let Some(flow) = self.flows.get_mut(*flow) else { continue };
            let interface = IfIndex(flow.link);
            let socket = flow.set.get_mut::<Socket<'_>>(flow.handle);
            // An error means that the queue is empty.
            while let Ok((data, meta)) =
                if peek { socket.peek().map(|(data, meta)| (data, *meta)) } else { socket.recv() }
            {
                if s.peer.is_some_and(|peer| peer != meta.endpoint) {
                    // It came before the socket was connected.
                    if peek {
                        let _ = socket.recv();
                    }
                    continue;
                }
                let to = meta.local_address.unwrap_or(meta.endpoint.addr).into();
                // `Core::receive` has put it there.
                let hop_limit = meta.meta.id.to_le_bytes()[0];
                return Ok(f(Datagram { data, from: meta.endpoint.into(), to, interface, hop_limit }));
            }
        }
        Err(s.error.take().unwrap_or(Error::WouldBlock))
    }

    /// What the socket can do now.
    pub(crate) fn udp_state(&mut self, id: UdpId) -> Result<UdpState> {
        let index = self.udp.sockets.resolve(id).ok_or(Error::BadHandle)?;
        let s = self.udp.sockets.get_mut(index).ok_or(Error::BadHandle)?;
        let mut state = UdpState { can_read: false, next_len: 0, can_write: true, failed: s.error.is_some() };
        for flow in &s.flows {
            let Some(flow) = self.flows.get_mut(*flow) else { continue };
            let socket = flow.set.get_mut::<Socket<'_>>(flow.handle);
            state.can_write &= socket.can_send();
            while !state.can_read
                && let Ok((data, meta)) = socket.peek()
            {
                if s.peer.is_some_and(|peer| peer != meta.endpoint) {
                    let _ = socket.recv();
                    continue;
                }
                (state.can_read, state.next_len) = (true, data.len());
            }
        }
        s.wants_room |= !state.can_write;
        Ok(state)
    }

    /// Takes the error that an ICMP message told of.
    pub(crate) fn udp_take_error(&mut self, id: UdpId) -> Result<Option<Error>> {
        Ok(self.udp(id)?.error.take())
    }

    /// Sets who is told of changes.
    pub(crate) fn observe_udp(&mut self, id: UdpId, observer: Arc<dyn Observer>) -> Result<()> {
        self.udp(id)?.observer = Observed(Some(observer));
        Ok(())
    }

    pub(crate) fn udp_poll_recv(
        &mut self,
        id: UdpId,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        peek: bool,
    ) -> Poll<Result<(usize, IpEndpoint, IpAddress)>> {
        match self.udp_try_recv(id, buf, peek) {
            Err(Error::WouldBlock) => {
                if let Ok(s) = self.udp(id) {
                    remember(&mut s.rx_waker, cx.waker());
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    /// The socket's own end and its peer, if connected.
    pub(crate) fn udp_addrs(&mut self, id: UdpId) -> Result<(IpListenEndpoint, Option<IpEndpoint>)> {
        let s = self.udp(id)?;
        Ok((s.local.endpoint(), s.peer))
    }

    /// Closes the socket. Datagrams that were not sent yet are dropped.
    pub(crate) fn udp_close(&mut self, id: UdpId) -> Result<()> {
        let index = self.udp.sockets.resolve(id).ok_or(Error::BadHandle)?;
        let s = self.udp.sockets.remove(index).ok_or(Error::BadHandle)?;
        if let Some(others) = self.udp.by_port.get_mut(&s.local.port) {
            others.retain(|other| *other != index);
            if others.is_empty() {
                self.udp.by_port.remove(&s.local.port);
            }
        }
        for flow in s.flows {
            self.remove_flow(flow);
        }
        for waker in [s.rx_waker, s.tx_waker].into_iter().flatten() {
            waker.wake();
        }
        Ok(())
    }

    /// A flow of the socket is gone with its interface; who waited for room in it finds out that no way leads there any more.
    pub(crate) fn leave_udp(&mut self, owner: u32, flow: u32) {
        let Some(s) = self.udp.sockets.get_mut(owner) else { return };
        s.flows.retain(|other| *other != flow);
        if core::mem::take(&mut s.wants_room) {
            s.observer.tell(Change::Writable);
        }
        if let Some(waker) = s.tx_waker.take() {
            waker.wake();
        }
    }

    /// Wakes those for whom the socket has news.
    pub(crate) fn settle_udp(&mut self, owner: u32, cause: Cause) {
        let Some(s) = self.udp.sockets.get_mut(owner) else { return };
        let (mut can_recv, mut can_send) = (s.error.is_some(), s.error.is_some());
        for flow in s.flows.iter().filter_map(|index| self.flows.get(*index)) {
            let socket: &Socket<'_> = flow.set.get(flow.handle);
            can_recv |= socket.can_recv();
            can_send |= socket.can_send();
        }
        if s.error.is_some() {
            s.observer.tell(Change::State);
        }
        if can_recv && cause == Cause::Frame {
            s.observer.tell(Change::Readable);
        }
        if can_send && core::mem::take(&mut s.wants_room) {
            s.observer.tell(Change::Writable);
        }
        if can_recv && let Some(waker) = s.rx_waker.take() {
            waker.wake();
        }
        if can_send && let Some(waker) = s.tx_waker.take() {
            waker.wake();
        }
    }

    /// An ICMP error quotes a datagram from this port: its socket is told, if it is connected to that peer.
    pub(crate) fn udp_unreachable(
        &mut self,
        from: IpAddress,
        port: u16,
        to: (IpAddress, u16),
        port_closed: bool,
    ) {
        let peer = IpEndpoint { addr: to.0, port: to.1 };
        let Some(owner) = self.udp_socket_for(from, port, to) else { return };
        if let Some(s) = self.udp.sockets.get_mut(owner)
            && s.peer == Some(peer)
        {
            s.error = Some(if port_closed { Error::ConnectionRefused } else { Error::HostUnreachable });
            self.settle_udp(owner, Cause::Clock);
        }
    }

    /// Joins or leaves a multicast group on an interface.
    pub(crate) fn multicast(&mut self, link: usize, group: IpAddress, join: bool) -> Result<()> {
        let l = self.links.get_mut(link).ok_or(Error::NoSuchInterface(link))?;
        let done =
            if join { l.iface.join_multicast_group(group) } else { l.iface.leave_multicast_group(group) };
        done.map_err(|_| Error::AddrNotAvailable)?;
        l.joined.retain(|joined| *joined != group);
        if join {
            l.joined.push(group);
        }
        let misc = l.misc;
        self.touch(misc);
        Ok(())
    }
}

fn zeroed(len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}
