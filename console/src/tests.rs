use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;
use crate::output::BUFFER_MAX;
use xen::fake::{FakeXen, PeerPort, Progress, World};
use xen::{Access, ByteWriter, Clock, DomId, SharedPage};

type Fake = Console<FakeXen, SharedPage<FakeXen>>;

const READER: ByteReader = ByteReader::new(ByteRingLayout {
    data: abi::OUT,
    len: abi::OUT_LEN,
    cons: abi::OUT_CONS,
    prod: abi::OUT_PROD,
});
const TYPIST: ByteWriter = ByteWriter::new(ByteRingLayout {
    data: abi::IN,
    len: abi::IN_LEN,
    cons: abi::IN_CONS,
    prod: abi::IN_PROD,
});

/// xenconsoled: reads `pace` bytes at a time, types what is to be typed.
#[derive(Clone)]
struct Daemon {
    seen: Rc<RefCell<Vec<u8>>>,
    pace: Rc<Cell<usize>>,
    typed: Rc<RefCell<Vec<u8>>>,
    /// Stores this number as the given index.
    lie: Rc<Cell<Option<(usize, u32)>>>,
    end: PeerPort,
}

fn console(world: &World, index: u32, pace: usize) -> (Fake, Daemon) {
    let page = SharedPage::new(&**world, DomId::DOM0, Access::ReadWrite).expect("there is memory");
    for offset in [abi::IN_CONS, abi::IN_PROD, abi::OUT_CONS, abi::OUT_PROD] {
        page.store_u32(offset, index);
    }
    let port = EventPort::alloc(&**world, DomId::DOM0).expect("ports are free");
    let end = world.peer(DomId::DOM0).bind(port.port().raw()).expect("made for dom0");
    let mapped = world.peer(DomId::DOM0).map_rw(page.gref().raw()).expect("granted");
    let daemon = Daemon {
        seen: Rc::default(),
        pace: Rc::new(Cell::new(pace)),
        typed: Rc::default(),
        lie: Rc::default(),
        end: end.clone(),
    };
    let theirs = daemon.clone();
    // Like the real one, it looks only when it is told to.
    let mut woken = false;
    world.add_peer(move |_| {
        if let Some((offset, value)) = theirs.lie.take() {
            mapped.store_u32(offset, value);
            end.notify();
            return Progress::Made;
        }
        let mut chunk = vec![0; theirs.pace.get()];
        woken |= end.take_pending();
        if !woken {
            chunk.clear();
        }
        // Its own lies confuse it, too.
        let read = READER.read(&mapped, &mut chunk).unwrap_or(0);
        theirs.seen.borrow_mut().extend_from_slice(&chunk[..read]);
        woken &= read > 0 || theirs.pace.get() == 0;
        let typed = TYPIST.write(&mapped, &theirs.typed.borrow()).unwrap_or(0);
        theirs.typed.borrow_mut().drain(..typed);
        if read + typed == 0 {
            return Progress::None;
        }
        end.notify();
        Progress::Made
    });
    (Console::new(&**world, page, port), daemon)
}

fn soon(world: &World) -> Option<u64> {
    Some(world.now_ns() + 1_000_000_000)
}

#[test]
fn text_arrives_in_order_with_carriage_returns_at_every_place_of_the_ring() {
    for index in [0, 1, 2047, 2040, u32::MAX - 5, u32::MAX - 2046] {
        let world = World::new();
        let (console, daemon) = console(&world, index, 4096);
        console.write(b"one\ntwo\r\nthree\r");
        console.write(b"\nfour\n\n");
        assert_eq!(console.flush(soon(&world)), Wake::Event);
        assert_eq!(*daemon.seen.borrow(), b"one\r\ntwo\r\nthree\r\nfour\r\n\r\n");
    }
}

#[test]
fn a_slow_reader_gets_all_whatever_its_pace() {
    for pace in if cfg!(miri) { [7, 100, 500, 2047] } else { [1, 7, 100, 2047] } {
        let world = World::new();
        let (console, daemon) = console(&world, u32::MAX - 100, pace);
        let mut expected = Vec::new();
        for number in 0..if cfg!(miri) { 30 } else { 6000 } {
            console.write(format!("line {number}\n").as_bytes());
            expected.extend_from_slice(format!("line {number}\r\n").as_bytes());
        }
        assert_eq!(console.flush(None), Wake::Event);
        assert!(*daemon.seen.borrow() == expected, "at {pace} bytes a time");
        assert_eq!(console.lost(), 0);
    }
}

#[test]
fn when_nobody_reads_a_writer_waits_once_and_then_drops() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 0);
    let room = abi::OUT_LEN + BUFFER_MAX;
    let start = world.now_ns();
    console.write(&vec![b'x'; room]);
    assert_eq!((console.lost(), world.now_ns()), (0, start), "it all fits");
    console.write(&[b'y'; 100]);
    assert_eq!(console.lost(), 100);
    assert_eq!(world.now_ns(), start + PATIENCE_NS);
    console.write(&[b'y'; 50]);
    assert_eq!((console.lost(), world.now_ns()), (150, start + PATIENCE_NS), "it does not wait again");
    assert_eq!(console.flush(Some(world.now_ns() + 5)), Wake::TimedOut);

    daemon.pace.set(512);
    assert_eq!(console.flush(None), Wake::Event);
    console.write(b"again\n");
    assert_eq!(console.flush(None), Wake::Event);
    let seen = daemon.seen.borrow();
    assert!(seen[..room].iter().all(|byte| *byte == b'x'));
    assert_eq!(String::from_utf8_lossy(&seen[room..]), "\r\n[console: 150 bytes lost]\r\nagain\r\n");
}

#[test]
fn a_reader_that_moves_is_waited_for_again() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 0);
    console.write(&[b'x'; 20_000]);
    console.write(b"x");
    daemon.pace.set(5000);
    assert_eq!(console.flush(None), Wake::Event);
    daemon.pace.set(0);
    console.write(&[b'y'; abi::OUT_LEN + BUFFER_MAX]);
    let start = world.now_ns();
    console.write(b"z");
    assert_eq!(world.now_ns(), start + PATIENCE_NS);
}

#[test]
fn a_writer_without_wait_never_waits() {
    let world = World::new();
    let (console, _daemon) = console(&world, 0, 0);
    let waits = world.waits();
    for _ in 0..100 {
        console.write_no_wait(&[b'\n'; 1000]);
    }
    assert_eq!(world.waits(), waits);
    assert_eq!(console.lost(), 100_000 - (abi::OUT_LEN + BUFFER_MAX) as u64 / 2);
}

#[test]
fn the_buffer_is_pumped_on_events_without_a_further_write() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 0);
    console.write(&[b'a'; 5000]);
    daemon.pace.set(300);
    console.wait_input(soon(&world)).expect("honest");
    assert_eq!(daemon.seen.borrow().len(), 5000);
}

#[test]
fn a_thread_that_only_drains_gets_all_of_it_out() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 0);
    console.write(&[b'a'; 9000]);
    daemon.pace.set(500);
    while daemon.seen.borrow().len() < 9000 {
        assert_eq!(console.wait_drained(), Ok(()));
    }
    daemon.lie.set(Some((abi::OUT_CONS, 1 << 20)));
    world.run_peers();
    console.write(b"x");
    assert!(console.wait_drained().is_err());
}

#[test]
fn a_crash_writes_after_what_is_buffered_and_gives_up_when_nobody_reads() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 0);
    console.write(&[b'a'; 2000]);
    let waits = world.waits();
    console.write_now(b"panic\n");
    console.write_now(&[b'p'; 100]);
    console.write_now(&[b'q'; 100]);
    assert_eq!(world.waits(), waits);
    assert_eq!(console.lost(), 59 + 100);
    daemon.pace.set(4096);
    world.run_peers();
    assert_eq!(daemon.seen.borrow()[2000..2008], *b"panic\r\np");
}

#[test]
fn a_crash_in_the_midst_of_a_write_is_heard() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 4096);
    let midst = console.output.borrow_mut();
    console.write_now(b"crash\n");
    drop(midst);
    world.run_peers();
    assert_eq!(*daemon.seen.borrow(), b"crash\r\n");
}

#[test]
fn a_liar_ends_the_console_and_not_the_guest() {
    for (offset, value) in
        [(abi::OUT_CONS, 7), (abi::OUT_CONS, u32::MAX / 2), (abi::IN_PROD, 1025), (abi::IN_PROD, u32::MAX)]
    {
        let world = World::new();
        let (console, daemon) = console(&world, 0, 0);
        daemon.lie.set(Some((offset, value)));
        world.run_peers();
        console.write(b"hello");
        assert!(console.wait_input(soon(&world)).is_err(), "{offset} {value}");
        assert!(console.read(&mut [0; 8]).is_err());
        let start = world.now_ns();
        let much = vec![b'x'; if cfg!(miri) { 1000 } else { 100_000 }];
        console.write(&much);
        console.write_now(&much);
        assert_eq!(console.flush(None), Wake::Event);
        assert_eq!(world.now_ns(), start);
    }
}

#[test]
fn input_arrives_raw_and_in_order() {
    let world = World::new();
    let (console, daemon) = console(&world, u32::MAX - 7, 4096);
    assert_eq!(console.read(&mut [0; 8]), Ok(0));
    assert_eq!(console.wait_input(soon(&world)), Ok(Wake::TimedOut));
    let typed: Vec<u8> = (0..3000u32).map(|number| number as u8).collect();
    daemon.typed.borrow_mut().extend_from_slice(&typed);
    let mut seen = Vec::new();
    let mut chunk = [0; 33];
    while seen.len() < typed.len() {
        assert_eq!(console.wait_input(soon(&world)), Ok(Wake::Event));
        let len = console.read(&mut chunk).expect("honest");
        seen.extend_from_slice(&chunk[..len]);
    }
    assert_eq!(seen, typed);
}

#[test]
fn raw_bytes_arrive_as_they_are_after_text_that_waits() {
    let world = World::new();
    let (console, daemon) = console(&world, u32::MAX - 3000, 0);
    console.write(&[b'x'; 3000]);
    assert_eq!(console.write_raw(b"a\nb"), 0, "text waits for room before it");
    daemon.pace.set(100);
    assert_eq!(console.flush(None), Wake::Event);
    assert_eq!(console.write_raw(b"a\n\0\r\xff\n"), 6);
    console.write(b"\ntext\n");
    assert_eq!(console.flush(None), Wake::Event);
    assert_eq!(daemon.seen.borrow()[3000..], *b"a\n\0\r\xff\n\r\ntext\r\n");
}

/// Bytes in which every value follows every other.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn megabytes_go_both_ways_unchanged() {
    let len = if cfg!(miri) { 8 << 10 } else { 4 << 20 };
    let world = World::new();
    let (console, daemon) = console(&world, u32::MAX - 1000, 4096);
    let out = pattern(len);
    let sent: Vec<u8> = out.iter().map(|byte| !byte).collect();
    let (mut written, mut read) = (0, Vec::new());
    let mut typed = sent.chunks(64 << 10);
    let mut chunk = [0; 1024];
    while written < len || read.len() < len {
        if daemon.typed.borrow().is_empty()
            && let Some(more) = typed.next()
        {
            daemon.typed.borrow_mut().extend_from_slice(more);
            world.run_peers();
        }
        let count = console.write_raw(&out[written..]);
        let got = console.read(&mut chunk).expect("honest");
        read.extend_from_slice(&chunk[..got]);
        written += count;
        if count + got == 0 {
            world.run_peers();
        }
    }
    assert_eq!(console.flush(None), Wake::Event);
    assert!(read == sent && *daemon.seen.borrow() == out);
}

#[test]
fn input_and_output_interleave() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 64);
    for round in 0..200u8 {
        daemon.typed.borrow_mut().push(round);
        assert_eq!(console.wait_input(soon(&world)), Ok(Wake::Event));
        let mut byte = [0];
        assert_eq!(console.read(&mut byte), Ok(1));
        console.write(&[b'0' + byte[0] % 10; 30]);
    }
    assert_eq!(console.flush(soon(&world)), Wake::Event);
    assert_eq!(daemon.seen.borrow().len(), 6000);
}

#[test]
fn the_reader_is_told_of_output_and_not_of_nothing() {
    let world = World::new();
    let (console, daemon) = console(&world, 0, 0);
    console.pump();
    assert!(!daemon.end.take_pending());
    console.write(b"x");
    assert!(daemon.end.take_pending());
    console.write(b"");
    assert!(!daemon.end.take_pending());
}

#[test]
fn random_indices_never_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..if cfg!(miri) { 10 } else { 500 } {
        let world = World::new();
        let (console, daemon) = console(&world, 0, 0);
        for _ in 0..5 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let offset = abi::IN_CONS + (random >> 60) as usize % 4 * 4;
            daemon.lie.set(Some((offset, (random >> 20) as u32 % 5000)));
            world.run_peers();
            console.write(b"some text\n");
            let _ = console.read(&mut [0; 2000]);
            daemon.end.notify();
        }
    }
}
