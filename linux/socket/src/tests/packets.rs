//! Datagrams and packets of AF_UNIX, and sockets that only pass each other around.

use super::*;
use crate::control::{SCM_CREDENTIALS, SCM_RIGHTS, Writer, messages};
use crate::options::table;
use linux_base::abi::net as abi;
use std::sync::Weak;

fn rights(numbers: &[i32]) -> Vec<u8> {
    let mut writer = Writer::new(2000);
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    writer.put(table::SOCKET, SCM_RIGHTS, &bytes);
    writer.bytes
}

/// Sends a file over a socket, and forgets it.
fn pass(over: &Socket, file: &Arc<OpenFile>) -> Result<usize> {
    let sender = root();
    sender.install(file.clone(), false).unwrap();
    over.send(&sender, &mut SliceSource::new(b"f"), None, &rights(&[0]), 0)
}

#[test]
fn datagrams_find_their_receiver_by_name_and_tell_the_senders() {
    let guest = guest();
    let (server, client) = (guest.socket(UNIX, DGRAM), guest.socket(UNIX, DGRAM));
    server.bind(&root(), &path("/dev/log")).unwrap();
    client.bind(&root(), &path("\0client")).unwrap();
    let to = path("/dev/log");
    client.send(&root(), &mut SliceSource::new(b"one"), Some(&to), &[], 0).unwrap();
    client.send(&root(), &mut SliceSource::new(b""), Some(&to), &[], 0).unwrap();
    let mut bytes = [0; 10];
    let received = server.receive(&root(), &mut SliceSink::new(&mut bytes), 0, 0).unwrap();
    assert_eq!((received.len, received.address.unwrap().as_bytes()), (3, &path("\0client")[..]));
    assert_eq!(receive(&server, 10), Ok(vec![]));
    assert_eq!(receive(&server, 10), Err(Errno::EAGAIN));
    assert_eq!(send(&client, b"x"), Err(Errno::ENOTCONN));
    let stream = guest.socket(UNIX, STREAM);
    assert_eq!(stream.connect(&root(), &to), Err(Errno::EPROTOTYPE));
    // One that is connected hears its peer alone.
    let third = guest.socket(UNIX, DGRAM);
    server.connect(&root(), &path("\0client")).unwrap();
    assert_eq!(third.connect(&root(), &to), Err(Errno::EPERM));
    assert_eq!(client.connect(&root(), &to), Ok(()));
    drop(server);
    assert_eq!(send(&client, b"x"), Err(Errno::ECONNREFUSED));
    assert_eq!(send(&client, b"x"), Err(Errno::ENOTCONN));
}

#[test]
fn a_receiver_with_a_full_inbox_stops_its_senders_until_it_reads() {
    let guest = guest();
    let (one, two) = (guest.socket(UNIX, DGRAM), guest.socket(UNIX, DGRAM));
    two.bind(&root(), &path("\0full")).unwrap();
    one.connect(&root(), &path("\0full")).unwrap();
    assert_eq!((0..100).take_while(|_| send(&one, b"x").is_ok()).count(), 11);
    assert_eq!(send(&one, b"x"), Err(Errno::EAGAIN));
    assert!(!one.poll().contains(PollEvents::OUT));
    let (log, _watch) = Log::of(&one);
    receive(&two, 1).unwrap();
    assert_eq!(log.take(), [PollEvents::WRITABLE]);
    assert!(one.poll().contains(PollEvents::OUT));
    // Of a pair the buffers are the limit, with what Linux counts for each message.
    for kind in [DGRAM, SEQPACKET] {
        let (one, _two) = guest.sockets.pair(&root(), UNIX, kind, 0).unwrap();
        assert_eq!((0..1000).take_while(|_| send(&one, b"x").is_ok()).count(), 278);
    }
    let (one, _two) = guest.sockets.pair(&root(), UNIX, DGRAM, 0).unwrap();
    assert_eq!(send(&one, &[0; 212_992]), Err(Errno::EMSGSIZE));
}

#[test]
fn packets_keep_their_bounds_and_end() {
    let guest = guest();
    let (one, two) = guest.sockets.pair(&root(), UNIX, SEQPACKET, 0).unwrap();
    send(&one, b"first").unwrap();
    send(&one, b"second").unwrap();
    assert_eq!(receive(&two, 3), Ok(b"fir".to_vec()));
    assert_eq!(receive(&two, 10), Ok(b"second".to_vec()));
    drop(one);
    assert_eq!(receive(&two, 10), Ok(vec![]));
    assert_eq!(send(&two, b"x"), Err(Errno::EPIPE));
}

#[test]
fn credentials_are_told_to_who_asks_and_can_not_be_forged() {
    let guest = guest();
    let (one, two) = guest.sockets.pair(&root(), UNIX, STREAM, 0).unwrap();
    two.set_option(&root(), table::SOCKET, abi::SO_PASSCRED, &1u32.to_le_bytes()).unwrap();
    let claim = |pid: u32, uid: u32| {
        let mut writer = Writer::new(100);
        let bytes: Vec<u8> = [pid, uid, uid].iter().flat_map(|word| word.to_le_bytes()).collect();
        writer.put(table::SOCKET, SCM_CREDENTIALS, &bytes);
        writer.bytes
    };
    let send_as =
        |who: &Process, control: &[u8]| one.send(who, &mut SliceSource::new(b"x"), None, control, 0);
    assert_eq!(send_as(&user(5), &claim(1005, 6)), Err(Errno::EPERM));
    assert_eq!(send_as(&user(5), &claim(1, 5)), Err(Errno::EPERM));
    send_as(&user(5), &claim(1005, 5)).unwrap();
    send_as(&root(), &claim(7, 8)).unwrap();
    send_as(&user(9), &[]).unwrap();
    for (pid, uid) in [(1005u32, 5u32), (7, 8), (1009, 9)] {
        let mut bytes = [0; 10];
        // Bytes of different senders are not read as one.
        let received = two.receive(&root(), &mut SliceSink::new(&mut bytes), 100, 0).unwrap();
        let told = messages(&received.control).next().unwrap().unwrap();
        assert_eq!((received.len, told.kind), (1, SCM_CREDENTIALS));
        assert_eq!(
            (told.data[..4].to_vec(), told.data[4..8].to_vec()),
            (pid.to_le_bytes().to_vec(), uid.to_le_bytes().to_vec())
        );
    }
}

/// Two sockets of a pair, open, and what tells that they are gone.
fn watched(guest: &Guest) -> ([Arc<OpenFile>; 2], [Weak<Socket>; 2]) {
    let (one, two) = guest.sockets.pair(&root(), UNIX, STREAM, 0).unwrap();
    let weak = [Arc::downgrade(&one), Arc::downgrade(&two)];
    ([open(guest, &one), open(guest, &two)], weak)
}

fn over(file: &Arc<OpenFile>) -> &Socket {
    file.downcast().unwrap()
}

#[test]
fn sockets_that_only_each_other_hold_are_collected() {
    let guest = guest();
    // Into its own inbox; each into the other's; and a ring of two pairs.
    let ([a, b], own) = watched(&guest);
    pass(over(&a), &b).unwrap();
    drop((a, b));
    let ([c, d], crossed) = watched(&guest);
    pass(over(&c), &d).unwrap();
    pass(over(&d), &c).unwrap();
    drop((c, d));
    let (([e, f], ring1), ([g, h], ring2)) = (watched(&guest), watched(&guest));
    pass(over(&e), &h).unwrap();
    pass(over(&g), &f).unwrap();
    drop((e, f, g, h));
    // One that can still be received, with what is in it.
    let ([i, j], _outer) = watched(&guest);
    let ([k, l], inner) = watched(&guest);
    pass(over(&i), &l).unwrap();
    pass(over(&k), &l).unwrap();
    drop((k, l));
    drop(guest.socket(UNIX, STREAM));
    for gone in own.iter().chain(&crossed).chain(&ring1).chain(&ring2) {
        assert_eq!(gone.strong_count(), 0);
    }
    assert_eq!(inner[1].strong_count(), 1);
    let receiver = root();
    over(&j).receive(&receiver, &mut SliceSink::new(&mut [0; 10]), 100, 0).unwrap();
    let passed = receiver.file(0).unwrap();
    over(&passed).receive(&receiver, &mut SliceSink::new(&mut [0; 10]), 100, 0).unwrap();
    assert_eq!(receiver.files.borrow().len(), 2);
}

#[test]
fn a_long_chain_of_passed_sockets_is_closed_without_recursion() {
    let guest = guest();
    let limit = std::thread::Builder::new().stack_size(128 << 10);
    let run = move || {
        let ([mut outer, mut end], _) = watched(&guest);
        let sender = Process { most_files: 1 << 20, ..root() };
        let first = end.clone();
        for _ in 0..900 {
            let ([one, two], _) = watched(&guest);
            // What waits at `two` is the chain so far.
            pass(over(&one), &outer).unwrap();
            (outer, end) = (two, one);
        }
        drop((first, end, sender));
        drop(outer);
    };
    limit.spawn(run).unwrap().join().unwrap();
}

#[test]
fn so_many_files_in_flight_are_too_many() {
    let guest = guest();
    let pairs: Vec<_> = (0..10).map(|_| guest.sockets.pair(&root(), UNIX, STREAM, 0).unwrap()).collect();
    let file = open(&guest, &pairs[0].0);
    let mut last = Ok(0);
    let sent = (0..2000).take_while(|at| {
        last = pass(&pairs[at % 10].0, &file);
        last.is_ok()
    });
    assert_eq!((sent.count(), last), (1024, Err(Errno::ETOOMANYREFS)));
}

#[test]
fn autobind_gives_a_name_that_others_can_use() {
    let guest = guest();
    let (server, client) = (guest.socket(UNIX, DGRAM), guest.socket(UNIX, DGRAM));
    server.bind(&root(), &[1, 0]).unwrap();
    let name = server.name().unwrap();
    assert_eq!((name.as_bytes().len(), name.as_bytes()[2]), (8, 0));
    client.connect(&root(), name.as_bytes()).unwrap();
    send(&client, b"x").unwrap();
    assert_eq!(receive(&server, 1), Ok(b"x".to_vec()));
}
