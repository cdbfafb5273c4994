//! Pipes and FIFOs.

use alloc::collections::VecDeque;

use super::*;
use crate::fifo::Fifo;
use crate::{Pipe, PipeEnd};
use linux_base::{Errno, Mode, Stat};

fn pair() -> (Arc<PipeEnd>, Arc<PipeEnd>) {
    Pipe::pair((0, 0))
}

/// What Linux would hold: slots of bytes, the last of which small writes may fill up.
#[derive(Default)]
struct Model {
    slots: VecDeque<(usize, Vec<u8>)>,
}

impl Model {
    fn write(&mut self, mut bytes: &[u8]) -> Option<usize> {
        let total = bytes.len();
        let over = total % 4096;
        if let Some((used, last)) = self.slots.back_mut()
            && over > 0
            && *used + over <= 4096
        {
            last.extend(&bytes[..over]);
            *used += over;
            bytes = &bytes[over..];
        }
        while !bytes.is_empty() && self.slots.len() < 16 {
            let len = bytes.len().min(4096);
            self.slots.push_back((len, bytes[..len].to_vec()));
            bytes = &bytes[len..];
        }
        Some(total - bytes.len()).filter(|len| *len > 0)
    }

    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some((_, first)) = self.slots.front_mut() {
            let step = first.len().min(len - all.len());
            all.extend(first.drain(..step));
            if !first.is_empty() {
                break;
            }
            self.slots.pop_front();
        }
        all
    }
}

#[test]
fn a_pipe_does_what_its_model_does() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let (reader, writer) = pair();
        let mut model = Model::default();
        let mut next = 0u8;
        for _ in 0..400 {
            let limit = [1, 10, 5000, 40_000][random.below(4)];
            let len = 1 + random.below(limit);
            if random.below(2) == 0 {
                let bytes: Vec<u8> = (0..len).map(|at| next.wrapping_add(at as u8)).collect();
                let expected = model.write(&bytes).ok_or(Errno::EAGAIN);
                assert_eq!(write(&*writer, &bytes), expected);
                next = next.wrapping_add(expected.unwrap_or(0) as u8);
            } else {
                let expected = model.read(len);
                let expected = if expected.is_empty() { Err(Errno::EAGAIN) } else { Ok(expected) };
                assert_eq!(read(&*reader, len), expected);
            }
            let held: usize = model.slots.iter().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(reader.pipe().len(), held);
            assert_eq!(reader.poll().contains(PollEvents::IN), held > 0);
            assert_eq!(writer.poll().contains(PollEvents::OUT), model.slots.len() < 16);
        }
    }
}

#[test]
fn a_new_pipe_takes_64_kib_and_no_more() {
    let (reader, writer) = pair();
    assert_eq!(write(&*writer, &[1; 70_000]), Ok(65_536));
    assert_eq!(write(&*writer, &[1]), Err(Errno::EAGAIN));
    assert_eq!(read(&*reader, 4095).map(|bytes| bytes.len()), Ok(4095));
    assert_eq!(writer.poll(), PollEvents::empty());
    assert_eq!(read(&*reader, 1), Ok(vec![1]));
    assert_eq!(writer.poll(), PollEvents::WRITABLE);
    assert_eq!(write(&*writer, &[2; 5000]), Ok(4096));
}

#[test]
fn ends_that_close_are_told_as_linux_tells_them() {
    let (reader, writer) = pair();
    assert_eq!((reader.poll(), writer.poll()), (PollEvents::empty(), PollEvents::WRITABLE));
    write(&*writer, b"last").unwrap();
    drop(writer);
    assert_eq!(reader.poll(), PollEvents::READABLE | PollEvents::HUP);
    assert_eq!(read(&*reader, 10), Ok(b"last".to_vec()));
    assert_eq!(reader.poll(), PollEvents::HUP);
    assert_eq!(read(&*reader, 10), Ok(vec![]));

    let (reader, writer) = pair();
    drop(reader);
    assert_eq!(writer.poll(), PollEvents::WRITABLE | PollEvents::ERR);
    assert_eq!(write(&*writer, b"x"), Err(Errno::EPIPE));
    assert_eq!(write(&*writer, b""), Ok(0));
}

#[test]
fn a_side_is_woken_once_for_what_it_waits_for() {
    let (reader, writer) = pair();
    let (reads, writes) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let _watches =
        [reader.queue().unwrap().watch(reads.clone()), writer.queue().unwrap().watch(writes.clone())];
    for _ in 0..20 {
        let _ = write(&*writer, &[0; 4096]);
    }
    assert_eq!((reads.take(), writes.take()), (1, 0));
    for _ in 0..16 {
        read(&*reader, 4096).unwrap();
    }
    assert_eq!((reads.take(), writes.take()), (0, 1));
    // Edge-triggered epoll, which polls, wants to know of each write.
    reader.poll();
    write(&*writer, b"a").unwrap();
    write(&*writer, b"b").unwrap();
    assert_eq!(reads.take(), 2);
    drop(writer);
    assert_eq!(reads.take(), 1);
}

#[test]
fn the_capacity_can_be_set() {
    let (reader, writer) = pair();
    let pipe = reader.pipe();
    assert_eq!(pipe.capacity(), 65_536);
    assert_eq!(pipe.set_capacity(5000, false), Ok(8192));
    assert_eq!(write(&*writer, &[0; 10_000]), Ok(8192));
    assert_eq!(pipe.set_capacity(0, false), Err(Errno::EBUSY));
    let woken = Arc::new(Count::default());
    let _watch = writer.queue().unwrap().watch(woken.clone());
    assert_eq!(pipe.set_capacity(1 << 20, false), Ok(1 << 20));
    assert_eq!(woken.take(), 1);
    assert_eq!(pipe.set_capacity((1 << 20) + 1, false), Err(Errno::EPERM));
    assert_eq!(pipe.set_capacity((1 << 20) + 1, true), Ok(1 << 21));
    assert_eq!(pipe.set_capacity(usize::MAX, true), Err(Errno::EINVAL));
    read(&*reader, 10_000).unwrap();
    assert_eq!(pipe.set_capacity(1, false), Ok(4096));
}

#[test]
fn packets_are_read_one_by_one() {
    let (reader, writer) = pair();
    let flags = IoFlags { status: OpenFlags::WRONLY | OpenFlags::DIRECT, rwf: 0 };
    for packet in [&b"first"[..], b"second"] {
        writer.write(0, &mut SliceSource::new(packet), flags).unwrap();
    }
    assert_eq!(read(&*reader, 3), Ok(b"fir".to_vec()));
    assert_eq!(read(&*reader, 100), Ok(b"second".to_vec()));
}

fn facts() -> Arc<dyn crate::Facts> {
    Arc::new(|| Ok(Stat { mode: Mode(Mode::FIFO | 0o644), ino: 7, ..Stat::default() }))
}

#[test]
fn opening_a_fifo_waits_for_the_other_side() {
    let fifo = Fifo::new();
    let reading = fifo.open(OpenFlags::empty(), facts()).unwrap();
    assert_eq!(reading.finish().err(), Some(Errno::EAGAIN));
    let woken = Arc::new(Count::default());
    let _watch = reading.queue().watch(woken.clone());
    let writing = fifo.open(OpenFlags::WRONLY, facts()).unwrap();
    assert_eq!(woken.take(), 1);
    let (reader, writer) = (reading.finish().unwrap(), writing.finish().unwrap());
    drop((reading, writing));
    write(&*writer, b"abc").unwrap();
    drop(writer);
    assert_eq!(reader.stat().map(|stat| stat.ino), Ok(7));
    assert_eq!(read(&*reader, 9), Ok(b"abc".to_vec()));
    assert_eq!(read(&*reader, 9), Ok(vec![]));
    assert_eq!(reader.poll(), PollEvents::HUP);
}

#[test]
fn a_writer_that_came_and_went_ends_the_opening_of_a_fifo() {
    let fifo = Fifo::new();
    let reading = fifo.open(OpenFlags::empty(), facts()).unwrap();
    drop(fifo.open(OpenFlags::WRONLY, facts()).unwrap());
    assert!(reading.finish().is_ok());
}

#[test]
fn opening_a_fifo_without_waiting() {
    let fifo = Fifo::new();
    let nonblock = OpenFlags::NONBLOCK;
    assert_eq!(fifo.open(OpenFlags::WRONLY | nonblock, facts()).err(), Some(Errno::ENXIO));
    let reader = fifo.open(nonblock, facts()).unwrap().finish().unwrap();
    // Nobody has written yet: that is the end of file, but no hang-up.
    assert_eq!((reader.poll(), read(&*reader, 1)), (PollEvents::empty(), Ok(vec![])));
    let writer = fifo.open(OpenFlags::WRONLY | nonblock, facts()).unwrap().finish().unwrap();
    assert_eq!(read(&*reader, 1), Err(Errno::EAGAIN));
    drop(writer);
    assert_eq!(reader.poll(), PollEvents::HUP);
    let both = fifo.open(OpenFlags::RDWR, facts()).unwrap().finish().unwrap();
    write(&*both, b"x").unwrap();
    drop(both);
    assert_eq!(read(&*reader, 1), Ok(b"x".to_vec()));
}

#[test]
fn an_end_can_be_opened_again_the_other_way_round() {
    let (reader, writer) = pair();
    let again = reader.reopen(OpenFlags::WRONLY).unwrap();
    drop(writer);
    assert_eq!((write(&*again, b"x"), read(&*reader, 9)), (Ok(1), Ok(b"x".to_vec())));
    assert_eq!(reader.poll(), PollEvents::empty());
    drop(again);
    assert_eq!(reader.poll(), PollEvents::HUP);
    assert_eq!(reader.reopen(OpenFlags::PATH).map(|_| ()).err(), Some(Errno::EINVAL));
}

#[test]
fn an_opening_that_is_given_up_leaves_no_reader() {
    let fifo = Fifo::new();
    drop(fifo.open(OpenFlags::empty(), facts()).unwrap());
    let refused = fifo.open(OpenFlags::WRONLY | OpenFlags::NONBLOCK, facts());
    assert_eq!(refused.map(|_| ()).err(), Some(Errno::ENXIO));
}
