//! TCP, as its users see it.

use alloc::sync::Arc;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use smoltcp::phy::Device;
use smoltcp::wire::IpListenEndpoint;

use super::{Stack, bound_addr};
use crate::config::{Local, TcpOptions};
use crate::error::{Error, Result};
use crate::observe::Observer;
use crate::tcp::{ListenerId, TcpId, TcpInfo, TcpState};

fn listen_endpoint(addr: SocketAddr) -> IpListenEndpoint {
    let ip = (!addr.ip().is_unspecified()).then(|| addr.ip().into());
    IpListenEndpoint { addr: ip, port: addr.port() }
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
