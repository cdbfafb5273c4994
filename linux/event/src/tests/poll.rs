//! `poll`, `select` and eventfd.

use super::*;
use crate::eventfd::{EventFd, Takes};
use crate::{FdSets, Pipe, PollSet};
use linux_base::{Errno, host};

const IN: PollEvents = PollEvents::IN;

#[test]
fn poll_tells_of_what_is_wanted_and_of_what_is_always_told() {
    let (reader, writer) = Pipe::pair((0, 0));
    let (reader, writer) = (open(reader, OpenFlags::empty()), open(writer, OpenFlags::WRONLY));
    let mut set = PollSet::with_capacity(4).unwrap();
    set.push(Some(reader.clone()), IN).unwrap();
    set.push(Some(writer.clone()), PollEvents::empty()).unwrap();
    set.push_ignored().unwrap();
    assert_eq!(set.wait(Some(0)), Ok(0));
    writer.write(None, &mut SliceSource::new(b"x"), 0).unwrap();
    assert_eq!((set.wait(None), set.events(0)), (Ok(1), IN));
    set.push(None, IN).unwrap();
    assert_eq!((set.wait(None), set.events(3)), (Ok(2), PollEvents::NVAL));
    assert_eq!((set.events(1), set.events(2)), (PollEvents::empty(), PollEvents::empty()));
}

#[test]
fn poll_ends_when_another_thread_writes_or_at_its_deadline() {
    let (reader, writer) = Pipe::pair((0, 0));
    let mut set = PollSet::default();
    set.push(Some(open(reader, OpenFlags::empty())), IN).unwrap();
    assert_eq!(set.wait(Some(host::host().now_ns() + 1_000_000)), Ok(0));
    let thread = std::thread::spawn(move || {
        write(&*writer, b"x").unwrap();
        writer
    });
    assert_eq!(set.wait(None), Ok(1));
    thread.join().unwrap();
}

#[test]
fn select_answers_in_three_sets() {
    let (reader, writer) = Pipe::pair((0, 0));
    let files = [open(reader, OpenFlags::empty()), open(writer, OpenFlags::WRONLY)];
    let file = |fd: usize| files.get(fd.checked_sub(70)?).cloned();
    let mut sets = FdSets { sets: [vec![0; 2], vec![0; 2], vec![0; 2]] };
    sets.insert(0, 70);
    sets.insert(1, 71);
    sets.insert(2, 70);
    let (poll_set, fds) = sets.prepare(72, file).unwrap();
    let (result, count) = sets.result(&poll_set, &fds);
    assert_eq!((count, result.contains(0, 70), result.contains(1, 71)), (1, false, true));
    files[1].write(None, &mut SliceSource::new(b"x"), 0).unwrap();
    let (result, count) = sets.result(&poll_set, &fds);
    assert_eq!((count, result.contains(0, 70), result.contains(2, 70)), (2, true, false));
    sets.insert(0, 3);
    assert_eq!(sets.prepare(72, file).map(|_| ()).err(), Some(Errno::EBADF));
    assert!(sets.prepare(3, file).is_ok());
    assert_eq!((FdSets::bytes_for(0), FdSets::bytes_for(64), FdSets::bytes_for(65)), (0, 8, 16));
}

#[test]
fn an_eventfd_counts() {
    let event = EventFd::new(3, Takes::Everything);
    assert_eq!(event.poll(), PollEvents::IN | PollEvents::OUT);
    assert_eq!(write(&*event, &2u64.to_le_bytes()), Ok(8));
    assert_eq!(read(&*event, 8), Ok(5u64.to_le_bytes().to_vec()));
    assert_eq!(read(&*event, 8), Err(Errno::EAGAIN));
    assert_eq!(read(&*event, 7), Err(Errno::EINVAL));
    assert_eq!(write(&*event, &[0; 7]), Err(Errno::EINVAL));
    assert_eq!(write(&*event, &u64::MAX.to_le_bytes()), Err(Errno::EINVAL));
    assert_eq!(write(&*event, &(u64::MAX - 1).to_le_bytes()), Ok(8));
    assert_eq!(event.poll(), PollEvents::IN);
    let one = 1u64.to_le_bytes();
    let mut source = SliceSource::new(&one);
    assert_eq!(event.write(0, &mut source, FLAGS), Err(Errno::EAGAIN));
    event.take().unwrap();
    assert_eq!(event.write(0, &mut source, FLAGS), Ok(8));
}

#[test]
fn a_semaphore_is_taken_one_by_one() {
    let event = EventFd::new(2, Takes::One);
    let one = 1u64.to_le_bytes().to_vec();
    assert_eq!((read(&*event, 8), read(&*event, 8)), (Ok(one.clone()), Ok(one)));
    assert_eq!(read(&*event, 8), Err(Errno::EAGAIN));
    assert_eq!(event.poll(), PollEvents::OUT);
}
