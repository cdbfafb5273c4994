use super::start;
use crate::control::{Control, Request};
use crate::fake::FakeXenstored;
use crate::{XenbusDevice, enumerate};
use xen::fake::{Progress, World};
use xen::xenbus::{Device, DeviceError, State};
use xen::{Clock, DomId};

const MAC: (&str, &str) = ("mac", "00:16:3e:00:00:01");

#[test]
fn devices_are_enumerated_in_the_order_of_their_numbers() {
    let world = World::new();
    let (fake, store) = start(&world);
    assert_eq!(enumerate(&store, "vbd"), Ok(vec![]));
    for id in [51728, 768, 51712] {
        fake.add_device("vbd", id, &[], &[]);
    }
    assert_eq!(enumerate(&store, "vbd"), Ok(vec![768, 51712, 51728]));
    fake.set("/local/domain/5/device/vbd/odd", "");
    assert!(matches!(enumerate(&store, "vbd"), Err(DeviceError::Malformed { value, .. }) if value == "odd"));
}

#[test]
fn a_device_connects() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.add_device("vif", 0, &[MAC], &[("feature-sg", "1"), ("max-queues", "x")]);
    let device = XenbusDevice::new(&store, "vif", 0).expect("it is there");
    assert_eq!((device.name(), device.id(), device.backend_domain()), ("vif/0", 0, DomId::DOM0));
    assert_eq!(device.read("mac"), Ok(Some(MAC.1.into())));
    assert_eq!(device.read("none"), Ok(None));
    assert_eq!(device.backend_feature("feature-sg"), Ok(true));
    assert_eq!(device.backend_feature("feature-gso"), Ok(false));
    let error = device.backend_number("max-queues", 1).expect_err("it is x");
    assert_eq!(
        error.to_string(),
        "XenStore vif/0 back end key max-queues holds \"x\", which is not a number"
    );

    let backend = fake.clone();
    world.add_peer(move |_| {
        let state = |raw: &str| {
            backend.get(&format!("{}/state", FakeXenstored::back_path("vif", 0))).as_deref() == Some(raw)
        };
        if state("1") {
            backend.set_back_state("vif", 0, State::InitWait);
        } else if state("2") && backend.front("vif", 0, "state").as_deref() == Some("3") {
            assert_eq!(backend.front("vif", 0, "tx-ring-ref").as_deref(), Some("8"), "published together");
            backend.set_back_state("vif", 0, State::Connected);
        } else {
            return Progress::None;
        }
        Progress::Made
    });
    let deadline = Some(world.now_ns() + 1_000_000_000);
    assert_eq!(device.wait_backend(&[State::InitWait], "details", deadline), Ok(State::InitWait));
    device.publish(&[("tx-ring-ref", "8"), ("event-channel", "3")], State::Initialised).expect("ours");
    assert_eq!(device.wait_backend(&[State::Connected], "connection", deadline), Ok(State::Connected));
    device.publish(&[], State::Connected).expect("ours");
    device.retract(&["tx-ring-ref", "event-channel", "none"]).expect("ours");
    assert_eq!(fake.front("vif", 0, "tx-ring-ref"), None);
    assert_eq!(fake.front("vif", 0, "state").as_deref(), Some("4"));
}

#[test]
fn a_back_end_that_never_connects_is_named_with_its_state() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.add_device("vbd", 51712, &[], &[]);
    let device = XenbusDevice::new(&store, "vbd", 51712).expect("it is there");
    let deadline = Some(world.now_ns() + 5_000_000_000);
    let error = device.wait_backend(&[State::Connected], "connection", deadline).expect_err("it never does");
    assert_eq!(error.to_string(), "vbd/51712: no connection after 5000 ms, the back end is Initialising");
}

#[test]
fn a_back_end_that_closes_or_vanishes_ends_the_wait() {
    for closing in [Some(State::Closing), Some(State::Closed), None] {
        let world = World::new();
        let (fake, store) = start(&world);
        fake.add_device("vif", 3, &[], &[]);
        let device = XenbusDevice::new(&store, "vif", 3).expect("it is there");
        let (backend, mut done) = (fake.clone(), false);
        world.add_peer(move |_| {
            if core::mem::replace(&mut done, true) {
                return Progress::None;
            }
            match closing {
                Some(state) => backend.set_back_state("vif", 3, state),
                None => backend.remove("/local/domain/0/backend/vif/5"),
            }
            Progress::Made
        });
        let gone =
            DeviceError::BackendGone { device: "vif/3".into(), state: closing.unwrap_or(State::Unknown) };
        assert_eq!(device.wait_backend(&[State::Connected], "connection", None), Err(gone));
        let wanted = [State::Closed, State::Closing, State::Unknown];
        assert_eq!(device.wait_backend(&wanted, "close", None), Ok(closing.unwrap_or(State::Unknown)));
    }
}

#[test]
fn malformed_values_are_errors_with_path_and_value() {
    let world = World::new();
    let (fake, store) = start(&world);
    assert_eq!(
        XenbusDevice::new(&store, "vif", 0).err().map(|error| error.to_string()).as_deref(),
        Some("XenStore device/vif/0/backend is missing")
    );
    fake.add_device("vif", 0, &[], &[]);
    let path = FakeXenstored::front_path("vif", 0);
    for (key, value) in
        [("backend-id", "zero"), ("backend-id", "65536"), ("backend", "relative"), ("backend", "")]
    {
        let before = fake.front("vif", 0, key).expect("it is there");
        fake.set(&format!("{path}/{key}"), value);
        let error = XenbusDevice::new(&store, "vif", 0).err();
        assert!(
            matches!(&error, Some(DeviceError::Malformed { path, value: held, .. })
                if *path == format!("device/vif/0/{key}") && held == value),
            "{error:?}"
        );
        fake.set(&format!("{path}/{key}"), &before);
    }
    let device = XenbusDevice::new(&store, "vif", 0).expect("all is well again");
    for state in ["", "9", "-1", "connected"] {
        fake.set(&format!("{}/state", device.backend_path()), state);
        assert!(
            matches!(device.backend_state(), Err(DeviceError::Malformed { value, .. }) if value == state)
        );
    }
}

#[test]
fn a_refused_publication_names_the_key() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.add_device("vif", 0, &[], &[]);
    let device = XenbusDevice::new(&store, "vif", 0).expect("it is there");
    let error = device.publish(&[("too-long", &"x".repeat(3000))], State::Connected).expect_err("too long");
    assert_eq!(error.to_string(), "XenStore device/vif/0/too-long: ENOSPC");
    assert_eq!(fake.front("vif", 0, "state").as_deref(), Some("1"));
    fake.silence(true);
    let error = device.publish(&[], State::Connected).expect_err("nobody answers");
    assert_eq!(error.to_string(), "XenStore device/vif/0: xenstored does not answer (waited 10000 ms)");
}

#[test]
fn a_shutdown_request_is_acknowledged_and_told() {
    let world = World::new();
    let (fake, store) = start(&world);
    let node = "/local/domain/5/control/shutdown";
    let control = Control::new(&store).expect("it is there");
    assert_eq!(fake.get("/local/domain/5/control/feature-poweroff").as_deref(), Some("1"));
    assert_eq!(control.next(Some(world.now_ns() + 10)), Ok(None));
    let words = [("poweroff", Request::Poweroff), ("reboot", Request::Reboot), ("halt", Request::Halt)];
    for (word, request) in words.into_iter().chain([("dance", Request::Unknown("dance".into()))]) {
        fake.set(node, word);
        assert_eq!(control.next(None), Ok(Some(request)));
        assert_eq!(fake.get(node).as_deref(), Some(""), "acknowledged");
    }
    fake.set(node, "suspend");
    assert_eq!(control.next(None), Ok(Some(Request::Suspend)));
    assert_eq!(fake.get(node).as_deref(), Some("suspend"), "refused");
}

#[test]
fn a_shutdown_request_from_before_the_watch_is_not_lost() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.set("/local/domain/5/control/shutdown", "reboot");
    assert_eq!(Control::new(&store).expect("it is there").next(None), Ok(Some(Request::Reboot)));
}
