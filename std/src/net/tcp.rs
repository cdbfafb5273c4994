//! TCP.

use core::net::SocketAddr;

use minios::sync::SpinLock;
use net::{ListenerId, TcpId};

use super::address::first;
use super::{Error, Result, TcpOptions, TcpState, ToSocketAddrs, wait_for, with};
use crate::io;
use crate::time::Duration;

/// Connections that may wait to be accepted, when nothing else is said.
const DEFAULT_BACKLOG: usize = 128;

/// A socket that accepts connections; closed on drop.
pub struct TcpListener {
    id: ListenerId,
}

impl TcpListener {
    /// Listens on an address; on a port of every address with just a port.
    pub fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        Self::bind_with(address, DEFAULT_BACKLOG, TcpOptions::default())
    }

    /// Listens with a backlog and with options that accepted connections begin with.
    pub fn bind_with(address: impl ToSocketAddrs, backlog: usize, options: TcpOptions) -> Result<Self> {
        let address = first(address)?;
        Ok(Self { id: with(|stack| stack.tcp_listen(address, backlog, options))?? })
    }

    /// Waits for a connection.
    pub fn accept(&self) -> Result<(TcpStream, SocketAddr)> {
        self.accept_timeout(None)
    }

    /// Waits for a connection for so long.
    pub fn accept_timeout(&self, timeout: Option<Duration>) -> Result<(TcpStream, SocketAddr)> {
        let (id, peer) = wait_for(timeout, |stack, cx| stack.tcp_poll_accept(self.id, cx))?;
        Ok((TcpStream::new(id), peer))
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        with(|stack| stack.tcp_listener_addr(self.id))?
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let _ = with(|stack| stack.tcp_close_listener(self.id));
    }
}

#[derive(Clone, Copy, Default)]
struct Timeouts {
    read: Option<Duration>,
    write: Option<Duration>,
}

/// A connection. On drop it is closed in good order, in the background.
pub struct TcpStream {
    id: TcpId,
    timeouts: SpinLock<Timeouts>,
}

impl TcpStream {
    fn new(id: TcpId) -> Self {
        Self { id, timeouts: SpinLock::new(Timeouts::default()) }
    }

    /// Connects, trying each of the addresses.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self> {
        Self::connect_with(address, TcpOptions::default())
    }

    /// Connects with options.
    pub fn connect_with(address: impl ToSocketAddrs, options: TcpOptions) -> Result<Self> {
        let mut last = Error::AddrNotAvailable;
        for address in address.to_socket_addrs()? {
            let attempt = with(|stack| stack.tcp_connect(address, options))?.and_then(|id| {
                let stream = Self::new(id);
                wait_for(None, |stack, cx| stack.tcp_poll_connect(id, cx)).map(|()| stream)
            });
            match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Reads some bytes; 0 is the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let timeout = self.timeouts.lock().read;
        wait_for(timeout, |stack, cx| stack.tcp_poll_read(self.id, cx, buffer))
    }

    /// Looks at bytes without taking them.
    pub fn peek(&self, buffer: &mut [u8]) -> Result<usize> {
        let timeout = self.timeouts.lock().read;
        wait_for(timeout, |stack, cx| stack.tcp_poll_peek(self.id, cx, buffer))
    }

    /// Writes some bytes; returns how many.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        let timeout = self.timeouts.lock().write;
        wait_for(timeout, |stack, cx| stack.tcp_poll_write(self.id, cx, bytes))
    }

    /// Writes all of the bytes.
    pub fn write_all(&self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.write(rest)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Waits until the peer has acknowledged everything.
    pub fn flush(&self) -> Result<()> {
        let timeout = self.timeouts.lock().write;
        wait_for(timeout, |stack, cx| stack.tcp_poll_flush(self.id, cx))
    }

    /// Tells the peer that nothing more comes; reading goes on.
    pub fn shutdown_write(&self) -> Result<()> {
        with(|stack| stack.tcp_shutdown_write(self.id))?
    }

    /// Ends it at once with a reset.
    pub fn abort(&self) {
        let _ = with(|stack| stack.tcp_abort(self.id));
    }

    /// How long a read may wait; `None` for ever.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.timeouts.lock().read = timeout;
    }

    /// How long a write may wait; `None` for ever.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.timeouts.lock().write = timeout;
    }

    /// Changes options of the connection.
    pub fn set_options(&self, change: impl FnOnce(&mut TcpOptions)) -> Result<TcpOptions> {
        with(|stack| stack.tcp_set_options(self.id, change))?
    }

    /// The other end.
    pub fn peer_addr(&self) -> Result<SocketAddr> {
        with(|stack| stack.tcp_peer_addr(self.id))?
    }

    /// This end.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        with(|stack| stack.tcp_local_addr(self.id))?
    }

    /// Whether there is something to read or room to write.
    pub fn state(&self) -> Result<TcpState> {
        with(|stack| stack.tcp_state(self.id))?
    }
}

impl io::Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(TcpStream::read(self, buffer)?)
    }
}

impl io::Write for &TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(TcpStream::write(self, bytes)?)
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let _ = with(|stack| stack.tcp_close(self.id));
    }
}
