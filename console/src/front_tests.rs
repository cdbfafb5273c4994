//! Further consoles on FakeXen: connecting, closing, coming back.

use crate::fake::FakeBackend;
use crate::{Front, FrontError, Link};
use xen::fake::{FakeDevice, FakeXen, World};
use xen::xenbus::{DeviceError, State};
use xen::{Clock, DomId, SharedMemory, Wake};
use xen_sys::io::console as abi;

type Fake = Front<FakeXen, FakeDevice>;

fn front(world: &World) -> (Fake, FakeBackend) {
    let (device, back) = FakeBackend::new(world);
    (Front::new(&**world, device), back)
}

fn soon(world: &World) -> Option<u64> {
    Some(world.now_ns() + 1_000_000_000)
}

/// Sends and reads until both sides have what the other sent.
fn exchange(world: &World, front: &Fake, back: &FakeBackend, out: &[u8], typed: &[u8]) {
    back.type_in(typed);
    world.run_peers();
    let (mut sent, mut read, mut chunk) = (0, Vec::new(), [0; 1024]);
    while sent < out.len() || read.len() < typed.len() {
        let before = (sent, read.len());
        sent += front.write_raw(&out[sent..]);
        let len = front.read(&mut chunk);
        read.extend_from_slice(&chunk[..len]);
        world.run_peers();
        assert!(before != (sent, read.len()), "{sent} bytes are sent and {} read", read.len());
    }
    assert_eq!(front.flush(world.now_ns() + 1_000_000), Wake::Event);
    assert!(read == typed && back.take_seen() == out);
}

#[test]
fn a_further_console_is_connected_and_carries_both_ways() {
    let world = World::new();
    let (front, back) = front(&world);
    assert_eq!((front.link(), front.wait_point(), front.write_raw(b"x")), (Link::Down, None, 0));
    assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
    assert_eq!((front.device().front_state(), front.link()), (State::Connected, Link::Up));
    let out: Vec<u8> =
        (0..if cfg!(miri) { 5_000 } else { 2_000_000_u32 }).map(|at| (at >> 7 ^ at) as u8).collect();
    exchange(&world, &front, &back, &out, b"hi\n\0");
}

#[test]
fn without_a_back_end_all_is_taken_back() {
    let world = World::new();
    let (front, back) = front(&world);
    back.set_away(true);
    let error = front.follow(soon(&world)).expect_err("nobody answers");
    assert!(matches!(error, FrontError::Device(DeviceError::TimedOut { .. })), "{error}");
    let device = front.device();
    assert_eq!((device.front("ring-ref"), device.front("port")), (None, None));
    assert_eq!((device.front_state(), world.grants_in_use()), (State::Closed, 0));
    back.set_away(false);
    assert_eq!(front.follow(soon(&world)).expect("it is served now"), Link::Up);
}

#[test]
fn a_back_end_that_was_there_first_is_connected_too() {
    let world = World::new();
    let device = FakeDevice::new(&world, "console/2", 2, DomId::DOM0);
    device.set_back_state(State::Connected);
    let front = Front::new(&*world, device);
    assert_eq!(front.follow(soon(&world)).expect("it is Connected"), Link::Up);
}

#[test]
fn a_back_end_that_closes_gets_its_ring_back_and_is_connected_again_when_it_offers_to() {
    for state in [State::Closing, State::Closed] {
        let world = World::new();
        let (front, back) = front(&world);
        for round in 1..4 {
            assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
            exchange(&world, &front, &back, b"some\nbytes", b"typed");
            assert!(front.follow(soon(&world)).is_err(), "nothing changes");
            back.leave(state);
            assert_eq!(front.follow(soon(&world)).expect("it closes"), Link::Down);
            assert_eq!((front.device().front_state(), world.grants_in_use()), (State::Closed, 0));
            assert_eq!((front.write_raw(b"x"), front.read(&mut [0; 8]), front.wait_point()), (0, 0, None));
            assert_eq!((front.device().front("ring-ref"), back.connects()), (None, round));
        }
    }
}

#[test]
fn a_back_end_that_goes_while_it_is_connected_to_is_tried_again() {
    let world = World::new();
    let (front, back) = front(&world);
    back.set_away(true);
    let (closes, device) = (back.clone(), front.device().clone());
    let mut went = false;
    world.add_peer(move |_| {
        if went || device.front_state() != State::Initialised {
            return xen::fake::Progress::None;
        }
        went = true;
        closes.leave(State::Closed);
        xen::fake::Progress::Made
    });
    let error = front.follow(soon(&world)).expect_err("it goes");
    assert!(matches!(error, FrontError::Device(DeviceError::BackendGone { .. })), "{error}");
    assert_eq!((front.device().front_state(), world.grants_in_use()), (State::Closed, 0));
    back.set_away(false);
    assert_eq!(front.follow(soon(&world)).expect("it is back"), Link::Up);
    exchange(&world, &front, &back, b"out", b"in");
}

#[test]
fn a_back_end_that_starts_anew_goes_on_with_the_ring_or_gets_another() {
    for goes_on in [true, false] {
        let world = World::new();
        let (front, back) = front(&world);
        assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
        back.set_stuck(true);
        assert_eq!(front.write_raw(b"waits"), 5);
        assert!(front.has_output());
        back.start_anew(goes_on);
        let link = front.follow(soon(&world)).expect("it is there again");
        assert_eq!(link, if goes_on { Link::Up } else { Link::Down });
        if goes_on {
            world.run_peers();
            assert_eq!(back.take_seen(), b"waits");
        } else {
            back.leave(State::InitWait);
            assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
        }
        exchange(&world, &front, &back, b"out", b"in");
    }
}

#[test]
fn a_console_that_is_taken_away_is_gone() {
    let world = World::new();
    let (front, back) = front(&world);
    assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
    back.leave(State::Unknown);
    assert_eq!(front.follow(soon(&world)).expect("it is gone"), Link::Gone);
    assert_eq!((front.link(), world.grants_in_use()), (Link::Down, 0));
    assert_eq!(front.follow(soon(&world)).expect("it is gone"), Link::Gone);
}

#[test]
fn a_back_end_that_holds_on_to_the_ring_costs_its_page_and_no_more() {
    let world = World::new();
    let (front, back) = front(&world);
    assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
    let pages = world.pages_in_use();
    front.device().set_back_state(State::Closed);
    assert_eq!(front.follow(soon(&world)).expect("so it says"), Link::Down);
    assert_eq!(world.pages_in_use(), pages, "it is never used again");
    back.leave(State::Closed);
}

#[test]
fn a_liar_gets_nothing_until_it_has_closed() {
    let world = World::new();
    let (front, back) = front(&world);
    assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
    back.with_ring(|ring| ring.store_u32(abi::IN_PROD, 5000));
    assert_eq!(front.read(&mut [0; 8]), 0);
    assert!(matches!(front.link(), Link::Failed(_)));
    assert_eq!(front.write_raw(b"lost"), 4);
    assert_eq!(front.flush(world.now_ns() + 1_000), Wake::Event);
    back.leave(State::Closing);
    assert_eq!(front.follow(soon(&world)).expect("it closes"), Link::Down);
    assert_eq!(front.follow(soon(&world)).expect("it is served again"), Link::Up);
    exchange(&world, &front, &back, b"out", b"in");
}

#[test]
fn a_flush_ends_at_its_deadline() {
    let world = World::new();
    let (front, back) = front(&world);
    assert_eq!(front.flush(world.now_ns()), Wake::Event);
    assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
    back.set_stuck(true);
    assert_eq!(front.write_raw(&[b'x'; 5000]), abi::OUT_LEN);
    let deadline = world.now_ns() + 1_000_000;
    assert_eq!((front.flush(deadline), world.now_ns()), (Wake::TimedOut, deadline));
}

#[test]
fn a_xenstore_that_refuses_is_an_error_and_leaks_nothing() {
    let world = World::new();
    let (front, back) = front(&world);
    front.device().fail_publish(true);
    assert!(front.follow(soon(&world)).is_err());
    assert_eq!(world.grants_in_use(), 0);
    front.device().fail_publish(false);
    assert_eq!(front.follow(soon(&world)).expect("it is served"), Link::Up);
    front.device().fail_publish(true);
    back.leave(State::Closed);
    assert!(front.follow(soon(&world)).is_err());
    assert_eq!(world.grants_in_use(), 0);
}

#[test]
fn no_page_and_no_grant_are_errors() {
    let world = World::new();
    let (front, _back) = front(&world);
    world.limit_pages(Some(0));
    assert!(matches!(front.follow(soon(&world)), Err(FrontError::Grant(_))));
    world.limit_pages(None);
    assert_eq!(front.follow(soon(&world)).expect("there is memory"), Link::Up);
}
