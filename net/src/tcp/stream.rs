//! Operations on a connection.

use core::task::{Context, Poll};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpEndpoint, IpVersion};

use alloc::sync::Arc;

use super::engine::{Connection, State};
use super::settle::has_room;
use super::{FlowKey, Phase, Tcp, TcpId, TcpInfo, TcpState};
use crate::config::TcpOptions;
use crate::core_::{Core, remember};
use crate::error::{Error, Result};
use crate::observe::{Observed, Observer};

/// Ports that we choose ourselves.
const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// How long a corked connection holds what is less than a segment.
const CORKED: Duration = Duration::from_millis(200);
/// When a writer for whom there is no memory tries again.
const STARVED: Duration = Duration::from_millis(10);

/// Which direction of a connection to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Read,
    Write,
}

impl Core {
    /// A port that nobody uses, starting the search at a random one.
    pub(crate) fn ephemeral_port(&mut self, free: impl Fn(&Self, u16) -> bool) -> Result<u16> {
        let (first, count) = (*EPHEMERAL.start(), EPHEMERAL.end() - EPHEMERAL.start() + 1);
        let start = self.rng.next_u16() % count;
        (0..count)
            .map(|step| first + ((u32::from(start) + u32::from(step)) % u32::from(count)) as u16)
            .find(|port| free(self, *port))
            .ok_or(Error::AddrInUse)
    }

    pub(crate) fn connect(
        &mut self,
        remote: IpEndpoint,
        local: (Option<IpAddress>, u16),
        options: TcpOptions,
    ) -> Result<TcpId> {
        if remote.port == 0 || !remote.addr.is_unicast() {
            return Err(Error::AddrNotAvailable);
        }
        let (link, addr) = self.route(remote.addr, local.0)?;
        let key = |port| FlowKey { local: (port, addr), remote: (remote.port, remote.addr) };
        let port = match local.1 {
            0 => self.ephemeral_port(|core, port| {
                port != remote.port
                    && !core.tcp.index.contains_key(&key(port))
                    && !core.tcp.by_port.contains_key(&port)
            })?,
            port if self.tcp.index.contains_key(&key(port)) => return Err(Error::AddrInUse),
            port => port,
        };
        super::check(&options)?;
        let key = key(port);
        self.tcp.time_wait.remove(&key);
        let (iss, stamp) = self.tcp.keys.first(&key, self.now);
        let is_v6 = addr.version() == IpVersion::Ipv6;
        let connection = Connection::call(iss, stamp, is_v6, &options, self.now);
        let index = self.add_tcp(link, key, Phase::Opening, connection)?;
        self.touch(index);
        Ok(self.flows.id(index))
    }

    /// Waits for the handshake.
    pub(crate) fn poll_connect(&mut self, id: TcpId, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_tcp(id, cx, Wait::Write, |tcp| match (&tcp.error, tcp.phase) {
            (Some(error), _) => Err(error.clone()),
            (None, Phase::Opening) => Err(Error::WouldBlock),
            _ => Ok(()),
        })
    }

    pub(crate) fn try_read(&mut self, id: TcpId, buf: &mut [u8]) -> Result<usize> {
        let now = self.now;
        let (read, opens) = self.with_tcp(id, |tcp, pool| {
            readable(tcp, buf.is_empty())?;
            let read = tcp.connection.recv_slice(now, pool, buf);
            tcp.queued = tcp.connection.recv_queue();
            Ok((read, read > 0 && tcp.connection.opens_window()))
        })?;
        if opens {
            self.touch(id.index());
        }
        Ok(read)
    }

    pub(crate) fn poll_read(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize>> {
        let read = self.try_read(id, buf);
        self.pend(id, cx, Wait::Read, read)
    }

    pub(crate) fn poll_peek(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize>> {
        let peeked = self.peek(id, buf);
        self.pend(id, cx, Wait::Read, peeked)
    }

    /// Lets `f` look at the received bytes in place and say how many it used.
    pub(crate) fn poll_read_with(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Result<usize>> {
        let read = self.read_with(id, f);
        self.pend(id, cx, Wait::Read, read)
    }

    /// As [`Core::poll_read_with`], without waiting.
    pub(crate) fn read_with(&mut self, id: TcpId, f: impl FnOnce(&[u8]) -> usize) -> Result<usize> {
        let now = self.now;
        let (read, opens) = self.with_tcp(id, |tcp, pool| {
            readable(tcp, false)?;
            if !tcp.connection.can_recv() {
                return Ok((0, false));
            }
            let read = tcp.connection.recv(now, pool, f);
            tcp.queued = tcp.connection.recv_queue();
            Ok((read, read > 0 && tcp.connection.opens_window()))
        })?;
        if opens {
            self.touch(id.index());
        }
        Ok(read)
    }

    /// Copies what waits to be read and leaves it there.
    pub(crate) fn peek(&mut self, id: TcpId, buf: &mut [u8]) -> Result<usize> {
        self.with_tcp(id, |tcp, _| {
            readable(tcp, buf.is_empty())?;
            Ok(tcp.connection.peek_slice(buf))
        })
    }

    pub(crate) fn try_write(&mut self, id: TcpId, data: &[u8]) -> Result<usize> {
        let now = self.now;
        let written = self.with_tcp(id, |tcp, pool| {
            writable(tcp)?;
            let has_room = tcp.connection.can_send();
            let len = tcp.connection.send_slice(data, now, pool);
            Ok((len, has_room && len == 0 && !data.is_empty()))
        })?;
        match written {
            (0, is_starved) if !data.is_empty() => {
                self.try_again(id, is_starved);
                Err(Error::WouldBlock)
            }
            (len, _) => {
                self.touch(id.index());
                Ok(len)
            }
        }
    }

    /// There was room, but no memory: whoever wants to write is told to try again.
    fn try_again(&mut self, id: TcpId, is_starved: bool) {
        if is_starved {
            self.hurry(id, STARVED);
        }
    }

    /// Has the connection looked at after some time at the latest.
    fn hurry(&mut self, id: TcpId, after: Duration) {
        let limit = self.now + after;
        let due = self.flows.get(id.index()).and_then(|flow| flow.deadline);
        self.set_deadline(id.index(), Some(due.map_or(limit, |due| due.min(limit))));
    }

    pub(crate) fn poll_write(&mut self, id: TcpId, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        let written = self.try_write(id, data);
        self.pend(id, cx, Wait::Write, written)
    }

    /// Lets `f` fill free room of the transmit buffer in place and say how much it filled.
    pub(crate) fn poll_write_with(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        f: impl FnOnce(&mut [u8]) -> usize,
    ) -> Poll<Result<usize>> {
        let written = self.write_with(id, f);
        self.pend(id, cx, Wait::Write, written)
    }

    /// As [`Core::poll_write_with`], without waiting; the observer is told when there is room again.
    pub(crate) fn write_with(&mut self, id: TcpId, f: impl FnOnce(&mut [u8]) -> usize) -> Result<usize> {
        let now = self.now;
        let (written, holds) = self.with_tcp(id, |tcp, pool| {
            writable(tcp)?;
            if !tcp.connection.can_send() {
                tcp.wants_room = true;
                return Err(Error::WouldBlock);
            }
            let written = tcp.connection.send(now, pool, f);
            tcp.wants_room |= written.is_none();
            Ok((written, tcp.connection.is_held(now)))
        })?;
        match written {
            None => {
                self.try_again(id, true);
                return Err(Error::WouldBlock);
            }
            Some(0) => {}
            Some(_) if holds => self.hurry(id, CORKED),
            Some(_) => self.touch(id.index()),
        }
        Ok(written.unwrap_or(0))
    }

    /// Holds small segments back, or lets them go.
    pub(crate) fn set_corked(&mut self, id: TcpId, corked: bool) -> Result<()> {
        let was = self.with_tcp(id, |tcp, _| {
            Ok(tcp.connection.set_corked(corked) && tcp.connection.send_queue() > 0)
        })?;
        if was && !corked {
            self.touch(id.index());
        }
        Ok(())
    }

    /// Has what comes in reset the connection, once our side has ended too.
    pub(crate) fn refuse(&mut self, id: TcpId) -> Result<()> {
        self.with_tcp(id, |tcp, _| {
            tcp.refuses = true;
            Ok(())
        })
    }

    /// Sets who is told of changes.
    pub(crate) fn observe_tcp(&mut self, id: TcpId, observer: Arc<dyn Observer>) -> Result<()> {
        self.with_tcp(id, |tcp, _| {
            tcp.observer = Observed(Some(observer));
            tcp.queued = tcp.connection.recv_queue();
            Ok(())
        })
    }

    /// Why the connection ended, if not in good order.
    pub(crate) fn tcp_error(&mut self, id: TcpId) -> Result<Option<Error>> {
        self.with_tcp(id, |tcp, _| Ok(tcp.error.clone()))
    }

    /// Waits until the peer has acknowledged all that was written.
    pub(crate) fn poll_flush(&mut self, id: TcpId, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_tcp(id, cx, Wait::Write, |tcp| match &tcp.error {
            Some(error) => Err(error.clone()),
            None if tcp.connection.send_queue() == 0 => Ok(()),
            None => Err(Error::WouldBlock),
        })
    }

    /// Ends the sending half: the peer reads what was written, then the end.
    pub(crate) fn shutdown_write(&mut self, id: TcpId) -> Result<()> {
        self.with_tcp(id, |tcp, _| {
            if tcp.phase == Phase::Opening {
                return Err(Error::NotConnected);
            }
            tcp.connection.close();
            tcp.seen = tcp.connection.state();
            tcp.wake_tx();
            Ok(())
        })?;
        self.touch(id.index());
        Ok(())
    }

    /// Ends the sending half and waits until the peer has acknowledged it.
    pub(crate) fn poll_close(&mut self, id: TcpId, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Err(error) = self.shutdown_write(id) {
            return Poll::Ready(Err(error));
        }
        self.poll_tcp(id, cx, Wait::Write, |tcp| match (&tcp.error, tcp.connection.state()) {
            (Some(error), _) => Err(error.clone()),
            (None, State::FinWait1 | State::LastAck | State::Closing) => Err(Error::WouldBlock),
            _ => Ok(()),
        })
    }

    /// Lets go of the connection. What was written is still delivered.
    pub(crate) fn close(&mut self, id: TcpId) -> Result<()> {
        let index = self.tcp_flow(id)?;
        self.let_go(index, false);
        Ok(())
    }

    /// Ends the connection with a reset.
    pub(crate) fn abort(&mut self, id: TcpId) -> Result<()> {
        let index = self.tcp_flow(id)?;
        self.let_go(index, true);
        Ok(())
    }

    pub(crate) fn tcp_info(&mut self, id: TcpId) -> Result<TcpInfo> {
        let now = self.now;
        let local = self.with_tcp(id, |tcp, _| Ok(tcp.key.local.1))?;
        let mtu = self
            .links
            .iter()
            .find(|(_, link)| link.has_addr(local))
            .map_or(65535, |(_, link)| link.caps.ip_mtu());
        self.with_tcp(id, |tcp, _| Ok(tcp.connection.info(now, mtu)))
    }

    pub(crate) fn tcp_state(&mut self, id: TcpId) -> Result<TcpState> {
        self.with_tcp(id, |tcp, _| {
            let connecting = tcp.phase == Phase::Opening && tcp.error.is_none();
            let socket = &tcp.connection;
            let may_write = tcp.error.is_none() && !connecting && socket.may_send();
            if may_write && !has_room(socket) {
                tcp.wants_room = true;
            }
            Ok(TcpState {
                connecting,
                can_read: socket.can_recv(),
                can_write: socket.can_send(),
                room: socket.send_room(),
                may_write,
                peer_done: tcp.ended || !connecting && tcp.error.is_none() && socket.state() == State::Closed,
                failed: tcp.error.is_some(),
                eof: !connecting && tcp.error.is_none() && !socket.may_recv(),
                closed: matches!(socket.state(), State::Closed | State::TimeWait),
                readable: socket.recv_queue(),
                unsent: socket.send_queue(),
            })
        })
    }

    /// Our end and the peer's.
    pub(crate) fn tcp_addrs(&mut self, id: TcpId) -> Result<(IpEndpoint, IpEndpoint)> {
        self.with_tcp(id, |tcp, _| {
            let end = |(port, addr)| IpEndpoint { addr, port };
            Ok((end(tcp.key.local), end(tcp.key.remote)))
        })
    }

    /// Changes what can be changed of a connection's options: all but the buffers.
    pub(crate) fn set_tcp_options(
        &mut self,
        id: TcpId,
        change: impl FnOnce(&mut TcpOptions),
    ) -> Result<TcpOptions> {
        let now = self.now;
        let options = self.with_tcp(id, |tcp, _| {
            let mut options = *tcp.connection.options();
            change(&mut options);
            tcp.connection.set_options(options, now);
            Ok(*tcp.connection.options())
        })?;
        self.touch(id.index());
        Ok(options)
    }

    fn poll_tcp<R>(
        &mut self,
        id: TcpId,
        cx: &mut Context<'_>,
        wait: Wait,
        f: impl FnOnce(&mut Tcp) -> Result<R>,
    ) -> Poll<Result<R>> {
        let result = self.with_tcp(id, |tcp, _| f(tcp));
        self.pend(id, cx, wait, result)
    }

    /// Turns "would block" into waiting.
    fn pend<R>(&mut self, id: TcpId, cx: &mut Context<'_>, wait: Wait, result: Result<R>) -> Poll<Result<R>> {
        if !matches!(result, Err(Error::WouldBlock)) {
            return Poll::Ready(result);
        }
        let _ = self.with_tcp(id, |tcp, _| {
            let slot = if wait == Wait::Read { &mut tcp.rx_waker } else { &mut tcp.tx_waker };
            remember(slot, cx.waker());
            Ok(())
        });
        Poll::Pending
    }
}

/// What stands in the way of reading. Data that came before a reset is read first.
fn readable(tcp: &Tcp, nothing_wanted: bool) -> Result<()> {
    match &tcp.error {
        _ if tcp.connection.can_recv() => Ok(()),
        Some(error) => Err(error.clone()),
        None if tcp.phase == Phase::Opening => Err(Error::WouldBlock),
        None if tcp.connection.may_recv() && !nothing_wanted => Err(Error::WouldBlock),
        None => Ok(()),
    }
}

fn writable(tcp: &Tcp) -> Result<()> {
    match &tcp.error {
        Some(error) => Err(error.clone()),
        None if tcp.phase == Phase::Opening => Err(Error::WouldBlock),
        None if !tcp.connection.may_send() => Err(Error::BrokenPipe),
        None => Ok(()),
    }
}
