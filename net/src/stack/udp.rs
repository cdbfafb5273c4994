//! UDP, as its users see it.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use smoltcp::phy::Device;

use super::{Stack, bound_addr};
use crate::config::{Local, UdpOptions};
use crate::error::{Error, Result};
use crate::observe::Observer;
use crate::udp::{Datagram, UdpId, UdpState};

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
}
