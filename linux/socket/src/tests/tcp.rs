//! TCP over loopback; the error numbers are those that Linux gives for the same sequence.

use super::*;
use crate::numbers::*;
use crate::options::table;
use linux_base::abi::net as abi;

#[test]
fn a_connection_is_made_and_carries_bytes_both_ways() {
    let guest = guest();
    let (listener, port) = guest.listener();
    assert_eq!(listener.accept().err(), Some(Errno::EAGAIN));
    assert_eq!(listener.poll(), PollEvents::empty());
    let (log, _watch) = Log::of(&listener);
    let client = guest.socket(INET, STREAM);
    assert_eq!(client.poll(), PollEvents::WRITABLE | PollEvents::HUP);
    assert_eq!(client.connect(&root(), &v4(port)), Err(Errno::EINPROGRESS));
    assert_eq!(client.connect(&root(), &v4(port)), Err(Errno::EALREADY));
    assert_eq!((client.connected(), client.poll()), (None, PollEvents::empty()));
    guest.run(5);
    assert_eq!(log.take(), [PollEvents::READABLE]);
    assert_eq!(client.poll(), PollEvents::WRITABLE);
    assert_eq!(client.connect(&root(), &v4(port)), Ok(()));
    assert_eq!(client.connect(&root(), &v4(port)), Err(Errno::EISCONN));
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer.as_bytes(), client.name().unwrap().as_bytes());
    assert_eq!(client.peer_name().unwrap().as_bytes(), v4(port));
    assert_eq!(server.name().unwrap().as_bytes(), v4(port));
    assert_eq!(receive(&server, 10), Err(Errno::EAGAIN));
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (log, _watch) = Log::of(to);
        assert_eq!(send(from, b"hello"), Ok(5));
        guest.run(5);
        assert_eq!(log.take(), [PollEvents::READABLE]);
        assert_eq!(to.poll(), PollEvents::READABLE | PollEvents::WRITABLE);
        assert_eq!(receive_with(to, 3, MSG_PEEK), Ok(b"hel".to_vec()));
        assert_eq!(receive(to, 3), Ok(b"hel".to_vec()));
        assert_eq!(receive(to, 10), Ok(b"lo".to_vec()));
    }
}

#[test]
fn a_closed_port_refuses_once_and_the_socket_can_try_again() {
    let guest = guest();
    let client = guest.socket(INET, STREAM);
    assert_eq!(client.connect(&root(), &v4(9)), Err(Errno::EINPROGRESS));
    let (log, _watch) = Log::of(&client);
    guest.run(5);
    assert_eq!(log.take().len(), 1);
    assert!(client.poll().contains(PollEvents::ERR | PollEvents::HUP | PollEvents::IN | PollEvents::OUT));
    let mut value = [0; 4];
    assert_eq!(client.option(&root(), table::SOCKET, abi::SO_ERROR, &mut value), Ok(4));
    assert_eq!(i32::from_le_bytes(value), 111);
    client.option(&root(), table::SOCKET, abi::SO_ERROR, &mut value).unwrap();
    assert_eq!(value, [0; 4]);
    let (_listener, port) = guest.listener();
    assert_eq!(client.connect(&root(), &v4(port)), Err(Errno::EINPROGRESS));
    guest.run(5);
    assert_eq!(client.connected(), Some(Ok(())));
}

#[test]
fn the_end_is_read_once_everything_else_was() {
    let guest = guest();
    let (client, server) = guest.tcp_pair();
    send(&client, b"last words").unwrap();
    client.shutdown(SHUT_WR).unwrap();
    guest.run(5);
    assert!(server.poll().contains(PollEvents::IN | PollEvents::RDHUP | PollEvents::OUT));
    assert!(!server.poll().contains(PollEvents::HUP));
    assert_eq!(receive(&server, 100), Ok(b"last words".to_vec()));
    assert_eq!(receive(&server, 100), Ok(vec![]));
    assert_eq!(send(&client, b"more"), Err(Errno::EPIPE));
    assert_eq!(send(&server, b"answer"), Ok(6));
    server.shutdown(SHUT_WR).unwrap();
    guest.run(5);
    assert_eq!(receive(&client, 100), Ok(b"answer".to_vec()));
    assert!(client.poll().contains(PollEvents::HUP));
}

#[test]
fn what_was_written_before_close_arrives() {
    let guest = guest();
    let (client, server) = guest.tcp_pair();
    send(&client, &[7; 5000]).unwrap();
    drop(client);
    guest.run(20);
    assert_eq!(receive(&server, 10_000), Ok(vec![7; 5000]));
    assert_eq!(receive(&server, 10), Ok(vec![]));
    // Nobody reads any more: the first write is answered with a reset, the second is a broken pipe.
    assert_eq!(send(&server, b"x"), Ok(1));
    guest.run(5);
    assert_eq!(send(&server, b"x"), Err(Errno::EPIPE));
    assert_eq!(receive(&server, 10), Ok(vec![]));
}

#[test]
fn unread_bytes_and_a_linger_of_zero_reset_the_peer() {
    let guest = guest();
    for lingers in [false, true] {
        let (client, server) = guest.tcp_pair();
        if lingers {
            let value = [1, 0, 0, 0, 0, 0, 0, 0];
            client.set_option(&root(), table::SOCKET, abi::SO_LINGER, &value).unwrap();
        } else {
            send(&server, b"never read").unwrap();
            guest.run(5);
        }
        drop(client);
        guest.run(5);
        assert!(server.poll().contains(PollEvents::ERR | PollEvents::HUP));
        assert_eq!(receive(&server, 10), Err(Errno::ECONNRESET));
        assert_eq!(receive(&server, 10), Ok(vec![]));
        assert_eq!(send(&server, b"x"), Err(Errno::EPIPE));
    }
}

#[test]
fn a_full_buffer_takes_a_part_then_nothing_and_tells_of_room() {
    let guest = guest();
    let (client, server) = guest.tcp_pair();
    let mut sent = send(&client, &[1; 1 << 20]).unwrap();
    loop {
        guest.run(20);
        match send(&client, &[1; 1 << 20]) {
            Ok(len) => sent += len,
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                break;
            }
        }
    }
    assert!(!client.poll().contains(PollEvents::OUT));
    let (log, _watch) = Log::of(&client);
    let mut got = 0;
    while got < sent {
        got += receive(&server, 4096).unwrap_or_default().len();
        guest.run(20);
    }
    assert_eq!(log.take(), [PollEvents::WRITABLE]);
    assert!(client.poll().contains(PollEvents::OUT));
}

#[test]
fn both_families_can_be_at_one_port_and_ipv6_takes_mapped_callers() {
    let guest = guest();
    let listener = guest.socket(INET6, STREAM);
    listener.bind(&root(), &inet("[::]:8080")).unwrap();
    listener.listen(&root(), 10).unwrap();
    let other = guest.socket(INET, STREAM);
    assert_eq!(other.bind(&root(), &inet("0.0.0.0:8080")), Err(Errno::EADDRINUSE));
    for to in ["127.0.0.1:8080", "[::1]:8080"] {
        let client = guest.socket(if to.starts_with('[') { INET6 } else { INET }, STREAM);
        assert_eq!(client.connect(&root(), &inet(to)), Err(Errno::EINPROGRESS));
        guest.run(5);
        let (_server, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_bytes().len(), 28);
        assert_eq!(peer.as_bytes()[18..20] == [0xff, 0xff], !to.starts_with('['));
    }
    drop(listener);
    let only = guest.socket(INET6, STREAM);
    only.set_option(&root(), table::IPV6, abi::IPV6_V6ONLY, &1u32.to_le_bytes()).unwrap();
    only.bind(&root(), &inet("[::]:8080")).unwrap();
    only.listen(&root(), 10).unwrap();
    other.bind(&root(), &inet("0.0.0.0:8080")).unwrap();
    other.listen(&root(), 10).unwrap();
}

#[test]
fn a_burst_of_callers_beyond_the_backlog_is_not_left_waiting_long() {
    let guest = guest();
    let listener = guest.socket(INET, STREAM);
    listener.bind(&root(), &v4(80)).unwrap();
    listener.listen(&root(), 511).unwrap();
    let clients: Vec<_> = (0..256).map(|_| guest.socket(INET, STREAM)).collect();
    for client in &clients {
        assert_eq!(client.connect(&root(), &v4(80)), Err(Errno::EINPROGRESS));
    }
    guest.run(10);
    assert!(clients.iter().all(|client| client.connected() == Some(Ok(()))));
    assert_eq!((0..300).take_while(|_| listener.accept().is_ok()).count(), 256);
}

#[test]
fn sharers_of_a_port_have_callers_each() {
    let guest = guest();
    let listeners: Vec<_> = (0..4).map(|_| guest.socket(INET, STREAM)).collect();
    for listener in &listeners {
        listener.set_option(&root(), table::SOCKET, abi::SO_REUSEPORT, &1u32.to_le_bytes()).unwrap();
        listener.bind(&root(), &v4(80)).unwrap();
        listener.listen(&root(), 511).unwrap();
    }
    let clients: Vec<_> = (0..100).map(|_| guest.socket(INET, STREAM)).collect();
    for client in &clients {
        let _ = client.connect(&root(), &v4(80));
    }
    guest.run(10);
    let counts: Vec<_> =
        listeners.iter().map(|one| (0..200).take_while(|_| one.accept().is_ok()).count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 100);
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
}

#[test]
fn ports_below_1024_are_for_those_who_may() {
    let guest = guest();
    let socket = guest.socket(INET, STREAM);
    assert_eq!(socket.bind(&user(5), &v4(80)), Err(Errno::EACCES));
    assert_eq!(socket.bind(&root(), &inet("10.9.8.7:80")), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(socket.bind(&root(), &v4(80)), Ok(()));
    assert_eq!(socket.bind(&root(), &v4(81)), Err(Errno::EINVAL));
}

#[test]
fn calls_in_the_wrong_state_fail_as_with_linux() {
    let guest = guest();
    let socket = guest.socket(INET, STREAM);
    assert_eq!(receive(&socket, 1), Err(Errno::ENOTCONN));
    assert_eq!(send(&socket, b"x"), Err(Errno::EPIPE));
    assert_eq!(socket.shutdown(SHUT_RDWR), Err(Errno::ENOTCONN));
    assert_eq!(socket.shutdown(3), Err(Errno::EINVAL));
    assert_eq!(socket.accept().err(), Some(Errno::EINVAL));
    assert_eq!(socket.peer_name().err(), Some(Errno::ENOTCONN));
    assert_eq!(socket.connect(&root(), &[1, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(socket.connect(&root(), &inet("10.0.0.1:80")), Err(Errno::ENETUNREACH));
    let refused = |domain, kind, protocol| guest.sockets.socket(&root(), domain, kind, protocol).err();
    assert_eq!(refused(17, 3, 0), Some(Errno::EPERM));
    assert_eq!(refused(99, 1, 0), Some(Errno::EAFNOSUPPORT));
    assert_eq!(refused(2, 1, 17), Some(Errno::EPROTONOSUPPORT));
    assert_eq!(refused(2, 5, 0), Some(Errno::ESOCKTNOSUPPORT));
    assert_eq!(refused(2, 11, 0), Some(Errno::EINVAL));
}
