//! The path: packets are lost, late, doubled and broken by a seed; and the two kinds of hosts at its ends.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    HardwareAddress, IpAddress, IpCidr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpPacket, TcpRepr,
};
use std::collections::VecDeque;
use std::vec::Vec;

use super::super::{Connection, Pool, Route, Seq, State};
use crate::config::TcpOptions;
use crate::rng::Rng;

pub(super) const PORTS: [u16; 2] = [1000, 80];

pub(super) fn address(end: usize) -> Ipv4Address {
    Ipv4Address::new(10, 0, 0, 1 + end as u8)
}

/// What runs at an end of the path.
pub(super) trait Host {
    fn take(&mut self, packet: &[u8], now: Instant);
    fn give(&mut self, now: Instant) -> Option<Vec<u8>>;
    fn wakes_at(&mut self, now: Instant) -> Option<Instant>;
    fn write(&mut self, data: &[u8], now: Instant) -> usize;
    fn read(&mut self, out: &mut [u8], now: Instant) -> usize;
    fn close(&mut self);
    fn is_over(&mut self) -> bool;
}

/// A host with one of our connections.
pub(super) struct Ours {
    pub(super) end: usize,
    pub(super) connection: Option<Connection>,
    pub(super) pool: Pool,
    pub(super) options: TcpOptions,
    pub(super) route: Route,
    ready: VecDeque<Vec<u8>>,
    /// Segments and bytes of data sent.
    pub(super) sent: (usize, usize),
}

impl Ours {
    pub(super) fn new(end: usize, options: TcpOptions, mtu: usize) -> Self {
        let route = Route { mtu, offload: None, tight: false };
        let pool = Pool::new(usize::MAX);
        Self { end, connection: None, pool, options, route, ready: VecDeque::new(), sent: (0, 0) }
    }

    pub(super) fn call(&mut self, iss: u32, now: Instant) {
        self.connection = Some(Connection::call(Seq(iss), 77, false, &self.options, now));
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("there is a connection")
    }

    pub(super) fn state(&self) -> Option<State> {
        self.connection.as_ref().map(Connection::state)
    }
}

pub(super) fn packet(end: usize, tcp: &TcpRepr<'_>) -> Vec<u8> {
    let caps = ChecksumCapabilities::default();
    let (src, dst) = (address(end), address(1 - end));
    let ip = Ipv4Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: IpProtocol::Tcp,
        payload_len: tcp.buffer_len(),
        hop_limit: 64,
    };
    let mut bytes = std::vec![0; 20 + tcp.buffer_len()];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &caps);
    tcp.emit(&mut TcpPacket::new_unchecked(&mut bytes[20..]), &src.into(), &dst.into(), &caps);
    bytes
}

/// Lets `f` see a packet's segment, if it is in order.
pub(super) fn parse<R>(bytes: &[u8], f: impl FnOnce(&TcpRepr<'_>) -> R) -> Option<R> {
    let ip = Ipv4Packet::new_checked(bytes).ok()?;
    if !ip.verify_checksum() {
        return None;
    }
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let caps = ChecksumCapabilities::default();
    let repr = TcpRepr::parse(&tcp, &ip.src_addr().into(), &ip.dst_addr().into(), &caps).ok()?;
    Some(f(&repr))
}

impl Host for Ours {
    fn take(&mut self, bytes: &[u8], now: Instant) {
        let Self { connection, pool, options, .. } = self;
        parse(bytes, |segment| match connection {
            Some(connection) => connection.receive(segment, now, pool),
            None => {
                *connection = Some(Connection::answer(segment, Seq(4_294_960_000), 5, false, options, now))
            }
        });
    }

    fn give(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(packet) = self.ready.pop_front() {
            return Some(packet);
        }
        let connection = self.connection.as_mut()?;
        let segment = connection.next_segment(now, &self.route)?;
        let mut data = std::vec![0; segment.len];
        connection.payload(&segment, &mut data);
        connection.sent(&segment, now);
        let repr = segment.repr(PORTS[self.end], PORTS[1 - self.end]);
        self.sent.0 += 1;
        self.sent.1 += data.len();
        if segment.divide.is_none() {
            assert!(
                repr.header_len() + data.len() + 20 <= self.route.mtu,
                "{repr:?} and {} bytes",
                data.len()
            );
        }
        // As a device divides what is too long.
        let piece = segment.divide.map_or(data.len().max(1), usize::from);
        let count = data.len().div_ceil(piece).max(1);
        for n in 0..count {
            let (from, to) = (n * piece, data.len().min((n + 1) * piece));
            let mut tcp = TcpRepr { payload: &data[from..to], ..repr };
            tcp.seq_number += from;
            if n + 1 < count {
                tcp.control = smoltcp::wire::TcpControl::None;
            }
            assert!(tcp.buffer_len() + 20 <= self.route.mtu);
            self.ready.push_back(packet(self.end, &tcp));
        }
        self.ready.pop_front()
    }

    fn wakes_at(&mut self, _now: Instant) -> Option<Instant> {
        self.connection.as_ref()?.poll_at()
    }

    fn write(&mut self, data: &[u8], now: Instant) -> usize {
        let Self { connection, pool, .. } = self;
        match connection {
            Some(connection) if connection.may_send() => connection.send_slice(data, now, pool),
            _ => 0,
        }
    }

    fn read(&mut self, out: &mut [u8], now: Instant) -> usize {
        let Some(connection) = &mut self.connection else { return 0 };
        let len = connection.recv_slice(now, &mut self.pool, out);
        connection.opens_window();
        len
    }

    fn close(&mut self) {
        self.connection().close();
    }

    fn is_over(&mut self) -> bool {
        matches!(self.state(), Some(State::Closed | State::TimeWait))
    }
}

/// A host with a socket of smoltcp: what our own is compared with.
pub(super) struct Other {
    device: Queues,
    interface: Interface,
    set: SocketSet<'static>,
    handle: SocketHandle,
}

struct Queues(VecDeque<Vec<u8>>, VecDeque<Vec<u8>>, usize);
pub(super) struct Rx(Vec<u8>);
pub(super) struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = std::vec![0; len];
        let result = f(&mut bytes);
        self.0.push_back(bytes);
        result
    }
}

impl Device for Queues {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Rx, Tx<'_>)> {
        self.0.pop_front().map(|bytes| (Rx(bytes), Tx(&mut self.1)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.1))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.2;
        caps
    }
}

impl Other {
    pub(super) fn new(end: usize, buffer: usize, mtu: usize) -> Self {
        let mut device = Queues(VecDeque::new(), VecDeque::new(), mtu);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = 9;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addrs| {
            addrs.push(IpCidr::new(IpAddress::Ipv4(address(end)), 24)).unwrap();
        });
        let room = || tcp::SocketBuffer::new(std::vec![0; buffer]);
        let mut socket = tcp::Socket::new(room(), room());
        socket.set_nagle_enabled(false);
        let remote = (IpAddress::Ipv4(address(1 - end)), PORTS[1 - end]);
        if end == 0 {
            socket.connect(interface.context(), remote, PORTS[end]).unwrap();
        } else {
            socket.listen(PORTS[end]).unwrap();
        }
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        Self { device, interface, set, handle }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }
}

impl Host for Other {
    fn take(&mut self, packet: &[u8], now: Instant) {
        self.device.0.push_back(packet.to_vec());
        self.interface.poll(now, &mut self.device, &mut self.set);
    }

    fn give(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.device.1.is_empty() {
            self.interface.poll(now, &mut self.device, &mut self.set);
        }
        self.device.1.pop_front()
    }

    fn wakes_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.set).map(|at| at.max(now + Duration::from_micros(100)))
    }

    fn write(&mut self, data: &[u8], _now: Instant) -> usize {
        self.socket().send_slice(data).unwrap_or(0)
    }

    fn read(&mut self, out: &mut [u8], _now: Instant) -> usize {
        self.socket().recv_slice(out).unwrap_or(0)
    }

    fn close(&mut self) {
        self.socket().close();
    }

    fn is_over(&mut self) -> bool {
        matches!(self.socket().state(), tcp::State::Closed | tcp::State::TimeWait)
    }
}

/// Per mille of packets that suffer each fate.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) lose: u64,
    pub(super) double: u64,
    pub(super) delay: u64,
    pub(super) corrupt: u64,
}

/// Both directions of the path.
pub(super) struct Path {
    pub(super) now: Instant,
    pub(super) delay: Duration,
    pub(super) faults: Faults,
    /// Packets that are waiting at the narrowest place; more are lost.
    pub(super) queue: usize,
    /// Time that a byte takes there, in nanoseconds.
    pub(super) byte_ns: u64,
    /// Longer packets vanish.
    pub(super) mtu: usize,
    rng: Rng,
    ways: [VecDeque<(Instant, Vec<u8>)>; 2],
    free_at: [Instant; 2],
    pub(super) dropped: usize,
}

impl Path {
    pub(super) fn new(seed: u64, delay_ms: u64) -> Self {
        Self {
            now: Instant::from_secs(1000),
            delay: Duration::from_millis(delay_ms),
            faults: Faults::default(),
            queue: 10_000,
            byte_ns: 8,
            mtu: 65535,
            rng: Rng::new(seed),
            ways: Default::default(),
            free_at: [Instant::ZERO; 2],
            dropped: 0,
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.rng.next_u64() % 1000 < per_mille
    }

    fn send(&mut self, from: usize, mut packet: Vec<u8>) {
        let start = self.free_at[from].max(self.now);
        let waiting = (start - self.now).total_micros() * 1000 / (self.byte_ns * 1500).max(1);
        if waiting as usize > self.queue || packet.len() > self.mtu || self.chance(self.faults.lose) {
            self.dropped += 1;
            return;
        }
        let gone = start + Duration::from_micros(packet.len() as u64 * self.byte_ns / 1000);
        self.free_at[from] = gone;
        let mut at = gone + self.delay;
        if self.chance(self.faults.delay) {
            at += Duration::from_micros(self.rng.next_u64() % (1 + 4 * self.delay.total_micros()));
        }
        if self.chance(self.faults.corrupt) {
            let (place, bit) = (self.rng.next_u64() as usize % packet.len(), self.rng.next_u64() % 8);
            packet[place] ^= 1 << bit;
        }
        if self.chance(self.faults.double) {
            self.enqueue(from, at, packet.clone());
        }
        self.enqueue(from, at, packet);
    }

    fn enqueue(&mut self, from: usize, at: Instant, packet: Vec<u8>) {
        let way = &mut self.ways[from];
        let place = way.iter().rposition(|(other, _)| *other <= at).map_or(0, |place| place + 1);
        way.insert(place, (at, packet));
    }

    /// Moves packets that are due, lets both ends send, and goes on to the next event, `until` at most.
    pub(super) fn step(&mut self, hosts: &mut [&mut dyn Host; 2], until: Instant) {
        let mut moved = false;
        for (from, way) in self.ways.iter_mut().enumerate() {
            while way.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, packet) = way.pop_front().expect("just seen");
                hosts[1 - from].take(&packet, self.now);
                moved = true;
            }
        }
        for (end, host) in hosts.iter_mut().enumerate() {
            for _ in 0..2000 {
                let Some(packet) = host.give(self.now) else { break };
                self.send(end, packet);
            }
        }
        let arrivals = self.ways.iter().filter_map(|way| way.front().map(|(at, _)| *at)).min();
        let wakes = hosts.iter_mut().filter_map(|host| host.wakes_at(self.now)).min();
        // Whoever received something may want to read and to write.
        let until = if moved { self.now } else { until };
        let next = arrivals.into_iter().chain(wakes).min().unwrap_or(until).min(until);
        self.now = next.max(self.now + Duration::from_micros(1));
    }
}
