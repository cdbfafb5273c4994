//! UDP.

use core::net::SocketAddr;

use minios::sync::SpinLock;
use net::UdpId;

use super::address::first;
use super::{Result, ToSocketAddrs, UdpOptions, wait_for, with};
use crate::time::Duration;

/// A UDP socket; closed on drop.
pub struct UdpSocket {
    id: UdpId,
    read_timeout: SpinLock<Option<Duration>>,
}

impl UdpSocket {
    /// Binds to an address; port 0 picks a free one.
    pub fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        Self::bind_with(address, UdpOptions::default())
    }

    /// Binds with options.
    pub fn bind_with(address: impl ToSocketAddrs, options: UdpOptions) -> Result<Self> {
        let address = first(address)?;
        let id = with(|stack| stack.udp_bind(address, options))??;
        Ok(Self { id, read_timeout: SpinLock::new(None) })
    }

    /// From now on only datagrams of this peer are received, and [`UdpSocket::send`] goes there.
    pub fn connect(&self, peer: impl ToSocketAddrs) -> Result<()> {
        let peer = first(peer)?;
        with(|stack| stack.udp_connect(self.id, Some(peer)))?
    }

    /// Sends a datagram.
    pub fn send_to(&self, bytes: &[u8], to: impl ToSocketAddrs) -> Result<()> {
        let to = first(to)?;
        wait_for(None, |stack, cx| stack.udp_poll_send(self.id, cx, bytes, Some(to)))
    }

    /// Sends a datagram to the connected peer.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        wait_for(None, |stack, cx| stack.udp_poll_send(self.id, cx, bytes, None))
    }

    /// Waits for a datagram; what does not fit is lost. Returns its length and sender.
    pub fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        let timeout = *self.read_timeout.lock();
        wait_for(timeout, |stack, cx| stack.udp_poll_recv(self.id, cx, buffer))
    }

    /// How long receiving may wait; `None` for ever.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        *self.read_timeout.lock() = timeout;
    }

    /// Its address.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        with(|stack| stack.udp_local_addr(self.id))?
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let _ = with(|stack| stack.udp_close(self.id));
    }
}
