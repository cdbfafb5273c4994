use std::vec::Vec;

use linux_base::{Errno, PollEvents};
use xen_sys::io::xs_wire::{XS_READ, XS_WATCH_EVENT, XS_WRITE};
use xenstore::wire::{self, Message};

use super::{open, read, write};
use crate::Device;

fn request(kind: u32, req_id: u32, payload: &[u8]) -> Vec<u8> {
    wire::encode(kind, req_id, 3, &[payload]).expect("short")
}

fn message(kind: u32, req_id: u32, payload: &[u8]) -> Message {
    Message { kind, req_id, tx_id: 3, payload: payload.to_vec() }
}

#[test]
fn requests_are_put_together_from_writes_of_every_size() {
    let mut bytes = Vec::new();
    let payloads: [&[u8]; 4] = [b"data\0", b"", b"data/x\0value", &[7; 4096]];
    for (number, payload) in payloads.iter().enumerate() {
        bytes.extend(request(XS_WRITE, number as u32, payload));
    }
    for size in (1..60).chain([1000, 4111, 4112, 4113, 10000]) {
        let (host, _, file) = open(Device::Xenbus);
        for chunk in bytes.chunks(size) {
            assert_eq!(write(&file, chunk), Ok(chunk.len()));
        }
        let expected: Vec<_> =
            payloads.iter().zip(0..).map(|(payload, number)| message(XS_WRITE, number, payload)).collect();
        assert_eq!(host.session().sent(), expected, "by {size}");
    }
}

#[test]
fn replies_and_events_are_read_in_pieces_of_every_size() {
    for size in (1..40).chain([4096, 100_000]) {
        let (host, _, file) = open(Device::Xenbus);
        assert_eq!(read(&file, size), Err(Errno::EAGAIN));
        host.session().reply(XS_READ, 1, b"value");
        host.session().reply(XS_WATCH_EVENT, 0, b"path\0token\0");
        host.session().reply(XS_READ, 2, &[9; 4096]);
        let mut expected = Vec::new();
        for (kind, id, payload) in
            [(XS_READ, 1, &b"value"[..]), (XS_WATCH_EVENT, 0, b"path\0token\0"), (XS_READ, 2, &[9; 4096])]
        {
            expected.extend(wire::encode(kind, id, 0, &[payload]).expect("short"));
        }
        let mut got = Vec::new();
        while file.poll().contains(PollEvents::IN) {
            got.extend(read(&file, size).expect("it is readable"));
        }
        assert_eq!(got, expected, "by {size}");
        assert_eq!((read(&file, size), read(&file, 0)), (Err(Errno::EAGAIN), Ok(Vec::new())));
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_and_forgotten() {
    let (host, _, file) = open(Device::Xenbus);
    let mut bytes = request(XS_READ, 1, b"");
    for len in [4097u32, 1 << 20, u32::MAX] {
        bytes[12..16].copy_from_slice(&len.to_le_bytes());
        assert_eq!(write(&file, &bytes), Err(Errno::E2BIG));
        assert_eq!(write(&file, &bytes[..7]), Ok(7));
        assert_eq!(write(&file, &bytes[7..]), Err(Errno::E2BIG));
    }
    assert_eq!(write(&file, &request(XS_READ, 5, b"x\0")), Ok(18));
    assert_eq!(host.session().sent(), [message(XS_READ, 5, b"x\0")]);
}

#[test]
fn a_writer_waits_while_there_is_no_room_and_nothing_is_lost() {
    let (host, _, file) = open(Device::Xenbus);
    let session = host.session();
    session.set_room(Some(2));
    let mut bytes = Vec::new();
    for number in 0..5 {
        bytes.extend(request(XS_READ, number, b"data\0"));
    }
    // Two fit, and no byte of the third is taken.
    assert_eq!(write(&file, &bytes), Ok(42));
    assert_eq!((write(&file, &bytes[42..]), file.poll()), (Err(Errno::EAGAIN), PollEvents::empty()));
    session.set_room(None);
    assert_eq!(file.poll(), PollEvents::WRITABLE);
    assert_eq!(write(&file, &bytes[42..]), Ok(63));
    let sent: Vec<_> = session.sent().iter().map(|message| message.req_id).collect();
    assert_eq!(sent, [0, 1, 2, 3, 4]);
}

#[test]
fn the_end_of_the_connection_is_an_error_for_both() {
    let (host, _, file) = open(Device::Xenbus);
    host.session().reply(XS_READ, 1, b"");
    host.session().end();
    assert!(file.poll().contains(PollEvents::READABLE | PollEvents::WRITABLE));
    assert_eq!(read(&file, 100).map(|bytes| bytes.len()), Ok(16));
    assert_eq!(read(&file, 100), Err(Errno::EIO));
    assert_eq!(write(&file, &request(XS_READ, 1, b"")), Err(Errno::EIO));
}

#[test]
fn without_xenstored_it_does_not_open() {
    let (host, devices, _) = open(Device::Evtchn);
    host.fail(Errno::ENXIO);
    assert_eq!(devices.open(Device::Xenbus, crate::fake::facts()).err(), Some(Errno::ENXIO));
}
