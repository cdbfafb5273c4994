//! The way to the network stack of the guest, whatever its devices are.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use linux_base::Errno;
use net::smoltcp::phy::Device;
use net::{
    Datagram, Error, IfIndex, IfStatus, ListenerId, Local, Observer, Result, Stack, TcpId, TcpInfo,
    TcpOptions, TcpState, UdpId, UdpOptions, UdpState,
};

/// The MTU that Linux says loopback has.
const LOOPBACK_MTU: usize = 65536;

/// Who owns the stack and polls it: the kernel, or a test.
pub trait NetHost: Send + Sync {
    /// Does something with the stack: runs `f`, always and once. If that leaves something to send to this
    /// machine, it arrives at once ([`Stack::poll_loopback`]); other things are polled soon ([`Stack::needs_poll`]).
    fn with(&self, f: &mut dyn FnMut(&mut dyn Net));

    /// Sees to it that there is a stack, for what may be the first to want it: `ENOMEM` if there can be none.
    fn ready(&self) -> linux_base::Result<()> {
        Ok(())
    }

    /// Process, user and group of who makes the call that runs, for `write` on a socket that tells its peer; `None`: as who
    /// made the socket.
    fn sender(&self) -> Option<(u32, u32, u32)> {
        None
    }

    /// Buffers and timers of a TCP connection, where the program does not say.
    fn tcp_options(&self) -> TcpOptions {
        TcpOptions::default()
    }
}

impl dyn NetHost + '_ {
    /// As [`NetHost::with`], with a result.
    pub(crate) fn call<R>(&self, f: impl FnOnce(&mut dyn Net) -> R) -> R {
        let (mut f, mut result) = (Some(f), None);
        self.with(&mut |net| {
            if let Some(f) = f.take() {
                result = Some(f(net));
            }
        });
        result.expect("the host runs what it is given")
    }
}

/// What sockets need of a [`Stack`], by any device; see there.
#[expect(missing_docs, reason = "each is the method of `Stack` with nearly that name")]
pub trait Net {
    fn interfaces(&mut self) -> Vec<IfStatus>;
    fn is_local(&self, addr: IpAddr) -> bool;
    fn local_addr_for(&mut self, to: IpAddr) -> Result<IpAddr>;
    fn multicast(&mut self, interface: IfIndex, group: IpAddr, join: bool) -> Result<()>;

    fn listen(
        &mut self,
        local: Local,
        backlog: usize,
        options: TcpOptions,
        told: Arc<dyn Observer>,
    ) -> Result<ListenerId>;
    fn set_backlog(&mut self, id: ListenerId, backlog: usize) -> Result<()>;
    fn callers(&self, id: ListenerId) -> Result<usize>;
    fn accept(
        &mut self,
        id: ListenerId,
        told: &dyn Fn() -> Arc<dyn Observer>,
    ) -> Result<(TcpId, SocketAddr, SocketAddr)>;
    fn close_listener(&mut self, id: ListenerId) -> Result<()>;

    fn connect(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        options: TcpOptions,
        told: Arc<dyn Observer>,
    ) -> Result<(TcpId, SocketAddr)>;
    fn tcp_read(&mut self, id: TcpId, f: &mut dyn FnMut(&[u8]) -> usize) -> Result<usize>;
    fn tcp_write(&mut self, id: TcpId, f: &mut dyn FnMut(&mut [u8]) -> usize) -> Result<usize>;
    fn tcp_peek(&mut self, id: TcpId, buf: &mut [u8]) -> Result<usize>;
    fn tcp_state(&mut self, id: TcpId) -> Result<TcpState>;
    fn tcp_info(&mut self, id: TcpId) -> Result<TcpInfo>;
    fn tcp_error(&mut self, id: TcpId) -> Result<Option<Error>>;
    fn tcp_set_corked(&mut self, id: TcpId, corked: bool) -> Result<()>;
    fn tcp_set_options(&mut self, id: TcpId, change: &mut dyn FnMut(&mut TcpOptions)) -> Result<TcpOptions>;
    fn tcp_shutdown_write(&mut self, id: TcpId) -> Result<()>;
    fn tcp_refuse(&mut self, id: TcpId) -> Result<()>;
    fn tcp_close(&mut self, id: TcpId) -> Result<()>;
    fn tcp_abort(&mut self, id: TcpId) -> Result<()>;

    fn udp_bind(&mut self, local: Local, options: UdpOptions, told: Arc<dyn Observer>) -> Result<UdpId>;
    fn udp_connect(&mut self, id: UdpId, peer: Option<SocketAddr>) -> Result<()>;
    fn udp_send(
        &mut self,
        id: UdpId,
        data: &[u8],
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
        hops: Option<u8>,
    ) -> Result<()>;
    fn udp_recv(&mut self, id: UdpId, peek: bool, f: &mut dyn FnMut(Datagram<'_>)) -> Result<()>;
    fn udp_state(&mut self, id: UdpId) -> Result<UdpState>;
    fn udp_take_error(&mut self, id: UdpId) -> Result<Option<Error>>;
    fn udp_close(&mut self, id: UdpId) -> Result<()>;
}

impl<D: Device> Net for Stack<D> {
    fn interfaces(&mut self) -> Vec<IfStatus> {
        let mut all = Stack::interfaces(self);
        // The names and the size that Linux has for them.
        for interface in &mut all {
            match interface.index.get() {
                0 => interface.mtu = LOOPBACK_MTU,
                number => interface.name = alloc::format!("eth{}", number - 1),
            }
        }
        all
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        Stack::is_local(self, addr)
    }

    fn local_addr_for(&mut self, to: IpAddr) -> Result<IpAddr> {
        Stack::local_addr_for(self, to)
    }

    fn multicast(&mut self, interface: IfIndex, group: IpAddr, join: bool) -> Result<()> {
        if join { self.join_multicast(interface, group) } else { self.leave_multicast(interface, group) }
    }

    fn listen(
        &mut self,
        local: Local,
        backlog: usize,
        options: TcpOptions,
        told: Arc<dyn Observer>,
    ) -> Result<ListenerId> {
        let id = self.tcp_listen_at(local, backlog, options)?;
        self.tcp_observe_listener(id, told)?;
        Ok(id)
    }

    fn set_backlog(&mut self, id: ListenerId, backlog: usize) -> Result<()> {
        self.tcp_set_backlog(id, backlog)
    }

    fn callers(&self, id: ListenerId) -> Result<usize> {
        self.tcp_callers(id)
    }

    fn accept(
        &mut self,
        id: ListenerId,
        told: &dyn Fn() -> Arc<dyn Observer>,
    ) -> Result<(TcpId, SocketAddr, SocketAddr)> {
        let (id, peer) = self.tcp_try_accept(id)?;
        self.tcp_observe(id, told())?;
        Ok((id, self.tcp_local_addr(id)?, peer))
    }

    fn close_listener(&mut self, id: ListenerId) -> Result<()> {
        self.tcp_close_listener(id)
    }

    fn connect(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        options: TcpOptions,
        told: Arc<dyn Observer>,
    ) -> Result<(TcpId, SocketAddr)> {
        let id = self.tcp_connect_from(from, to, options)?;
        self.tcp_observe(id, told)?;
        Ok((id, self.tcp_local_addr(id)?))
    }

    fn tcp_read(&mut self, id: TcpId, f: &mut dyn FnMut(&[u8]) -> usize) -> Result<usize> {
        self.tcp_read_with(id, f)
    }

    fn tcp_write(&mut self, id: TcpId, f: &mut dyn FnMut(&mut [u8]) -> usize) -> Result<usize> {
        self.tcp_write_with(id, f)
    }

    fn tcp_peek(&mut self, id: TcpId, buf: &mut [u8]) -> Result<usize> {
        Stack::tcp_peek(self, id, buf)
    }

    fn tcp_state(&mut self, id: TcpId) -> Result<TcpState> {
        Stack::tcp_state(self, id)
    }

    fn tcp_info(&mut self, id: TcpId) -> Result<TcpInfo> {
        Stack::tcp_info(self, id)
    }

    fn tcp_error(&mut self, id: TcpId) -> Result<Option<Error>> {
        Stack::tcp_error(self, id)
    }

    fn tcp_set_corked(&mut self, id: TcpId, corked: bool) -> Result<()> {
        Stack::tcp_set_corked(self, id, corked)
    }

    fn tcp_set_options(&mut self, id: TcpId, change: &mut dyn FnMut(&mut TcpOptions)) -> Result<TcpOptions> {
        Stack::tcp_set_options(self, id, change)
    }

    fn tcp_shutdown_write(&mut self, id: TcpId) -> Result<()> {
        Stack::tcp_shutdown_write(self, id)
    }

    fn tcp_refuse(&mut self, id: TcpId) -> Result<()> {
        Stack::tcp_refuse(self, id)
    }

    fn tcp_close(&mut self, id: TcpId) -> Result<()> {
        Stack::tcp_close(self, id)
    }

    fn tcp_abort(&mut self, id: TcpId) -> Result<()> {
        Stack::tcp_abort(self, id)
    }

    fn udp_bind(&mut self, local: Local, options: UdpOptions, told: Arc<dyn Observer>) -> Result<UdpId> {
        let id = self.udp_bind_at(local, options)?;
        self.udp_observe(id, told)?;
        Ok(id)
    }

    fn udp_connect(&mut self, id: UdpId, peer: Option<SocketAddr>) -> Result<()> {
        Stack::udp_connect(self, id, peer)
    }

    fn udp_send(
        &mut self,
        id: UdpId,
        data: &[u8],
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
        hops: Option<u8>,
    ) -> Result<()> {
        self.udp_send_from(id, data, to, from, hops)
    }

    fn udp_recv(&mut self, id: UdpId, peek: bool, f: &mut dyn FnMut(Datagram<'_>)) -> Result<()> {
        self.udp_recv_with(id, peek, f)
    }

    fn udp_state(&mut self, id: UdpId) -> Result<UdpState> {
        Stack::udp_state(self, id)
    }

    fn udp_take_error(&mut self, id: UdpId) -> Result<Option<Error>> {
        Stack::udp_take_error(self, id)
    }

    fn udp_close(&mut self, id: UdpId) -> Result<()> {
        Stack::udp_close(self, id)
    }
}

/// The error number for an error of the stack.
pub(crate) fn errno(error: &Error) -> Errno {
    match error {
        Error::WouldBlock => Errno::EAGAIN,
        Error::ConnectionRefused => Errno::ECONNREFUSED,
        Error::ConnectionReset => Errno::ECONNRESET,
        Error::ConnectionAborted => Errno::ECONNABORTED,
        Error::TimedOut => Errno::ETIMEDOUT,
        Error::AddrInUse => Errno::EADDRINUSE,
        Error::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        Error::NetworkUnreachable => Errno::ENETUNREACH,
        Error::HostUnreachable => Errno::EHOSTUNREACH,
        Error::BadHandle | Error::NotConnected => Errno::ENOTCONN,
        Error::BrokenPipe => Errno::EPIPE,
        Error::MessageTooLong(_) => Errno::EMSGSIZE,
        Error::OutOfMemory => Errno::ENOMEM,
        Error::NoSuchInterface(_) => Errno::ENODEV,
        _ => Errno::EINVAL,
    }
}
