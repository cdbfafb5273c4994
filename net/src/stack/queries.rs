//! Names and pings, as their users see them.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::{Context, Poll};
use smoltcp::phy::Device;

use super::Stack;
use crate::dns::NameQuery;
use crate::error::Result;
use crate::ping::{PingId, PingReply};

impl<D: Device> Stack<D> {
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
