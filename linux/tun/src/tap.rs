//! A tap: frames on their way between a program and a [`Port`].

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use linux_base::{Errno, Mutex, PollEvents, Result, Sink, Source, WaitQueue, host, io};
use netfront::offload::{self, Segment};

use crate::abi::{F_CSUM, F_TSO_ECN, F_TSO4, F_TSO6, IFF_NO_PI, IFF_VNET_HDR};
use crate::header::{Checksum, Long, VnetHeader};
use crate::port::{Outcome, Port, Received};
use crate::segment;

const ETHERNET: usize = 14;
/// The longest frame: what a request of netfront tells in 16 bits.
const LONGEST: usize = 65_535;
/// `struct tun_pi`: flags and protocol.
const PACKET_INFO: usize = 4;
/// Frames and bytes that wait for the program at most; one more frame is taken as long as it is below both.
const QUEUE: usize = 512;
const QUEUE_BYTES: usize = 512 * 1024;
/// A program that has not read for so long is not waited for: what finds no room is lost, as it is on Linux.
const PATIENCE_NS: u64 = 100_000_000;

/// What has gone through a tap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Frames for the program, as the device gave them.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Of them those that found no room or no memory, or made no sense.
    pub received_lost: u64,
    /// Frames of the program.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Of them those that the device did not take.
    pub sent_lost: u64,
    /// Long segments, of either direction, that were divided here.
    pub divided: u64,
    /// Frames of either direction whose checksum was computed here.
    pub completed: u64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {} frames ({} B, {} lost)", self.received, self.received_bytes, self.received_lost)?;
        write!(f, ", out {} frames ({} B, {} lost)", self.sent, self.sent_bytes, self.sent_lost)?;
        write!(f, ", divided {}, checksums {}", self.divided, self.completed)
    }
}

struct Packet {
    header: VnetHeader,
    frame: Vec<u8>,
}

struct State {
    waiting: VecDeque<Packet>,
    waiting_bytes: usize,
    /// The device was told that there is no room.
    is_full: bool,
    last_read_ns: u64,
    flags: u16,
    header_len: usize,
    /// What of `TUN_F_*` the program takes.
    takes: u32,
    send_buffer: i32,
    stats: Stats,
    /// Where frames of the program are put together; kept for the next.
    outgoing: Vec<u8>,
}

/// A tap that a program has made.
pub struct Tap {
    name: String,
    port: Arc<dyn Port>,
    queue: WaitQueue,
    state: Mutex<State>,
}

impl Tap {
    /// A tap on a device, whose readers and writers wait in `queue`.
    pub(crate) fn new(name: &str, flags: u16, port: Arc<dyn Port>, queue: WaitQueue) -> Arc<Self> {
        let state = State {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_full: false,
            last_read_ns: 0,
            flags,
            header_len: VnetHeader::LEN,
            takes: 0,
            send_buffer: i32::MAX,
            stats: Stats::default(),
            outgoing: Vec::new(),
        };
        Arc::new(Self { name: name.into(), port, queue, state: Mutex::new(state) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.state.lock().stats
    }

    pub(crate) fn port(&self) -> &Arc<dyn Port> {
        &self.port
    }

    pub(crate) fn flags(&self) -> u16 {
        self.state.lock().flags
    }

    pub(crate) fn header_len(&self) -> usize {
        self.state.lock().header_len
    }

    pub(crate) fn set_header_len(&self, len: u32) -> Result<()> {
        // No longer than any header that there is, by far.
        let len = usize::try_from(len).ok().filter(|len| (VnetHeader::LEN..=256).contains(len));
        self.state.lock().header_len = len.ok_or(Errno::EINVAL)?;
        Ok(())
    }

    pub(crate) fn send_buffer(&self) -> i32 {
        self.state.lock().send_buffer
    }

    pub(crate) fn set_send_buffer(&self, bytes: i32) -> Result<()> {
        if bytes <= 0 {
            return Err(Errno::EINVAL);
        }
        self.state.lock().send_buffer = bytes;
        Ok(())
    }

    /// `TUNSETOFFLOAD`: what the program can do with frames that are not finished.
    pub(crate) fn set_takes(&self, takes: u32) -> Result<()> {
        let has_segments = takes & (F_TSO4 | F_TSO6 | F_TSO_ECN) != 0;
        let is_known = takes & !(F_CSUM | F_TSO4 | F_TSO6 | F_TSO_ECN) == 0;
        if !is_known || (has_segments && takes & F_CSUM == 0) {
            return Err(Errno::EINVAL);
        }
        self.state.lock().takes = takes;
        Ok(())
    }

    /// Whether the device may [`Tap::deliver`] another frame: if not, frames are to stay where they are until [`Port::has_read`], or
    /// until the moment of [`host::Host::now_ns`] that this gives.
    pub fn has_room(&self, now_ns: u64) -> core::result::Result<(), u64> {
        let mut state = self.state.lock();
        state.is_full = !state.has_room();
        let until = state.last_read_ns.saturating_add(PATIENCE_NS);
        // Who does not read at all, as a device model whose guest has no driver, gets the first ones and loses the others.
        if state.is_full && now_ns < until { Err(until) } else { Ok(()) }
    }

    /// A frame for the program. Call [`Tap::delivered`] after the last of a batch.
    pub fn deliver(&self, received: Received<'_>) {
        let mut state = self.state.lock();
        state.stats.received += 1;
        state.stats.received_bytes += received.bytes.len() as u64;
        if state.take_in(received).is_none() {
            state.stats.received_lost += 1;
        }
    }

    /// There are frames to be read.
    pub fn delivered(&self) {
        self.queue.wake(PollEvents::READABLE);
    }

    /// The device has room for frames again.
    pub fn room_to_send(&self) {
        self.queue.wake(PollEvents::WRITABLE);
    }

    pub(crate) fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, !self.state.lock().waiting.is_empty());
        events.set(PollEvents::WRITABLE, self.port.has_room());
        events
    }

    /// A program reads a frame; what it has no room for is cut off.
    pub(crate) fn read(&self, into: &mut dyn Sink) -> Result<usize> {
        let (result, has_room_again) = {
            let mut state = self.state.lock();
            let before = state.header_room();
            if into.room() < before {
                return Err(Errno::EINVAL);
            }
            state.last_read_ns = host::host().now_ns();
            let packet = state.waiting.pop_front().ok_or(Errno::EAGAIN)?;
            state.waiting_bytes = state.waiting_bytes.saturating_sub(packet.frame.len());
            let has_room_again = state.is_full && state.has_room();
            state.is_full &= !has_room_again;
            let (flags, header_len) = (state.flags, state.header_len);
            drop(state);
            (push(into, &packet, flags, header_len), has_room_again)
        };
        if has_room_again {
            self.port.has_read();
        }
        result
    }

    /// A program writes a frame.
    pub(crate) fn write(&self, from: &mut dyn Source) -> Result<usize> {
        let len = from.left();
        let before = self.state.lock().header_room();
        let frame_len = len.checked_sub(before).ok_or(Errno::EINVAL)?;
        if !(ETHERNET..=LONGEST).contains(&frame_len) {
            return Err(Errno::EINVAL);
        }
        if !self.port.has_room() {
            return Err(Errno::EAGAIN);
        }
        let (flags, header_len, mut frame) = {
            let mut state = self.state.lock();
            (state.flags, state.header_len, core::mem::take(&mut state.outgoing))
        };
        let result = pull(from, flags, header_len, frame_len, &mut frame);
        let result = result.and_then(|header| self.send(&mut frame, header));
        let mut state = self.state.lock();
        state.outgoing = frame;
        result.map(|()| len)
    }

    fn send(&self, frame: &mut [u8], header: VnetHeader) -> Result<()> {
        let segment = offload::find(frame);
        let mut stats = Stats { sent: 1, sent_bytes: frame.len() as u64, ..Stats::default() };
        if let Checksum::Needed { start, offset } = header.checksum {
            // The port does those of TCP and UDP.
            let is_ours = segment.is_none_or(|segment| segment.header != usize::from(start));
            if is_ours {
                finish(frame, start, offset).ok_or(Errno::EINVAL)?;
                stats.completed += 1;
            }
        }
        let outcome = match header.long {
            None => self.port.send(frame, None),
            Some(long) => self.send_long(frame, segment, long, &mut stats)?,
        };
        stats.sent_lost += u64::from(outcome == Outcome::Lost);
        self.port.flush();
        self.state.lock().stats.add(&stats);
        Ok(())
    }

    fn send_long(
        &self,
        frame: &[u8],
        segment: Option<Segment>,
        long: Long,
        stats: &mut Stats,
    ) -> Result<Outcome> {
        let is_so = |segment: &Segment| segment.is_tcp && segment.is_ipv6 == long.is_ipv6;
        let segment = segment.filter(is_so).ok_or(Errno::EINVAL)?;
        let headers = segment::headers_len(frame, &segment).ok_or(Errno::EINVAL)?;
        if segment.end.saturating_sub(headers) <= usize::from(long.piece) {
            return Ok(self.port.send(frame, None));
        }
        if self.port.divides(long.is_ipv6) {
            return Ok(self.port.send(frame, Some(long.piece)));
        }
        stats.divided += 1;
        let mut outcome = Outcome::Sent;
        let is_divided = segment::divide(frame, long.piece, |piece| {
            // TCP sends again what finds no room.
            outcome = if self.port.has_room() { self.port.send(&piece, None) } else { Outcome::Lost };
            outcome == Outcome::Sent
        });
        if is_divided { Ok(outcome) } else { Err(Errno::EINVAL) }
    }
}

/// Computes the checksum that a header asks for.
fn finish(frame: &mut [u8], start: u16, offset: u16) -> Option<()> {
    let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
    let checksum = match !offload::sum(frame.get(start..)?) {
        // In UDP that would mean that there is none, and to others it is the same.
        0 => 0xffff,
        other => other,
    };
    frame.get_mut(at..at + 2)?.copy_from_slice(&u16::to_be_bytes(checksum));
    Some(())
}

/// Takes what stands before a frame, and the frame.
fn pull(
    from: &mut dyn Source,
    flags: u16,
    header_len: usize,
    frame_len: usize,
    frame: &mut Vec<u8>,
) -> Result<VnetHeader> {
    // Memory first, so that a failure takes nothing.
    frame.clear();
    frame.try_reserve(frame_len)?;
    frame.resize(frame_len, 0);
    if flags & IFF_NO_PI == 0 {
        io::pull_exact(from, &mut [0; PACKET_INFO])?;
    }
    let mut header = VnetHeader::default();
    if flags & IFF_VNET_HDR != 0 {
        let mut bytes = [0; VnetHeader::LEN];
        io::pull_exact(from, &mut bytes)?;
        header = VnetHeader::parse(bytes)?;
        let mut rest = header_len.saturating_sub(bytes.len());
        while rest > 0 {
            let mut ignored = [0; 16];
            let step = rest.min(ignored.len());
            io::pull_exact(from, ignored.get_mut(..step).unwrap_or_default())?;
            rest -= step;
        }
    }
    io::pull_exact(from, frame)?;
    Ok(header)
}

/// Gives a program what stands before a frame, and of the frame what it has room for.
fn push(into: &mut dyn Sink, packet: &Packet, flags: u16, header_len: usize) -> Result<usize> {
    let mut done = 0;
    if flags & IFF_NO_PI == 0 {
        let protocol = packet.frame.get(12..14).and_then(|bytes| bytes.first_chunk()).copied();
        let [high, low] = protocol.unwrap_or_default();
        done += into.push(&[0, 0, high, low])?;
    }
    if flags & IFF_VNET_HDR != 0 {
        done += into.push(&packet.header.to_bytes())?;
        let rest = header_len.saturating_sub(VnetHeader::LEN);
        if rest > 0 {
            done += into.push_zeroes(rest)?;
        }
    }
    let room = into.room().min(packet.frame.len());
    Ok(done + into.push(packet.frame.get(..room).unwrap_or_default())?)
}

impl Stats {
    fn add(&mut self, more: &Self) {
        self.sent += more.sent;
        self.sent_bytes += more.sent_bytes;
        self.sent_lost += more.sent_lost;
        self.divided += more.divided;
        self.completed += more.completed;
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.waiting.len() < QUEUE && self.waiting_bytes < QUEUE_BYTES
    }

    /// Bytes that stand before each frame.
    fn header_room(&self) -> usize {
        let info = if self.flags & IFF_NO_PI == 0 { PACKET_INFO } else { 0 };
        info + if self.flags & IFF_VNET_HDR != 0 { self.header_len } else { 0 }
    }

    fn can_take(&self, feature: u32) -> bool {
        self.flags & IFF_VNET_HDR != 0 && self.takes & feature != 0
    }

    /// Puts a frame into the queue, finished as far as the program wants it to be. `None`: it is lost.
    fn take_in(&mut self, received: Received<'_>) -> Option<()> {
        let Received { bytes, is_blank, segment_len } = received;
        if let Some(piece) = segment_len {
            let segment = offload::find(bytes)?;
            if !self.can_take(if segment.is_ipv6 { F_TSO6 } else { F_TSO4 }) {
                return self.take_pieces(bytes, piece);
            }
            let headers = u16::try_from(segment::headers_len(bytes, &segment)?).ok()?;
            let long = Long { is_ipv6: segment.is_ipv6, piece, headers };
            return self.queue_blank(bytes, segment, Some(long));
        }
        let segment = if is_blank && self.can_take(F_CSUM) { offload::find(bytes) } else { None };
        if let Some(segment) = segment {
            return self.queue_blank(bytes, segment, None);
        }
        let mut frame = copy(bytes)?;
        if is_blank {
            offload::complete(&mut frame);
            self.stats.completed += 1;
        }
        self.push(VnetHeader { checksum: Checksum::Valid, long: None }, frame)
    }

    fn take_pieces(&mut self, bytes: &[u8], piece: u16) -> Option<()> {
        let mut is_whole = true;
        self.stats.divided += 1;
        let is_divided = segment::divide(bytes, piece, |frame| {
            is_whole = self.push(VnetHeader { checksum: Checksum::Valid, long: None }, frame).is_some();
            is_whole
        });
        (is_divided && is_whole).then_some(())
    }

    /// A frame whose checksum the program computes, or somebody after it.
    fn queue_blank(&mut self, bytes: &[u8], segment: Segment, long: Option<Long>) -> Option<()> {
        let mut frame = copy(bytes)?;
        offload::prepare(&mut frame);
        let start = u16::try_from(segment.header).ok()?;
        let offset = u16::try_from(segment.checksum.checked_sub(segment.header)?).ok()?;
        self.push(VnetHeader { checksum: Checksum::Needed { start, offset }, long }, frame)
    }

    fn push(&mut self, header: VnetHeader, frame: Vec<u8>) -> Option<()> {
        if !self.has_room() || self.waiting.try_reserve(1).is_err() {
            return None;
        }
        self.waiting_bytes += frame.len();
        self.waiting.push_back(Packet { header, frame });
        Some(())
    }
}

fn copy(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy)
}
