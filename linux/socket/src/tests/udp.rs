//! UDP over loopback.

use super::*;
use crate::control::{Writer, messages};
use crate::numbers::*;
use crate::options::table;
use linux_base::abi::net as abi;

fn send_to(socket: &Socket, bytes: &[u8], to: &[u8]) -> Result<usize> {
    socket.send(&root(), &mut SliceSource::new(bytes), Some(to), &[], 0)
}

fn bound(guest: &Guest, domain: u32, at: &str) -> Arc<Socket> {
    let socket = guest.socket(domain, DGRAM);
    socket.bind(&root(), &inet(at)).unwrap();
    socket
}

#[test]
fn datagrams_go_whole_to_whom_they_are_sent() {
    let guest = guest();
    let server = bound(&guest, INET, "127.0.0.1:53");
    let client = guest.socket(INET, DGRAM);
    assert_eq!(send(&client, b"x"), Err(Errno::EDESTADDRREQ));
    let (log, _watch) = Log::of(&server);
    assert_eq!(send_to(&client, b"question", &v4(53)), Ok(8));
    assert_eq!(send_to(&client, b"", &v4(53)), Ok(0));
    guest.run(5);
    assert!(log.take().contains(&PollEvents::READABLE));
    let mut bytes = [0; 4];
    let received = server.receive(&root(), &mut SliceSink::new(&mut bytes), 0, MSG_PEEK | MSG_TRUNC).unwrap();
    assert_eq!((received.len, received.flags), (8, MSG_TRUNC));
    let received = server.receive(&root(), &mut SliceSink::new(&mut bytes), 0, 0).unwrap();
    assert_eq!((received.len, received.flags, &bytes), (4, MSG_TRUNC, b"ques"));
    assert_eq!(port_of(&received.address.unwrap()), port_of(&client.name().unwrap()));
    assert_eq!(receive(&server, 10), Ok(vec![]));
    assert_eq!(receive(&server, 10), Err(Errno::EAGAIN));
    assert_eq!(client.name().unwrap().as_bytes()[4..8], [0; 4]);
}

#[test]
fn the_longest_datagram_passes_and_a_longer_one_is_refused() {
    let guest = guest();
    let server = bound(&guest, INET, "127.0.0.1:53");
    let client = guest.socket(INET, DGRAM);
    assert_eq!(send_to(&client, &[7; 65508], &v4(53)), Err(Errno::EMSGSIZE));
    assert_eq!(send_to(&client, &[7; 65507], &v4(53)), Ok(65507));
    guest.run(5);
    assert_eq!(receive(&server, 70_000).map(|bytes| bytes.len()), Ok(65507));
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let guest = guest();
    let (server, other) = (bound(&guest, INET, "127.0.0.1:53"), bound(&guest, INET, "127.0.0.1:54"));
    let client = guest.socket(INET, DGRAM);
    assert_eq!(guest.socket(INET, DGRAM).shutdown(SHUT_RD), Err(Errno::ENOTCONN));
    client.connect(&root(), &v4(53)).unwrap();
    assert_eq!(client.name().unwrap().as_bytes()[4..8], [127, 0, 0, 1]);
    let back = client.name().unwrap();
    send_to(&other, b"intruder", back.as_bytes()).unwrap();
    send_to(&server, b"answer", back.as_bytes()).unwrap();
    guest.run(5);
    assert_eq!(receive(&client, 10), Ok(b"answer".to_vec()));
    assert_eq!(receive(&client, 10), Err(Errno::EAGAIN));
}

#[test]
fn both_families_reach_a_socket_of_ipv6() {
    let guest = guest();
    let server = bound(&guest, INET6, "[::]:53");
    for (domain, to) in [(INET, "127.0.0.1:53"), (INET6, "[::1]:53"), (INET6, "127.0.0.1:53")] {
        let to = if domain == INET6 {
            Address::inet(AF_INET6, to.parse().unwrap()).as_bytes().to_vec()
        } else {
            inet(to)
        };
        send_to(&guest.socket(domain, DGRAM), b"x", &to).unwrap();
        guest.run(5);
    }
    // The senders have been closed, with what they had not sent yet.
    let senders: Vec<_> = (0..3).map(|_| guest.socket(INET, DGRAM)).collect();
    for sender in &senders {
        send_to(sender, b"y", &v4(53)).unwrap();
    }
    guest.run(5);
    assert!((3..=6).contains(&(0..10).take_while(|_| receive(&server, 10).is_ok()).count()));
}

#[test]
fn where_a_datagram_came_in_is_told_and_can_be_answered_from() {
    let guest = guest();
    let (server, client) = (bound(&guest, INET, "0.0.0.0:53"), guest.socket(INET, DGRAM));
    server.set_option(&root(), table::IP, abi::IP_PKTINFO, &1u32.to_le_bytes()).unwrap();
    send_to(&client, b"x", &inet("127.0.0.5:53")).unwrap();
    guest.run(5);
    let mut bytes = [0; 10];
    let received = server.receive(&root(), &mut SliceSink::new(&mut bytes), 100, 0).unwrap();
    let info = messages(&received.control).next().unwrap().unwrap();
    assert_eq!(
        (info.level, info.kind, &info.data[..4], &info.data[8..]),
        (0, 8, &[1, 0, 0, 0][..], &[127, 0, 0, 5][..])
    );
    let mut control = Writer::new(100);
    control.put(table::IP, abi::IP_PKTINFO, &[0, 0, 0, 0, 127, 0, 0, 5, 0, 0, 0, 0]);
    let to = received.address.unwrap();
    server.send(&root(), &mut SliceSource::new(b"y"), Some(to.as_bytes()), &control.bytes, 0).unwrap();
    guest.run(5);
    let received = client.receive(&root(), &mut SliceSink::new(&mut bytes), 0, 0).unwrap();
    assert_eq!(received.address.unwrap().as_bytes()[4..8], [127, 0, 0, 5]);
}

#[test]
fn ports_are_taken_and_shared_as_options_say() {
    let guest = guest();
    let _first = bound(&guest, INET, "0.0.0.0:5000");
    let second = guest.socket(INET, DGRAM);
    assert_eq!(second.bind(&root(), &v4(5000)), Err(Errno::EADDRINUSE));
    let sharers: Vec<_> = (0..3).map(|_| guest.socket(INET, DGRAM)).collect();
    for sharer in &sharers {
        sharer.set_option(&root(), table::SOCKET, abi::SO_REUSEPORT, &1u32.to_le_bytes()).unwrap();
        sharer.bind(&root(), &v4(6000)).unwrap();
    }
    let senders: Vec<_> = (0..60).map(|_| guest.socket(INET, DGRAM)).collect();
    for sender in &senders {
        send_to(sender, b"x", &v4(6000)).unwrap();
    }
    guest.run(5);
    let counts: Vec<_> =
        sharers.iter().map(|one| (0..99).take_while(|_| receive(one, 1).is_ok()).count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 60);
    assert!(counts.iter().all(|count| *count > 3), "{counts:?}");
}
