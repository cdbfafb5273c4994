//! The same random sequences of calls on sockets of the developer's Linux and on ours: the same results and error numbers.

use super::*;
use crate::numbers::*;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};

/// What a call gives: bytes and their number, or an error number.
type Outcome = std::result::Result<Vec<u8>, i32>;

#[derive(Clone, Copy, Debug)]
enum Call {
    Send(usize),
    Receive(usize),
    Peek(usize),
    Shutdown(u32),
    Close,
    Error,
}

/// A socket, Linux's or ours.
trait Subject {
    fn call(&mut self, call: Call, byte: u8) -> Outcome;
}

struct Ours<'a>(&'a Guest, Option<Arc<Socket>>);

fn ours(result: Result<Vec<u8>>) -> Outcome {
    result.map_err(|errno| i32::from(errno.number()))
}

impl Subject for Ours<'_> {
    fn call(&mut self, call: Call, byte: u8) -> Outcome {
        let Some(socket) = &self.1 else { return Err(0) };
        let outcome = match call {
            Call::Send(len) => ours(send(socket, &vec![byte; len]).map(|len| vec![0; len])),
            Call::Receive(room) => ours(receive(socket, room)),
            Call::Peek(room) => ours(receive_with(socket, room, MSG_PEEK)),
            Call::Shutdown(how) => ours(socket.shutdown(how).map(|()| vec![])),
            Call::Error => Ok(vec![socket.take_error().map_or(0, |errno| errno.number() as u8)]),
            Call::Close => {
                self.1 = None;
                Ok(vec![])
            }
        };
        self.0.run(15);
        outcome
    }
}

/// A stream of Linux.
trait Stream: Read + Write {
    fn down(&self, how: Shutdown) -> std::io::Result<()>;
    fn error(&self) -> std::io::Result<Option<std::io::Error>>;
    fn look(&self, buf: &mut [u8]) -> Option<std::io::Result<usize>>;
}

impl Stream for TcpStream {
    fn down(&self, how: Shutdown) -> std::io::Result<()> {
        self.shutdown(how)
    }

    fn error(&self) -> std::io::Result<Option<std::io::Error>> {
        self.take_error()
    }

    fn look(&self, buf: &mut [u8]) -> Option<std::io::Result<usize>> {
        Some(self.peek(buf))
    }
}

impl Stream for UnixStream {
    fn down(&self, how: Shutdown) -> std::io::Result<()> {
        self.shutdown(how)
    }

    fn error(&self) -> std::io::Result<Option<std::io::Error>> {
        self.take_error()
    }

    fn look(&self, _: &mut [u8]) -> Option<std::io::Result<usize>> {
        None
    }
}

struct Theirs<S>(Option<S>);

fn number(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(match error.kind() {
        ErrorKind::NotConnected => 107,
        _ => -1,
    })
}

impl<S: Stream> Subject for Theirs<S> {
    fn call(&mut self, call: Call, byte: u8) -> Outcome {
        let Some(socket) = &mut self.0 else { return Err(0) };
        let mut buf = [0; 8192];
        let outcome = match call {
            Call::Send(len) => socket.write(&vec![byte; len]).map(|len| vec![0; len]),
            Call::Receive(room) => socket.read(&mut buf[..room]).map(|len| buf[..len].to_vec()),
            Call::Peek(room) => match socket.look(&mut buf[..room]) {
                Some(peeked) => peeked.map(|len| buf[..len].to_vec()),
                None => return Err(-2),
            },
            Call::Shutdown(how) => {
                let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][how as usize];
                socket.down(how).map(|()| vec![])
            }
            Call::Error => socket.error().map(|error| vec![error.map_or(0, number) as u8]),
            Call::Close => {
                self.0 = None;
                Ok(vec![])
            }
        };
        // Loopback works in the call itself, but for what is put off to a moment later.
        std::thread::sleep(std::time::Duration::from_micros(300));
        outcome.map_err(number)
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    fn call(&mut self) -> Call {
        match self.below(20) {
            0..8 => Call::Send(1 + self.below(300)),
            8..14 => Call::Receive(1 + self.below(500)),
            14..16 => Call::Peek(1 + self.below(500)),
            16 => Call::Error,
            17 => Call::Close,
            _ => Call::Shutdown(self.below(3) as u32),
        }
    }
}

/// Runs a sequence on both; the calls that were made are in the message of a failure.
fn compare(seed: u64, theirs: &mut [&mut dyn Subject; 2], ours: &mut [&mut dyn Subject; 2], is_tcp: bool) {
    let mut random = Random(seed);
    let mut history = Vec::new();
    for step in 0..24 {
        let (side, mut call) = (random.below(2), random.call());
        call = match call {
            Call::Peek(room) if !is_tcp => Call::Receive(room),
            // What comes in for a reader that has gone is refused, though older bytes can still be read: ours goes with them.
            Call::Shutdown(_) if is_tcp => Call::Shutdown(SHUT_WR),
            call => call,
        };
        history.push((side, call));
        let expected = theirs[side].call(call, step);
        let got = ours[side].call(call, step);
        assert_eq!(expected, got, "seed {seed}, the last of these calls differs: {history:?}");
    }
}

#[test]
fn unix_streams_are_as_those_of_linux() {
    for seed in 0..300 {
        let guest = guest();
        let (one, two) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        two.set_nonblocking(true).unwrap();
        let (a, b) = guest.sockets.pair(&root(), UNIX, STREAM, 0).unwrap();
        let (mut one, mut two) = (Theirs(Some(one)), Theirs(Some(two)));
        let (mut a, mut b) = (Ours(&guest, Some(a)), Ours(&guest, Some(b)));
        compare(seed, &mut [&mut one, &mut two], &mut [&mut a, &mut b], false);
    }
}

#[test]
fn tcp_streams_are_as_those_of_linux() {
    for seed in 0..150 {
        let guest = guest();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (two, _) = listener.accept().unwrap();
        one.set_nonblocking(true).unwrap();
        two.set_nonblocking(true).unwrap();
        // Without it Linux may hold a small segment back, and so do we.
        one.set_nodelay(true).unwrap();
        two.set_nodelay(true).unwrap();
        let (a, b) = guest.tcp_pair();
        for socket in [&a, &b] {
            socket.set_option(&root(), 6, 1, &1u32.to_le_bytes()).unwrap();
        }
        let (mut one, mut two) = (Theirs(Some(one)), Theirs(Some(two)));
        let (mut a, mut b) = (Ours(&guest, Some(a)), Ours(&guest, Some(b)));
        compare(seed, &mut [&mut one, &mut two], &mut [&mut a, &mut b], true);
    }
}

/// Whatever one side does: what that makes possible for the other, the other is told of.
#[test]
fn every_change_of_readiness_is_told() {
    for seed in 0..400 {
        let guest = guest();
        let kind = [STREAM, DGRAM, SEQPACKET][seed as usize / 2 % 3];
        let is_tcp = seed % 2 == 0;
        let (a, b) =
            if is_tcp { guest.tcp_pair() } else { guest.sockets.pair(&root(), UNIX, kind, 0).unwrap() };
        let mut both = [Ours(&guest, Some(a)), Ours(&guest, Some(b))];
        let mut random = Random(seed);
        let mut history = Vec::new();
        for step in 0..40 {
            let side = random.below(2);
            let call = match random.call() {
                Call::Send(len) if len % 3 == 0 => Call::Send(200_000),
                Call::Receive(_) => Call::Receive(20_000),
                call => call,
            };
            history.push((side, call));
            let Some(other) = both[1 - side].1.clone() else { break };
            let before = other.poll();
            let readable = other.file_len();
            let (log, _watch) = Log::of(&other);
            let _ = both[side].call(call, step);
            let (gained, told) = (other.poll().difference(before), log.take());
            assert!(
                gained.is_empty() || !told.is_empty(),
                "seed {seed}: {gained:?} was not told, {history:?}"
            );
            let grew = other.file_len() > readable;
            assert!(
                !grew || told.iter().any(|told| told.contains(PollEvents::IN)),
                "seed {seed}: {history:?}"
            );
        }
    }
}

impl Socket {
    fn file_len(&self) -> usize {
        match self.inner() {
            crate::socket::Inner::Tcp(tcp) => tcp.readable(self).unwrap_or(0),
            crate::socket::Inner::Unix(end) => end.readable().unwrap_or(0),
            _ => 0,
        }
    }
}

impl Subject for Theirs<UnixDatagram> {
    fn call(&mut self, call: Call, byte: u8) -> Outcome {
        let Some(socket) = &mut self.0 else { return Err(0) };
        let mut buf = [0; 8192];
        let outcome = match call {
            Call::Send(len) => socket.send(&vec![byte; len]).map(|len| vec![0; len]),
            Call::Receive(room) => socket.recv(&mut buf[..room]).map(|len| buf[..len].to_vec()),
            Call::Error => socket.take_error().map(|error| vec![error.map_or(0, number) as u8]),
            Call::Close => {
                self.0 = None;
                Ok(vec![])
            }
            _ => return Err(-2),
        };
        outcome.map_err(number)
    }
}

#[test]
fn unix_sockets_take_as_much_as_those_of_linux() {
    let guest = guest();
    for piece in [1, 100, 200, 1000, 5000, 1 << 20] {
        let (mut one, _two) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let (a, _b) = guest.sockets.pair(&root(), UNIX, STREAM, 0).unwrap();
        let bytes = vec![0; piece];
        let (mut theirs, mut mine) = (0, 0);
        while let Ok(len) = one.write(&bytes) {
            theirs += len;
        }
        while let Ok(len) = send(&a, &bytes) {
            mine += len;
        }
        // Small writes take less room here, since they are joined.
        assert!(mine >= theirs && (piece < 1 << 20 || mine == theirs), "{piece}: {mine}, {theirs}");
        let (one, _two) = UnixDatagram::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let (a, _b) = guest.sockets.pair(&root(), UNIX, DGRAM, 0).unwrap();
        let theirs = (0..1000).take_while(|_| one.send(&bytes).is_ok()).count();
        let mine = (0..1000).take_while(|_| send(&a, &bytes).is_ok()).count();
        assert!(theirs.abs_diff(mine) <= 1 + theirs / 20, "{piece}: {mine}, {theirs}");
    }
}

#[test]
fn unix_datagrams_are_as_those_of_linux() {
    for seed in 0..300 {
        let guest = guest();
        let (one, two) = UnixDatagram::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        two.set_nonblocking(true).unwrap();
        let (a, b) = guest.sockets.pair(&root(), UNIX, DGRAM, 0).unwrap();
        let mut theirs = [Theirs(Some(one)), Theirs(Some(two))];
        let mut ours = [Ours(&guest, Some(a)), Ours(&guest, Some(b))];
        let mut random = Random(seed);
        let mut history = Vec::new();
        for step in 0..40 {
            let side = random.below(2);
            let call = match random.call() {
                Call::Peek(room) => Call::Receive(room),
                Call::Shutdown(_) => Call::Send(0),
                call => call,
            };
            history.push((side, call));
            let expected = theirs[side].call(call, step);
            let got = ours[side].call(call, step);
            assert_eq!(expected, got, "seed {seed}, the last of these calls differs: {history:?}");
        }
    }
}

#[test]
fn connected_datagrams_to_a_closed_port_fail_as_with_linux() {
    let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    theirs.connect(free).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let guest = guest();
    let mine = guest.socket(INET, DGRAM);
    mine.connect(&root(), &v4(9)).unwrap();
    let mut buf = [0; 10];
    for sends in [true, true, false, true, false, false] {
        let (expected, got) = if sends {
            (theirs.send(b"x").map_err(number), send(&mine, b"x"))
        } else {
            (theirs.recv(&mut buf).map_err(number), receive(&mine, 10).map(|bytes| bytes.len()))
        };
        std::thread::sleep(std::time::Duration::from_millis(2));
        guest.run(5);
        assert_eq!(expected, got.map_err(|errno| i32::from(errno.number())));
    }
}
