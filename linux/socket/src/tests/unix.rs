//! AF_UNIX; the error numbers are those that Linux gives for the same sequence.

use super::*;
use crate::control::{SCM_RIGHTS, Writer, messages};
use crate::numbers::*;
use crate::options::table;
use linux_base::abi::net as abi;

fn rights(numbers: &[i32]) -> Vec<u8> {
    let mut writer = Writer::new(2000);
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    writer.put(table::SOCKET, SCM_RIGHTS, &bytes);
    writer.bytes
}

fn pair(guest: &Guest, kind: u32) -> (Arc<Socket>, Arc<Socket>) {
    guest.sockets.pair(&root(), UNIX, kind, 0).unwrap()
}

#[test]
fn a_stream_carries_bytes_and_ends() {
    let guest = guest();
    let (one, two) = pair(&guest, STREAM);
    assert_eq!(receive(&two, 10), Err(Errno::EAGAIN));
    let (log, _watch) = Log::of(&two);
    assert_eq!((send(&one, b"hello "), send(&one, b"world")), (Ok(6), Ok(5)));
    assert_eq!(log.take(), [PollEvents::READABLE; 2]);
    assert_eq!(receive_with(&two, 8, MSG_PEEK), Ok(b"hello wo".to_vec()));
    assert_eq!(receive(&two, 4), Ok(b"hell".to_vec()));
    assert_eq!(receive(&two, 100), Ok(b"o world".to_vec()));
    send(&one, b"end").unwrap();
    drop(one);
    assert!(two.poll().contains(PollEvents::HUP | PollEvents::RDHUP | PollEvents::IN));
    assert_eq!(receive(&two, 100), Ok(b"end".to_vec()));
    assert_eq!(receive(&two, 100), Ok(vec![]));
    assert_eq!(send(&two, b"x"), Err(Errno::EPIPE));
}

#[test]
fn a_full_stream_takes_a_part_and_tells_when_most_is_read() {
    let guest = guest();
    let (one, two) = pair(&guest, STREAM);
    let sent = send(&one, &[3; 1 << 20]).unwrap();
    assert_eq!(sent, 219_264);
    assert_eq!(send(&one, b"x"), Err(Errno::EAGAIN));
    assert!(!one.poll().contains(PollEvents::OUT));
    let (log, _watch) = Log::of(&one);
    let mut got = 0;
    while got < sent {
        got += receive(&two, 1000).unwrap().len();
    }
    assert_eq!((got, log.take()), (sent, vec![PollEvents::WRITABLE]));
    assert!(one.poll().contains(PollEvents::OUT));
}

#[test]
fn a_name_is_listened_at_called_and_accepted() {
    let guest = guest();
    for address in [path("/run/s"), path("\0abstract")] {
        let (listener, client) = (guest.socket(UNIX, STREAM), guest.socket(UNIX, STREAM));
        assert_eq!(listener.listen(&root(), 1), Err(Errno::EINVAL));
        listener.bind(&root(), &address).unwrap();
        assert_eq!(client.connect(&root(), &address), Err(Errno::ECONNREFUSED));
        listener.listen(&root(), 1).unwrap();
        let other = guest.socket(UNIX, STREAM);
        assert_eq!(other.bind(&root(), &address), Err(Errno::EADDRINUSE));
        let (log, _watch) = Log::of(&listener);
        assert_eq!(client.connect(&user(7), &address), Ok(()));
        assert_eq!(log.take(), [PollEvents::READABLE]);
        assert_eq!(client.connect(&root(), &address), Err(Errno::EISCONN));
        assert_eq!(send(&client, b"early"), Ok(5));
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(listener.accept().err(), Some(Errno::EAGAIN));
        assert_eq!(peer.as_bytes(), [1, 0]);
        assert_eq!(receive(&server, 10), Ok(b"early".to_vec()));
        assert_eq!(&client.peer_name().unwrap().as_bytes()[..address.len()], address);
        let mut credentials = [0; 12];
        server.option(&root(), table::SOCKET, abi::SO_PEERCRED, &mut credentials).unwrap();
        assert_eq!((credentials[0..4].to_vec(), credentials[4]), (1007u32.to_le_bytes().to_vec(), 7));
    }
    let client = guest.socket(UNIX, STREAM);
    assert_eq!(client.connect(&root(), &path("/nowhere")), Err(Errno::ENOENT));
    assert_eq!(client.connect(&root(), &path("/run/s")), Err(Errno::ECONNREFUSED));
    assert_eq!(receive(&client, 1), Err(Errno::EINVAL));
    assert_eq!(send(&client, b"x"), Err(Errno::ENOTCONN));
    assert_eq!(client.poll(), PollEvents::WRITABLE | PollEvents::WRBAND | PollEvents::HUP);
}

#[test]
fn a_full_backlog_says_try_again_and_tells_when_there_is_room() {
    let guest = guest();
    let listener = guest.socket(UNIX, STREAM);
    listener.bind(&root(), &path("\0b")).unwrap();
    listener.listen(&root(), 1).unwrap();
    let clients: Vec<_> = (0..3).map(|_| guest.socket(UNIX, STREAM)).collect();
    let results: Vec<_> = clients.iter().map(|client| client.connect(&root(), &path("\0b"))).collect();
    assert_eq!(results, [Ok(()), Ok(()), Err(Errno::EAGAIN)]);
    let (log, _watch) = Log::of(&clients[2]);
    listener.accept().unwrap();
    assert_eq!(log.take().len(), 1);
    assert_eq!(clients[2].connect(&root(), &path("\0b")), Ok(()));
    drop(listener);
    assert_eq!(receive(&clients[2], 1), Err(Errno::ECONNRESET));
    assert_eq!(receive(&clients[2], 1), Ok(vec![]));
}

#[test]
fn a_descriptor_is_passed_with_its_bytes_and_only_once() {
    let guest = guest();
    let (one, two) = pair(&guest, STREAM);
    let (sender, receiver) = (root(), root());
    let (left, right) = pair(&guest, STREAM);
    sender.install(open(&guest, &left), false).unwrap();
    drop(left);
    let mut source = SliceSource::new(b"take this");
    assert_eq!(one.send(&sender, &mut source, None, &rights(&[1]), 0), Err(Errno::EBADF));
    assert_eq!(one.send(&sender, &mut source, None, &rights(&[0]), 0), Ok(9));
    sender.files.borrow_mut().clear();
    send(&one, b"and that").unwrap();
    let mut bytes = [0; 100];
    let received = two.receive(&receiver, &mut SliceSink::new(&mut bytes), 100, 0).unwrap();
    assert_eq!((received.len, received.flags), (9, 0));
    let message = messages(&received.control).next().unwrap().unwrap();
    assert_eq!((message.kind, message.data), (SCM_RIGHTS, &[0; 4][..]));
    let passed = receiver.file(0).unwrap();
    send(passed.downcast::<Socket>().unwrap(), b"alive").unwrap();
    assert_eq!(receive(&right, 10), Ok(b"alive".to_vec()));
    let received = two.receive(&receiver, &mut SliceSink::new(&mut bytes), 100, 0).unwrap();
    assert_eq!((received.len, received.control.len()), (8, 0));
}

#[test]
fn descriptors_without_room_are_closed_and_the_message_says_so() {
    let guest = guest();
    let (one, two) = pair(&guest, STREAM);
    let sender = root();
    let (left, right) = pair(&guest, STREAM);
    sender.install(open(&guest, &left), false).unwrap();
    drop(left);
    one.send(&sender, &mut SliceSource::new(b"x"), None, &rights(&[0]), 0).unwrap();
    sender.files.borrow_mut().clear();
    let mut bytes = [0; 10];
    let received = two.receive(&root(), &mut SliceSink::new(&mut bytes), 0, 0).unwrap();
    assert_eq!((received.len, received.flags), (1, MSG_CTRUNC));
    assert_eq!(receive(&right, 1), Ok(vec![]));
}

/// A buffer of ten bytes of which only three are there.
struct Torn(usize);

impl linux_base::Source for Torn {
    fn left(&self) -> usize {
        10 - self.0
    }

    fn pull(&mut self, into: &mut [u8]) -> Result<usize> {
        let len = into.len().min(3_usize.saturating_sub(self.0));
        if len == 0 {
            return Err(Errno::EFAULT);
        }
        into[..len].fill(b'x');
        self.0 += len;
        Ok(len)
    }

    fn unpull(&mut self, len: usize) {
        self.0 -= len;
    }
}

#[test]
fn bytes_of_a_buffer_that_is_not_all_there_do_not_arrive() {
    let guest = guest();
    let (one, two) = pair(&guest, STREAM);
    // Into a message of its own, and behind the last one.
    for before in [&b""[..], b"ab"] {
        if !before.is_empty() {
            assert_eq!(send(&one, before), Ok(before.len()));
        }
        let mut torn = Torn(0);
        assert_eq!(one.send(&root(), &mut torn, None, &[], 0), Err(Errno::EFAULT));
        assert_eq!(torn.0, 0);
    }
    assert_eq!(receive(&two, 10), Ok(b"ab".to_vec()));
}
