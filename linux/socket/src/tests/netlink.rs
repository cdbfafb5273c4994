//! What the C library and `ip` ask of netlink.

use super::*;
use crate::numbers::*;

const NETLINK: u32 = 16;

fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let len = 16 + body.len() as u32;
    let head = [len.to_le_bytes(), [kind as u8, (kind >> 8) as u8, flags as u8, (flags >> 8) as u8]].concat();
    [&head[..], &42u32.to_le_bytes(), &0u32.to_le_bytes(), body].concat()
}

/// Kind, flags, sequence, port and body of each message.
fn messages(bytes: &[u8]) -> Vec<(u16, u16, u32, u32, Vec<u8>)> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while rest.len() >= 16 {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let len = word(0) as usize;
        let kind = word(4);
        found.push((kind as u16, (kind >> 16) as u16, word(8), word(12), rest[16..len].to_vec()));
        rest = &rest[len.next_multiple_of(4).min(rest.len())..];
    }
    found
}

#[test]
fn dumps_of_links_and_addresses_name_loopback() {
    let guest = guest();
    let socket = guest.sockets.socket(&root(), NETLINK, 3, 0).unwrap();
    socket.bind(&root(), Address::netlink(0, 0).as_bytes()).unwrap();
    assert_eq!(socket.name().unwrap().as_bytes(), Address::netlink(100, 0).as_bytes());
    assert_eq!(receive(&socket, 4096), Err(Errno::EAGAIN));
    send(&socket, &request(18, 0x301, &[0; 16])).unwrap();
    assert!(socket.poll().contains(PollEvents::IN));
    let look = MSG_PEEK | MSG_TRUNC;
    let whole = socket.receive(&root(), &mut SliceSink::new(&mut []), 0, look).unwrap().len;
    let bytes = receive(&socket, 4096).unwrap();
    assert_eq!(whole, bytes.len());
    let links = messages(&bytes);
    assert_eq!(
        links.iter().map(|link| (link.0, link.1, link.2, link.3)).collect::<Vec<_>>(),
        [(16, 2, 42, 100), (3, 2, 42, 100)]
    );
    assert!(links[0].4.windows(3).any(|part| part == b"lo\0"));
    send(&socket, &request(22, 0x301, &[0; 8])).unwrap();
    let addresses = messages(&receive(&socket, 4096).unwrap());
    let families: Vec<_> =
        addresses.iter().filter(|message| message.0 == 20).map(|message| message.4[0]).collect();
    assert_eq!(families, [2, 10]);
    assert_eq!(addresses[0].4[1..4], [8, 0x80, 254]);
    assert!(addresses[0].4.windows(4).any(|part| part == [127, 0, 0, 1]));
}

#[test]
fn what_can_not_be_done_is_an_error_that_quotes_the_request() {
    let guest = guest();
    let socket = guest.sockets.socket(&root(), NETLINK, 2, 0).unwrap();
    send(&socket, &request(16, 5, &[0; 16])).unwrap();
    let errors = messages(&receive(&socket, 4096).unwrap());
    assert_eq!((errors[0].0, errors[0].2), (2, 42));
    assert_eq!(errors[0].4[..4], (-95i32).to_le_bytes());
    assert_eq!(errors[0].4[4..], request(16, 5, &[0; 16]));
    let mut body = vec![0; 16];
    body.extend_from_slice(&[7, 0, 3, 0, b'l', b'o', 0, 0]);
    send(&socket, &request(18, 5, &body)).unwrap();
    let link = messages(&receive(&socket, 4096).unwrap());
    assert_eq!(link.iter().map(|message| message.0).collect::<Vec<_>>(), [16, 2]);
    assert_eq!(link[1].4[..4], [0; 4]);
    let refused = |protocol| guest.sockets.socket(&root(), NETLINK, 3, protocol).err();
    assert_eq!((refused(15), refused(9)), (None, Some(Errno::EPROTONOSUPPORT)));
    let other = guest.sockets.socket(&root(), NETLINK, 3, 0).unwrap();
    assert_eq!(other.bind(&root(), Address::netlink(100, 0).as_bytes()), Err(Errno::EADDRINUSE));
    other.bind(&root(), Address::netlink(0, 0).as_bytes()).unwrap();
    assert_ne!(other.name().unwrap().as_bytes(), Address::netlink(100, 0).as_bytes());
}

#[test]
fn random_requests_do_no_harm() {
    let guest = guest();
    let socket = guest.sockets.socket(&root(), NETLINK, 3, 0).unwrap();
    let mut seed = 1u64;
    for _ in 0..20_000 {
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as u8
        };
        let len = usize::from(next()) % 64;
        let mut bytes: Vec<u8> = (0..len).map(|_| next() % 40).collect();
        if len > 8 && next() % 4 > 0 {
            bytes[0..4].copy_from_slice(&(len as u32).to_le_bytes());
            bytes[5] = 0;
            bytes[6] |= 1;
        }
        send(&socket, &bytes).unwrap();
        while receive(&socket, 100).is_ok_and(|bytes| !bytes.is_empty()) {}
    }
}

#[test]
fn who_listens_is_told_of_interfaces_that_come_and_go() {
    let guest = guest();
    let interface = |number: usize| {
        let mut status = guest.wire.0.lock().unwrap().0.interfaces().remove(0);
        // Loopback's, by another name: this stack has no devices.
        (status.mac, status.mtu) = (Some([0, 0x16, 0x3e, 0, 0, number as u8]), 1400 + number);
        status
    };
    let bound = guest.sockets.socket(&root(), NETLINK, 3, 0).unwrap();
    bound.bind(&root(), Address::netlink(0, 1).as_bytes()).unwrap();
    let joined = guest.sockets.socket(&root(), NETLINK, 3, 0).unwrap();
    joined.bind(&root(), Address::netlink(0, 0).as_bytes()).unwrap();
    let deaf = guest.sockets.socket(&root(), NETLINK, 3, 0).unwrap();
    deaf.bind(&root(), Address::netlink(0, 2).as_bytes()).unwrap();
    const SOL_NETLINK: u32 = 270;
    joined.set_option(&root(), SOL_NETLINK, 1, &1u32.to_le_bytes()).unwrap();
    guest.sockets.link_changed(&interface(1), true);
    guest.sockets.link_changed(&interface(1), false);
    for socket in [&bound, &joined] {
        assert!(socket.poll().contains(PollEvents::IN));
        for kind in [16, 17] {
            let told = messages(&receive(socket, 4096).unwrap());
            assert_eq!(
                told.iter().map(|told| (told.0, told.1, told.2, told.3)).collect::<Vec<_>>(),
                [(kind, 0, 0, 0)]
            );
            assert!(told[0].4.windows(6).any(|part| part == [0, 0x16, 0x3e, 0, 0, 1]));
            assert!(told[0].4.windows(5).any(|part| part == b"eth0\0"));
        }
    }
    assert_eq!(receive(&deaf, 4096), Err(Errno::EAGAIN));
    joined.set_option(&root(), SOL_NETLINK, 2, &1u32.to_le_bytes()).unwrap();
    drop(bound);
    guest.sockets.link_changed(&interface(2), true);
    assert_eq!(receive(&joined, 4096), Err(Errno::EAGAIN));
}
