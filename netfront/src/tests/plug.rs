//! `xl network-attach` and `xl network-detach`, again and again.

use xen::xenbus::State;

use super::*;
use crate::Link;

/// The toolstack makes the device.
fn attach(device: &FakeDevice) {
    device.set_front_state(State::Initialising);
    device.set_back_state(State::InitWait);
    device.set_back("online", "1");
}

fn resources(world: &World) -> (usize, usize, usize) {
    (world.grants_in_use(), world.pages_in_use(), world.ports_open())
}

#[test]
fn a_hundred_attachments_leave_no_grant_no_page_and_no_port() {
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    device.set_back("feature-split-event-channels", "1");
    let before = resources(&world);
    for round in 0..if cfg!(miri) { 4 } else { 100 } {
        attach(&device);
        let mut front = Front::connect(&world, device.clone(), config()).expect("the back end is willing");
        assert!(world.ports_open() == before.2 + 2);
        for number in 0..round % 7 {
            assert!(send(&mut front, &opaque(100 + number, round)));
        }
        front.flush();
        if round % 3 == 0 {
            world.run_peers();
            back.send(&opaque(64, round));
        }
        device.set_back("online", "0");
        device.set_back_state(State::Closing);
        match round % 2 {
            0 => assert_eq!(front.backend_changed(State::Closing), Ok(Link::Closed)),
            // The back end was gone before this side looked.
            _ => {
                back.leave(State::Closed);
                assert_eq!(front.backend_changed(State::Closed), Ok(Link::Closed));
            }
        }
        assert_eq!(device.front_state(), State::Closed);
        assert_eq!(front.events().count(), 0);
        drop(front);
        assert_eq!(resources(&world), before, "round {round}");
    }
}

#[test]
fn a_device_that_was_made_anew_is_left_alone_by_the_old_driver() {
    let world = World::new();
    let (front, back) = connected(&world, config());
    let device = front.device().clone();
    back.leave(State::Closed);
    attach(&device);
    drop(front);
    assert_eq!((device.front_state(), resources(&world)), (State::Initialising, (0, 0, 0)));
    let front = Front::connect(&world, device, config()).expect("it is as good as any");
    front.close().expect("it closes");
}

#[test]
fn a_toolstack_that_is_faster_than_this_side_finds_its_new_device_untouched() {
    let world = World::new();
    let (mut front, _back) = connected(&world, config());
    let device = front.device().clone();
    // It removes the device as soon as the back end has let go, and makes the next one at once.
    let toolstack = device.clone();
    world.add_peer(move |_| {
        let is_removed = toolstack.front_state() == State::Closed
            && xen::xenbus::Device::backend_state(&toolstack) == Ok(State::Closed);
        if is_removed {
            attach(&toolstack);
        }
        if is_removed { xen::fake::Progress::Made } else { xen::fake::Progress::None }
    });
    device.set_back("online", "0");
    device.set_back_state(State::Closing);
    assert_eq!(front.backend_changed(State::Closing), Ok(Link::Closed));
    world.run_peers();
    assert_eq!(device.front_state(), State::Initialising);
    assert_eq!(resources(&world), (0, 0, 0));
    // It saw nothing of that before.
    let (mut front, back) = connected(&world, config());
    let device = front.device().clone();
    back.leave(State::Closed);
    attach(&device);
    assert_eq!(front.backend_changed(State::Closed), Ok(Link::Closed));
    assert_eq!((device.front_state(), resources(&world)), (State::Initialising, (0, 0, 0)));
}

#[test]
fn a_key_that_makes_no_sense_is_named_given_up_and_the_next_device_connects() {
    let table: [(&str, Option<&str>, bool, &str); 12] = [
        ("mac", None, false, "mac"),
        ("mac", Some("00:16:3e:00:00"), false, "00:16:3e:00:00"),
        ("mac", Some("01:16:3e:00:00:01"), false, "01:16:3e:00:00:01"),
        ("mtu", Some("big"), false, "\"big\""),
        ("mtu", Some("67"), false, "\"67\""),
        ("trusted", Some("perhaps"), false, "\"perhaps\""),
        ("feature-rx-copy", None, true, "feature-rx-copy"),
        ("feature-rx-copy", Some("0"), true, "feature-rx-copy"),
        ("feature-sg", Some("yes"), true, "\"yes\""),
        ("multi-queue-max-queues", Some("-1"), true, "\"-1\""),
        ("feature-split-event-channels", Some("on"), true, "\"on\""),
        ("feature-gso-tcpv4", Some("1.5"), true, "\"1.5\""),
    ];
    for (key, value, is_back, named) in table {
        let world = World::new();
        let device = FakeDevice::new(&world, "vif/0", 0, xen::DomId::DOM0);
        let good = |key: &str| match key {
            "mac" => Some("00:16:3e:00:00:01"),
            "feature-rx-copy" => Some("1"),
            "mtu" => Some("1500"),
            "trusted" => Some("1"),
            _ => Some("0"),
        };
        let _back = FakeNetback::new(&world, &device);
        let set = |value: Option<&str>| match (is_back, value) {
            (true, Some(value)) => device.set_back(key, value),
            (false, Some(value)) => device.set_front(key, value),
            (true, None) => device.remove_back(key),
            (false, None) => xen::xenbus::Device::retract(&device, &[key]).expect("a table"),
        };
        set(value);
        let error = Front::connect(&world, device.clone(), config()).err().expect(key);
        assert!(error.to_string().contains(key) && error.to_string().contains(named), "{key}: {error}");
        assert_eq!((device.front_state(), resources(&world)), (State::Closed, (0, 0, 0)), "{key}");
        set(good(key));
        attach(&device);
        let front = Front::connect(&world, device.clone(), config()).expect("all is well again");
        front.close().expect("it closes");
    }
}
