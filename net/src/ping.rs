//! The asking side of ICMP echo. smoltcp answers the requests of others.

use alloc::vec;
use core::net::IpAddr;
use core::task::{Context, Poll, Waker};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp::{Endpoint, PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress};

use crate::core_::{Core, Flow, Kind, duration, remember};
use crate::error::{Error, Result};
use crate::slab::Id;

/// Names the kind of a ping's handle.
#[derive(Debug)]
pub enum PingKind {}
/// A ping under way.
pub type PingId = Id<PingKind>;

/// An answer to a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingReply {
    /// Who answered.
    pub from: IpAddr,
    /// How long it took.
    pub round_trip_ns: u64,
}

pub(crate) struct Ping {
    ident: u16,
    pub(crate) dst: IpAddress,
    payload_len: usize,
    sent_at: Instant,
    pub(crate) expires_at: Instant,
    outcome: Option<Result<PingReply>>,
    waker: Option<Waker>,
}

impl Core {
    /// Sends an echo request with `payload`.
    pub(crate) fn ping(&mut self, dst: IpAddress, payload: &[u8], timeout_ns: u64) -> Result<PingId> {
        if payload.len() > 1024 {
            return Err(Error::MessageTooLong(payload.len()));
        }
        let (link, source) = self.route(dst, None)?;
        let ident = (0..=u16::MAX).map(|_| self.rng.next_u16()).find(|ident| !self.pings.contains_key(ident));
        let ident = ident.ok_or(Error::AddrInUse)?;
        let room = |len| PacketBuffer::new(vec![PacketMetadata::EMPTY; 1], vec![0; len]);
        let mut socket = Socket::new(room(payload.len() + 8), room(payload.len() + 8));
        socket.bind(Endpoint::Ident(ident)).map_err(|_| Error::AddrInUse)?;
        let out = socket.send(payload.len() + 8, dst).map_err(|_| Error::AddrNotAvailable)?;
        match (dst, source) {
            (IpAddress::Ipv4(_), _) => Icmpv4Repr::EchoRequest { ident, seq_no: 1, data: payload }
                .emit(&mut Icmpv4Packet::new_unchecked(out), &ChecksumCapabilities::ignored()),
            (IpAddress::Ipv6(to), IpAddress::Ipv6(from)) => {
                let caps = ChecksumCapabilities::ignored();
                Icmpv6Repr::EchoRequest { ident, seq_no: 1, data: payload }.emit(
                    &from,
                    &to,
                    &mut Icmpv6Packet::new_unchecked(out),
                    &caps,
                );
            }
            _ => return Err(Error::NetworkUnreachable),
        }
        let ping = Ping {
            ident,
            dst,
            payload_len: payload.len(),
            sent_at: self.now,
            expires_at: self.now + duration(timeout_ns),
            outcome: None,
            waker: None,
        };
        let expires_at = ping.expires_at;
        let index = self.add_flow(link, socket, Kind::Ping(ping))?;
        self.pings.insert(ident, index);
        self.set_deadline(index, Some(expires_at));
        self.touch(index);
        Ok(self.flows.id(index))
    }

    /// Waits for the answer. The ping is over, and its handle stale, when this returns it.
    pub(crate) fn poll_ping(&mut self, id: PingId, cx: &mut Context<'_>) -> Poll<Result<PingReply>> {
        let Some(index) = self.flows.resolve(id) else { return Poll::Ready(Err(Error::BadHandle)) };
        let Some(Flow { kind: Kind::Ping(ping), .. }) = self.flows.get_mut(index) else {
            return Poll::Ready(Err(Error::BadHandle));
        };
        match ping.outcome.take() {
            Some(outcome) => {
                let ident = ping.ident;
                self.pings.remove(&ident);
                self.remove_flow(index);
                Poll::Ready(outcome)
            }
            None => {
                remember(&mut ping.waker, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Gives a ping up.
    pub(crate) fn cancel_ping(&mut self, id: PingId) {
        if let Some(index) = self.flows.resolve(id)
            && let Some(Flow { kind: Kind::Ping(ping), .. }) = self.flows.get(index)
        {
            let ident = ping.ident;
            self.pings.remove(&ident);
            self.remove_flow(index);
        }
    }

    pub(crate) fn settle_ping(&mut self, index: u32) {
        let now = self.now;
        let Some(Flow { kind: Kind::Ping(ping), set, handle, .. }) = self.flows.get_mut(index) else {
            return;
        };
        let socket = set.get_mut::<Socket<'_>>(*handle);
        while let Ok((data, from)) = socket.recv() {
            // An echo reply of the length that was sent, from where it was sent to (or anybody, for multicast).
            let fits = data.len() == ping.payload_len + 8 && matches!(data.first(), Some(0 | 129));
            if fits && (from == ping.dst || !ping.dst.is_unicast()) && ping.outcome.is_none() {
                let round_trip_ns = (now - ping.sent_at).total_micros() * 1000;
                ping.outcome = Some(Ok(PingReply { from: from.into(), round_trip_ns }));
            }
        }
        if ping.outcome.is_some()
            && let Some(waker) = ping.waker.take()
        {
            waker.wake();
        }
    }

    /// The interface of a ping is about to be removed.
    pub(crate) fn end_ping(&mut self, index: u32) {
        if let Some(Flow { kind: Kind::Ping(ping), .. }) = self.flows.get_mut(index) {
            ping.outcome.get_or_insert(Err(Error::NetworkUnreachable));
            if let Some(waker) = ping.waker.take() {
                waker.wake();
            }
            self.strand(index);
        }
    }

    pub(crate) fn expire_ping(&mut self, index: u32) -> bool {
        let now = self.now;
        let Some(Flow { kind: Kind::Ping(ping), .. }) = self.flows.get_mut(index) else { return true };
        if ping.expires_at > now {
            return false;
        }
        ping.expires_at = Instant::from_micros(i64::MAX);
        ping.outcome.get_or_insert(Err(Error::TimedOut));
        if let Some(waker) = ping.waker.take() {
            waker.wake();
        }
        true
    }
}
