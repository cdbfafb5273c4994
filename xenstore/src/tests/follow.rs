use super::start;
use crate::fake::{FakeStore, FakeXenstored, GUEST};
use crate::{Follower, News, Step, XenbusDevice, next_step};
use xen::fake::{FakeXen, World};
use xen::xenbus::{Device, State};

type Fake = Follower<FakeXen, xen::SharedPage<FakeXen>>;

fn news(world: &World, follower: &mut Fake) -> Vec<(u32, News)> {
    let mut told = Vec::new();
    // What a look brings about may bring events.
    for _ in 0..3 {
        world.run_peers();
        follower.poll(|id, news| told.push((id, news))).expect("xenstored is there");
    }
    told
}

fn detach(fake: &FakeXenstored, kind: &str, id: u32) {
    fake.remove(&FakeXenstored::front_path(kind, id));
    fake.remove(&FakeXenstored::back_path(kind, id));
}

fn attach(fake: &FakeXenstored, id: u32) {
    fake.add_device("vif", id, &[("mac", "00:16:3e:00:00:01")], &[("online", "1")]);
}

#[test]
fn devices_are_told_of_as_they_come_change_and_go() {
    let world = World::new();
    let (fake, store) = start(&world);
    attach(&fake, 0);
    let mut follower = Follower::new(&store, "vif").expect("watched");
    assert_eq!(news(&world, &mut follower).first(), Some(&(0, News::Appeared)));
    assert_eq!(news(&world, &mut follower), []);
    attach(&fake, 1);
    assert_eq!(news(&world, &mut follower).first(), Some(&(1, News::Appeared)));
    fake.set_back_state("vif", 0, State::InitWait);
    assert_eq!(news(&world, &mut follower), [(0, News::Changed)]);
    XenbusDevice::new(&store, "vif", 1).expect("it is there").publish(&[], State::Connected).expect("ours");
    assert_eq!(news(&world, &mut follower), [(1, News::Changed)]);
    // Disks are another's affair.
    fake.add_device("vbd", 51712, &[], &[]);
    assert_eq!(news(&world, &mut follower), []);
    detach(&fake, "vif", 0);
    assert_eq!(news(&world, &mut follower), [(0, News::Gone)]);
    detach(&fake, "vif", 1);
    attach(&fake, 1);
    assert_eq!(news(&world, &mut follower), [(1, News::Changed)], "it may have gone and come again");
}

#[test]
fn the_first_look_finds_what_is_there_even_before_xenstored_has_fired_the_watch() {
    let world = World::new();
    let (fake, store) = start(&world);
    attach(&fake, 0);
    // The event follows the answer, which is read by itself.
    fake.fragment(1);
    let mut follower = Follower::new(&store, "vif").expect("watched");
    let mut told = Vec::new();
    follower.poll(|id, news| told.push((id, news))).expect("xenstored is there");
    assert_eq!(told, [(0, News::Appeared)]);
}

#[test]
fn a_hundred_attachments_leave_no_watch_and_no_memory() {
    let world = World::new();
    let (fake, store) = start(&world);
    let mut follower = Follower::new(&store, "vif").expect("watched");
    news(&world, &mut follower);
    let before = fake.watches();
    for round in 0..if cfg!(miri) { 4 } else { 100 } {
        attach(&fake, round % 3);
        let told = news(&world, &mut follower);
        assert_eq!(told.first(), Some(&(round % 3, News::Appeared)));
        assert_eq!(fake.watches(), before + 1);
        detach(&fake, "vif", round % 3);
        assert_eq!(news(&world, &mut follower).last(), Some(&(round % 3, News::Gone)));
        world.run_peers();
        assert_eq!(fake.watches(), before);
    }
}

#[test]
fn a_malformed_device_is_told_of_and_is_followed_once_it_is_right() {
    let world = World::new();
    let (fake, store) = start(&world);
    attach(&fake, 0);
    let path = format!("{}/backend-id", FakeXenstored::front_path("vif", 0));
    fake.set(&path, "none");
    let mut follower = Follower::new(&store, "vif").expect("watched");
    let told = news(&world, &mut follower);
    assert!(matches!(&told[..], [(0, News::Malformed(error)), ..] if error.to_string().contains("\"none\"")));
    fake.set(&path, "0");
    assert_eq!(news(&world, &mut follower).first(), Some(&(0, News::Appeared)));
}

#[test]
fn another_back_end_is_another_device() {
    let world = World::new();
    let (fake, store) = start(&world);
    attach(&fake, 0);
    let mut follower = Follower::new(&store, "vif").expect("watched");
    news(&world, &mut follower);
    let other = format!("/local/domain/0/backend/other/{GUEST}/0");
    fake.set(&format!("{}/backend", FakeXenstored::front_path("vif", 0)), &other);
    assert_eq!(news(&world, &mut follower).first(), Some(&(0, News::Appeared)));
}

fn step(store: &FakeStore, is_connected: bool) -> Step {
    let device = XenbusDevice::new(store, "vif", 0).expect("it is there");
    next_step(&device, is_connected).expect("well-formed")
}

#[test]
fn a_front_end_does_what_both_states_ask_for() {
    use State::*;
    let world = World::new();
    let (fake, store) = start(&world);
    attach(&fake, 0);
    let own = |state: State| {
        fake.set(&format!("{}/state", FakeXenstored::front_path("vif", 0)), &state.raw().to_string());
    };
    let online = |yes: &str| fake.set(&format!("{}/online", FakeXenstored::back_path("vif", 0)), yes);
    let table = [
        // A new device, as its back end gets ready.
        (false, Initialising, Initialising, "1", Step::Rest),
        (false, Initialising, InitWait, "1", Step::Connect),
        (false, Initialising, InitWait, "0", Step::Rest),
        // One that could not be connected, or has been let go.
        (false, Closed, InitWait, "1", Step::Rest),
        (false, Closed, Closing, "0", Step::Close),
        (false, Initialising, Closing, "0", Step::Close),
        (false, Closed, Closed, "0", Step::Rest),
        // A connected one.
        (true, Connected, Connected, "1", Step::Rest),
        (true, Connected, Reconfiguring, "1", Step::Rest),
        (true, Connected, Closing, "1", Step::Reconnect),
        (true, Connected, Closed, "1", Step::Reconnect),
        (true, Connected, InitWait, "1", Step::Reconnect),
        (true, Connected, Closing, "0", Step::Remove),
        (true, Closed, Closed, "0", Step::Remove),
        // The toolstack was faster than this side.
        (true, Initialising, InitWait, "1", Step::Renew),
        (true, Initialising, Initialising, "1", Step::Renew),
    ];
    for (is_connected, front, back, stays, wanted) in table {
        own(front);
        online(stays);
        fake.set_back_state("vif", 0, back);
        assert_eq!(step(&store, is_connected), wanted, "{is_connected} {front:?} {back:?} online {stays}");
    }
    own(Connected);
    fake.remove(&FakeXenstored::back_path("vif", 0));
    assert_eq!((step(&store, true), step(&store, false)), (Step::Remove, Step::Rest));
}
