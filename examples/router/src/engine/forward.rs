//! The way of a packet through the router: connection, route, filter, translation, neighbour.

use super::address::{Addr, Version};
use super::answers::{Trouble, is_sound};
use super::bytes::Sum;
use super::counters::Reason;
use super::flows::{FlowId, Refused, mixed};
use super::packet::{ETHERNET, Kind, Packet, Part, Tuple, tcp};
use super::rewrite;
use super::router::{Frame, Out, Router};
use super::rules::{Action, Route};

/// Ports that are tried for a connection that can not keep its own.
const PORT_TRIES: u64 = 128;
const FIRST_PORT: u16 = 1024;
/// A packet waits so long for the next machine on its way.
const WAIT: u64 = 3_000_000_000;

/// What is known of a packet when it comes to its route.
enum Belongs {
    /// To a connection, whose packet this is.
    Known,
    /// To none yet.
    New,
    /// To one, as an error about this packet of it, which is to be seen as the tuple says.
    Related { inner: Packet, seen: Tuple },
}

impl Router {
    /// An IP packet that has come in.
    pub(super) fn packet<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        if packet.version == Version::V6 && matches!(packet.kind, Kind::Icmp(133..=137)) {
            return self.discovery(frame, packet, now, out);
        }
        let Tuple { src, dst, .. } = packet.tuple;
        if dst.is_multicast() || frame.bytes.first().is_some_and(|byte| byte & 1 != 0) {
            return Err(Reason::Multicast);
        }
        if self.links.get(frame.input).is_some_and(|link| dst == Addr::link_local(link.mac)) {
            return self.local(frame, packet, now, out);
        }
        if !src.is_routable() || !dst.is_routable() || self.rules.is_own(src) {
            return Err(Reason::Martian);
        }
        if let Part::Later(_) = packet.part {
            let outgoing = self.fragments.find(packet, now).ok_or(Reason::NoFirstPart)?;
            return self.dispatch(frame, packet, outgoing, Belongs::Known, now, out).map(drop);
        }
        if let Kind::Error { about } = packet.kind {
            return self.related(frame, packet, about, now, out);
        }
        if let Some((id, direction)) = self.flows.find(&packet.tuple, now) {
            let outgoing = self.flows.outgoing(id, direction).ok_or(Reason::NoConnection)?;
            self.dispatch(frame, packet, outgoing, Belongs::Known, now, out)?;
            let flags = if let Kind::Tcp { flags, .. } = packet.kind { flags } else { 0 };
            self.flows.advance(id, direction, flags, now);
            return Ok(());
        }
        let mut outgoing = packet.tuple;
        if self.rules.is_own(dst) {
            match self.forwarded(frame.input, &packet.tuple) {
                Some((to, port)) => (outgoing.dst, outgoing.dst_port) = (to, port),
                None => return self.local(frame, packet, now, out),
            }
        }
        if !can_begin(packet.kind) {
            return Err(Reason::NoConnection);
        }
        self.dispatch(frame, packet, outgoing, Belongs::New, now, out)
    }

    /// Where a connection to the router is to go on to.
    fn forwarded(&self, input: usize, tuple: &Tuple) -> Option<(Addr, u16)> {
        let own = &self.rules.interfaces.get(input)?.addresses;
        let here = own.iter().any(|prefix| prefix.address() == tuple.dst);
        let rule = self.rules.forwards.iter().find(|rule| {
            rule.input == input
                && rule.protocol == tuple.protocol
                && rule.port == tuple.dst_port
                && rule.to.version() == tuple.dst.version()
        });
        rule.filter(|_| here).map(|rule| (rule.to, rule.to_port))
    }

    /// An ICMP error, which goes to who sent the packet that it is about.
    fn related<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        about: usize,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        let segment = frame.bytes.get(packet.transport..packet.end).unwrap_or_default();
        let sound = match packet.version {
            Version::V4 => Sum::default().with(segment).checksum() == 0,
            Version::V6 => is_sound(frame.bytes, packet),
        };
        let inner =
            frame.bytes.get(..packet.end).and_then(|bytes| Packet::quoted(bytes, about, packet.version));
        let inner = inner.filter(|_| sound && packet.part == Part::Whole).ok_or(Reason::Malformed)?;
        let incoming = inner.tuple.reversed();
        let Some((id, direction)) = self.flows.find(&incoming, now) else {
            return Err(if self.rules.is_own(packet.tuple.dst) {
                Reason::Local
            } else {
                Reason::NoConnection
            });
        };
        let translated = self.flows.outgoing(id, direction).ok_or(Reason::NoConnection)?;
        let src = if translated.src == incoming.src { packet.tuple.src } else { translated.src };
        let outgoing = Tuple { src, dst: translated.dst, ..packet.tuple };
        let related = Belongs::Related { inner, seen: translated.reversed() };
        self.dispatch(frame, packet, outgoing, related, now, out)
    }

    /// Sends a packet on its way, where it may go.
    fn dispatch<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        mut outgoing: Tuple,
        belongs: Belongs,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        let Some(route) = self.rules.route(outgoing.dst).copied() else {
            self.report(frame, packet, Trouble::NoRoute, now, out);
            return Err(Reason::NoRoute);
        };
        if self.rules.is_own(outgoing.dst) {
            return Err(Reason::Local);
        }
        if route.via.is_none() && route.to.is_broadcast(outgoing.dst) {
            return Err(Reason::Multicast);
        }
        if packet.ttl <= 1 {
            self.report(frame, packet, Trouble::TtlExceeded, now, out);
            return Err(Reason::TtlExceeded);
        }
        self.fits(frame, packet, &route, now, out)?;
        if let Belongs::New = belongs {
            self.begin(frame, packet, &mut outgoing, &route, now, out)?;
        }
        self.fragments.remember(packet, &outgoing, now);
        let next_hop = route.via.unwrap_or(outgoing.dst);
        let known = self.neighbours.find(route.output, next_hop, now);
        if known.ask {
            self.ask(route.output, next_hop, known.mac, out);
        }
        let Some(mac) = known.mac else {
            if known.failed {
                self.report(frame, packet, Trouble::NoHost, now, out);
                return Err(Reason::Unreachable);
            }
            let waits = frame.segment_len.is_none()
                && self.waiting.push(frame.bytes, frame.input, (route.output, next_hop), now);
            return if waits { Ok(()) } else { Err(Reason::NoNeighbour) };
        };
        let src = self.links.get(route.output).map_or([0; 6], |link| link.mac);
        let bytes = frame.bytes.get(..packet.end).ok_or(Reason::Malformed)?;
        self.transmit(route.output, packet.end, frame.segment_len, out, |buffer| {
            if let Some(place) = buffer.get_mut(..bytes.len()) {
                place.copy_from_slice(bytes);
            }
            rewrite::forward(buffer, packet, &outgoing, src, mac);
            if let Belongs::Related { inner, seen } = &belongs
                && *seen != inner.tuple
            {
                rewrite::quoted(buffer, packet, inner, seen);
            }
        })?;
        self.counters.forwarded.count(packet.end);
        Ok(())
    }

    /// Whether the next link takes packets as long as this, or as the pieces of this.
    fn fits<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        route: &Route,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        let link = self.links.get(route.output).copied().filter(|link| link.mtu > 0).ok_or(Reason::NoRoom)?;
        let len = match (frame.segment_len, packet.kind) {
            (Some(size), Kind::Tcp { header, .. }) => {
                let whole = packet.end - packet.start;
                whole.min(packet.transport - packet.start + header + usize::from(size))
            }
            _ => packet.end - packet.start,
        };
        if len > link.mtu {
            self.report(frame, packet, Trouble::TooBig(link.mtu), now, out);
            return Err(Reason::TooBig);
        }
        let whole = packet.end <= link.mtu + ETHERNET;
        let divided = frame.segment_len.is_some() && link.divides(packet.version) && packet.end <= 0xffff;
        if whole || divided { Ok(()) } else { Err(Reason::TooBig) }
    }

    /// Asks the filter about a new connection, and puts it into the table.
    fn begin<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        outgoing: &mut Tuple,
        route: &Route,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        let (action, rule) = self.rules.decide(frame.input, route.output, outgoing);
        if let Some(rule) = rule.and_then(|place| self.rules.filter.get_mut(place)) {
            rule.hits += 1;
        }
        if action != Action::Accept {
            if action == Action::Reject {
                self.report(frame, packet, Trouble::Rejected, now, out);
            }
            return Err(Reason::Filtered);
        }
        self.masquerade(outgoing, route, now)?;
        let inserted: Result<FlowId, _> = self.flows.insert(packet.tuple, outgoing.reversed(), now);
        inserted.map_err(|refused| match refused {
            Refused::Full => Reason::TableFull,
            Refused::Taken => Reason::NoPort,
        })?;
        self.counters.connections += 1;
        Ok(())
    }

    /// Gives a new connection the sender that its answers are to come to.
    fn masquerade(&mut self, outgoing: &mut Tuple, route: &Route, now: u64) -> Result<(), Reason> {
        let rule = self.rules.masquerades.iter().find(|rule| {
            let from =
                rule.from.map_or(outgoing.src.version() == Version::V4, |from| from.contains(outgoing.src));
            rule.output == route.output && from
        });
        if rule.is_none() {
            return Ok(());
        }
        let towards = route.via.unwrap_or(outgoing.dst);
        let interface = self.rules.interfaces.get(route.output).ok_or(Reason::NoRoute)?;
        outgoing.src = interface.address_towards(towards).ok_or(Reason::NoPort)?;
        let is_free = |tuple: &Tuple| self.flows.find(&tuple.reversed(), now).is_none();
        if is_free(outgoing) {
            return Ok(());
        }
        if outgoing.src_port == 0 && outgoing.dst_port == 0 {
            return Err(Reason::NoPort);
        }
        self.random = mixed(self.random, now);
        let ports = u64::from(u16::MAX - FIRST_PORT) + 1;
        let found = (0..PORT_TRIES).find_map(|number| {
            let offset = (self.random % ports + number) % ports;
            let tuple = Tuple { src_port: FIRST_PORT + offset as u16, ..*outgoing };
            is_free(&tuple).then_some(tuple)
        });
        *outgoing = found.ok_or(Reason::NoPort)?;
        Ok(())
    }

    /// Sends what has waited for a machine that has answered, and gives up what has waited for too long.
    pub(super) fn serve_waiting<O: Out>(&mut self, now: u64, out: &mut O) {
        for place in 0..self.waiting.places() {
            let Some(((output, address), since)) = self.waiting.wanted(place) else { continue };
            let known = self.neighbours.find(output, address, now);
            if known.ask {
                self.ask(output, address, known.mac, out);
            }
            let late = known.failed || now.saturating_sub(since) > WAIT;
            if known.mac.is_none() && !late {
                continue;
            }
            let Some((bytes, input)) = self.waiting.take(place) else { continue };
            let frame = Frame { bytes: &bytes, input, segment_len: None };
            if known.mac.is_some() {
                self.handle_counted(&frame, now, out);
            } else {
                if let Some(packet) = Packet::of_frame(&bytes) {
                    self.report(&frame, &packet, Trouble::NoHost, now, out);
                }
                self.counters.drop(Reason::Unreachable);
            }
            self.waiting.give_back(place, bytes);
        }
    }
}

fn can_begin(kind: Kind) -> bool {
    match kind {
        Kind::Tcp { flags, .. } => flags & (tcp::SYN | tcp::ACK | tcp::RST | tcp::FIN) == tcp::SYN,
        Kind::Udp | Kind::Other => true,
        Kind::Echo { request } => request,
        Kind::Error { .. } | Kind::Icmp(_) => false,
    }
}
