//! Connecting, closing, and losing the back end.

use xen::fake::Progress;
use xen::xenbus::{DeviceError, State};
use xen::{DomId, GrantError};

use super::*;
use crate::{Link, NetError};

#[test]
fn it_publishes_what_linux_reads() {
    let world = World::new();
    let (device, _back) = FakeNetback::with_device(&world);
    let config = Config { rx_buffers: 18, ..config() };
    let front = Front::connect(&world, device.clone(), config).expect("the back end is willing");
    assert_eq!(device.front_state(), State::Connected);
    let keys = ["request-rx-copy", "feature-rx-notify", "feature-sg", "feature-ipv6-csum-offload"];
    assert!(keys.iter().all(|key| device.front_number(key) == Some(1)));
    assert_eq!(device.front_number("feature-no-csum-offload"), Some(0));
    assert_eq!(device.front_number("event-channel"), Some(event(&front).0.raw()));
    assert_eq!((front.mac(), front.mtu()), ([0, 0x16, 0x3e, 0, 0, 1], 1500));
}

#[test]
fn closing_leaves_nothing_behind() {
    let world = World::new();
    let (front, _back) = connected(&world, config());
    assert!(world.grants_in_use() == 18);
    let device = front.close().expect("the back end answers");
    assert_eq!((world.grants_in_use(), world.pages_in_use()), (0, 0));
    assert_eq!((device.front("tx-ring-ref"), device.front_state()), (None, State::Closed));
}

#[test]
fn a_device_dropped_without_closing_leaks_only_what_is_mapped() {
    let world = World::new();
    let (front, back) = connected(&world, config());
    drop(front);
    assert_eq!(world.grants_in_use(), 2, "the rings");
    back.leave(State::Closed);
}

#[test]
fn a_back_end_that_never_connects_is_named() {
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    back.adjust(|knobs| knobs.connects = false);
    let error = Front::connect(&world, device.clone(), config()).err().expect("it can not connect");
    assert_eq!(error.to_string(), "vif/0: no back end in Connected after 10000 ms, the back end is InitWait");
    assert_eq!((world.grants_in_use(), device.front_state()), (0, State::Closed));

    device.set_back_state(State::Initialising);
    let error = Front::connect(&world, device, config()).err().expect("it can not connect");
    assert_eq!(
        error.to_string(),
        "vif/0: no back end in InitWait after 10000 ms, the back end is Initialising"
    );
}

#[test]
fn malformed_and_missing_keys_are_named_with_what_they_hold() {
    let world = World::new();
    let (device, _back) = FakeNetback::with_device(&world);
    let attempt = || Front::connect(&world, device.clone(), config()).err().expect("refused").to_string();
    for mac in [
        "",
        "00:16:3e:00:00",
        "00:16:3e:00:00:01:02",
        "00:16:3e:00:00:0g",
        "0:16:3e:00:00:01",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
        "+1:16:3e:00:00:01",
        "00-16-3e-00-00-01",
    ] {
        device.set_front("mac", mac);
        let expected =
            format!("XenStore device/vif/0/mac holds {mac:?}, which is not a unicast hardware address");
        assert_eq!(attempt(), expected);
    }
    device.set_front("mac", "00:16:3E:aB:00:01\n");
    for mtu in ["67", "65522", "many", "-1", ""] {
        device.set_front("mtu", mtu);
        assert_eq!(
            attempt(),
            format!("XenStore device/vif/0/mtu holds {mtu:?}, which is not a number from 68 to 65521")
        );
    }
    device.set_front("mtu", "1400");
    device.set_back("feature-sg", "maybe");
    assert_eq!(attempt(), "XenStore vif/0 back end key feature-sg holds \"maybe\", which is not a number");
    device.set_back("feature-sg", "0");
    device.set_back("feature-rx-copy", "0");
    assert_eq!(attempt(), "vif/0: the back end has no feature-rx-copy");
    device.set_back("feature-rx-copy", "1");
    let front = Front::connect(&world, device.clone(), config()).expect("all is well");
    assert_eq!((front.mac()[3], front.mtu()), (0xab, 1400));
    front.close().expect("the back end answers");

    let bare = FakeDevice::new(&world, "vif/1", 1, DomId::DOM0);
    bare.set_back("feature-rx-copy", "1");
    let error = Front::connect(&world, bare, config()).err();
    assert_eq!(error, Some(NetError::Device(DeviceError::Missing { path: "device/vif/1/mac".into() })));
}

#[test]
fn without_memory_or_grants_it_fails_and_leaks_nothing() {
    let world = World::new();
    let (device, _back) = FakeNetback::with_device(&world);
    for limit in (0..18).step_by(if cfg!(miri) { 7 } else { 1 }) {
        world.limit_pages(Some(limit));
        let error = Front::connect(&world, device.clone(), config()).err().expect("not enough");
        assert_eq!(error.to_string(), "vif/0: out of memory: no free page");
        world.limit_pages(None);
        world.limit_grants(Some(limit));
        let error = Front::connect(&world, device.clone(), config()).err().expect("not enough");
        assert!(
            matches!(error, NetError::Grant { error: GrantError::TableFull(entries), .. } if entries == limit as u32)
        );
        world.limit_grants(None);
        assert_eq!((world.grants_in_use(), world.pages_in_use()), (0, 0));
    }
    Front::connect(&world, device, config())
        .expect("now there is enough")
        .close()
        .expect("the back end answers");
}

#[test]
fn a_xenstore_that_refuses_is_reported() {
    let world = World::new();
    let (device, _back) = FakeNetback::with_device(&world);
    device.fail_publish(true);
    let error = Front::connect(&world, device, config()).err().expect("refused");
    assert_eq!(error.to_string(), "XenStore vif/0: EACCES");
}

#[test]
fn a_back_end_that_closes_is_followed_and_comes_back() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    for round in 0..3 {
        assert_eq!(front.link(), Ok(Link::Up));
        assert!(send(&mut front, &opaque(100, round)));
        back.leave(State::Closing);
        assert_eq!(front.link(), Ok(Link::Closed));
        assert_eq!((world.grants_in_use(), front.device().front_state()), (0, State::Closed));
        assert!(!send(&mut front, &opaque(100, 0)));
        assert_eq!((receive(&mut front), front.events().count(), front.arm()), (None, 0, false));
        front.reconnect().expect("the back end comes back");
        back.send(&opaque(300, round));
        assert!(send(&mut front, &opaque(200, round)));
        front.flush();
        world.run_peers();
        assert_eq!(receive(&mut front), Some(opaque(300, round)));
        assert_eq!(back.take_sent().pop().expect("sent").frame, opaque(200, round));
    }
    assert_eq!((front.stats().connects, front.stats().tx.packets), (4, 6));
}

#[test]
fn a_reconnect_of_a_running_device_closes_it_first() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    front.reconnect().expect("the back end is willing");
    assert_eq!((front.link(), world.grants_in_use()), (Ok(Link::Up), 18));
    back.adjust(|knobs| knobs.comes_back = false);
    let error = front.reconnect().expect_err("it stays away");
    assert_eq!(
        error.to_string(),
        "vif/0: no back end in InitWait again after 9990 ms, the back end is Closed"
    );
    assert_eq!(front.link(), Ok(Link::Closed));
}

#[test]
fn a_back_end_that_dies_in_mid_transfer_ends_the_device_only() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    back.adjust(|knobs| knobs.takes_tx = false);
    assert!(send(&mut front, &opaque(100, 0)));
    front.flush();
    world.run_peers();
    // It keeps one buffer mapped for ever, as a dead domain's foreign mappings are.
    let gref = back
        .with_rings(|rings, _| rings.tx.pop().expect("honest").expect("one was sent").gref)
        .expect("connected");
    let kept = world.peer(DomId::DOM0).map(gref, xen::Access::ReadOnly).expect("granted");
    back.leave(State::Unknown);
    assert_eq!(front.link(), Ok(Link::Closed));
    assert_eq!(world.grants_in_use(), 1, "the page still mapped is leaked");
    assert!(!send(&mut front, &opaque(100, 0)));
    drop(kept);
}

#[test]
fn the_carrier_is_reported() {
    let world = World::new();
    let (mut front, _back) = connected(&world, config());
    front.device().set_back("carrier", "0");
    assert_eq!(front.link(), Ok(Link::NoCarrier));
    front.device().set_back("carrier", "1");
    assert_eq!(front.link(), Ok(Link::Up));
}

#[test]
fn a_back_end_that_is_late_is_waited_for() {
    let world = World::new();
    let (device, _back) = FakeNetback::with_device(&world);
    device.set_back_state(State::Initialising);
    let (late, mut rounds) = (device.clone(), 0);
    world.add_peer(move |_| {
        rounds += 1;
        if rounds > 20 {
            return Progress::None;
        }
        if rounds == 20 {
            late.set_back_state(State::InitWait);
        }
        Progress::Made
    });
    Front::connect(&world, device, config()).expect("it comes in time");
}
