//! Options: what is read back, and what is refused.

use super::*;
use crate::options::table::{IP, IPV6, SOCKET, TCP};
use linux_base::abi::net as abi;

fn get(socket: &Socket, level: u32, name: u32) -> Result<i32> {
    let mut bytes = [0; 4];
    let len = socket.option(&root(), level, name, &mut bytes)?;
    assert_eq!(len, 4);
    Ok(i32::from_le_bytes(bytes))
}

fn set(socket: &Socket, level: u32, name: u32, value: i32) -> Result<()> {
    socket.set_option(&root(), level, name, &value.to_le_bytes())
}

#[test]
fn numbers_are_read_as_linux_keeps_them() {
    let guest = guest();
    let tcp = guest.socket(INET, STREAM);
    for (level, name, first, value, after) in [
        (SOCKET, abi::SO_REUSEADDR, 0, 7, 1),
        (SOCKET, abi::SO_KEEPALIVE, 0, 1, 1),
        (SOCKET, abi::SO_SNDBUF, 16384, 10_000, 20_000),
        (SOCKET, abi::SO_RCVBUF, 131_072, 1, 2304),
        (SOCKET, abi::SO_RCVBUF, 2304, 1 << 30, 425_984),
        (TCP, abi::TCP_NODELAY, 0, 1, 1),
        (TCP, abi::TCP_KEEPIDLE, 7200, 60, 60),
        (TCP, abi::TCP_KEEPCNT, 9, 3, 3),
        (TCP, abi::TCP_USER_TIMEOUT, 0, 5000, 5000),
        (IP, abi::IP_TTL, 64, 10, 10),
        (IP, abi::IP_TTL, 10, -1, 64),
        (IP, abi::IP_TOS, 0, 0x10, 0x10),
    ] {
        assert_eq!(get(&tcp, level, name), Ok(first), "{level} {name}");
        set(&tcp, level, name, value).unwrap();
        assert_eq!(get(&tcp, level, name), Ok(after), "{level} {name}");
    }
    assert_eq!(get(&tcp, SOCKET, abi::SO_TYPE), Ok(1));
    assert_eq!(get(&tcp, SOCKET, abi::SO_PROTOCOL), Ok(6));
    assert_eq!(get(&tcp, SOCKET, abi::SO_DOMAIN), Ok(2));
    assert_eq!(get(&tcp, SOCKET, abi::SO_ACCEPTCONN), Ok(0));
    let (listener, _) = guest.listener();
    assert_eq!(get(&listener, SOCKET, abi::SO_ACCEPTCONN), Ok(1));
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_refused() {
    let guest = guest();
    let (tcp, unix) = (guest.socket(INET, STREAM), guest.socket(UNIX, STREAM));
    assert_eq!(set(&tcp, SOCKET, 9999, 1), Err(Errno::ENOPROTOOPT));
    assert_eq!(set(&tcp, TCP, 9999, 1), Err(Errno::ENOPROTOOPT));
    assert_eq!(get(&tcp, SOCKET, 9999), Err(Errno::ENOPROTOOPT));
    assert_eq!(set(&tcp, SOCKET, abi::SO_TYPE, 1), Err(Errno::ENOPROTOOPT));
    assert_eq!(set(&tcp, IPV6, abi::IPV6_V6ONLY, 1), Err(Errno::ENOPROTOOPT));
    assert_eq!(set(&unix, TCP, abi::TCP_NODELAY, 1), Err(Errno::EOPNOTSUPP));
    assert_eq!(set(&tcp, TCP, abi::TCP_KEEPIDLE, 0), Err(Errno::EINVAL));
    assert_eq!(set(&tcp, IP, abi::IP_TTL, 256), Err(Errno::EINVAL));
    assert_eq!(set(&tcp, IP, abi::IP_TTL, 0), Err(Errno::EINVAL));
    let short = |name| tcp.set_option(&root(), SOCKET, name, &[1, 0, 0]);
    assert_eq!((short(abi::SO_REUSEADDR), short(abi::SO_LINGER)), (Err(Errno::EINVAL), Err(Errno::EINVAL)));
    let mut time = [0; 16];
    time[8..].copy_from_slice(&1_000_000u64.to_le_bytes());
    assert_eq!(tcp.set_option(&root(), SOCKET, abi::SO_RCVTIMEO_OLD, &time), Err(Errno::EDOM));
    time[8..].copy_from_slice(&500_000u64.to_le_bytes());
    tcp.set_option(&root(), SOCKET, abi::SO_RCVTIMEO_OLD, &time).unwrap();
    assert_eq!(tcp.receive_timeout_ns(), Some(500_000_000));
    assert_eq!(tcp.set_option(&root(), SOCKET, abi::SO_BINDTODEVICE, b"none\0"), Err(Errno::ENODEV));
    tcp.set_option(&root(), SOCKET, abi::SO_BINDTODEVICE, b"lo\0").unwrap();
    assert_eq!(tcp.set_option(&root(), TCP, abi::TCP_CONGESTION, b"warp"), Err(Errno::ENOENT));
    tcp.set_option(&root(), TCP, abi::TCP_CONGESTION, b"cubic").unwrap();
    let mut name = [0; 16];
    assert_eq!(tcp.option(&root(), TCP, abi::TCP_CONGESTION, &mut name), Ok(16));
    assert_eq!(&name[..6], b"cubic\0");
}

#[test]
fn an_accepted_socket_has_its_listener_s_options() {
    let guest = guest();
    let (listener, port) = guest.listener();
    set(&listener, TCP, abi::TCP_NODELAY, 1).unwrap();
    set(&listener, SOCKET, abi::SO_KEEPALIVE, 1).unwrap();
    let client = guest.socket(INET, STREAM);
    let _ = client.connect(&root(), &v4(port));
    guest.run(5);
    let (server, _) = listener.accept().unwrap();
    assert_eq!(
        (get(&server, TCP, abi::TCP_NODELAY), get(&server, SOCKET, abi::SO_KEEPALIVE)),
        (Ok(1), Ok(1))
    );
    let mut info = [0; 104];
    assert_eq!(server.option(&root(), TCP, abi::TCP_INFO, &mut info), Ok(104), "what older programs know");
    assert_eq!(info[0], 1);
    super::send(&client, b"hello").unwrap();
    guest.run(50);
    let mut info = [0; 300];
    assert_eq!(server.option(&root(), TCP, abi::TCP_INFO, &mut info), Ok(232));
    let at = |at: usize| u64::from_le_bytes(info[at..at + 8].try_into().unwrap());
    assert_eq!((at(120), at(128)), (0, 5), "bytes acknowledged and received");
    assert_eq!(client.option(&root(), TCP, abi::TCP_INFO, &mut info), Ok(232));
    let at = |at: usize| u64::from_le_bytes(info[at..at + 8].try_into().unwrap());
    assert_eq!((at(120), at(128), at(200)), (5, 0, 5), "and sent");
}

#[test]
fn groups_are_joined_once_and_left() {
    let guest = guest();
    let socket = guest.socket(INET, DGRAM);
    let request = [239, 1, 2, 3, 0, 0, 0, 0, 1, 0, 0, 0];
    let change = |name| socket.set_option(&root(), IP, name, &request);
    assert_eq!(change(abi::IP_DROP_MEMBERSHIP), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(change(abi::IP_ADD_MEMBERSHIP), Ok(()));
    assert_eq!(change(abi::IP_ADD_MEMBERSHIP), Err(Errno::EADDRINUSE));
    assert_eq!(change(abi::IP_DROP_MEMBERSHIP), Ok(()));
    let no_group = [10, 1, 2, 3, 0, 0, 0, 0];
    assert_eq!(socket.set_option(&root(), IP, abi::IP_ADD_MEMBERSHIP, &no_group), Err(Errno::EINVAL));
}
