//! `xl block-attach` and `xl block-detach` of disks that nobody waits for.

use super::life::StateNow;
use super::*;
use crate::OnLoss;
use xen::xenbus::State;

fn patient() -> Config {
    Config { on_loss: OnLoss::Reconnect, ..config() }
}

/// The toolstack begins to take the device away.
fn detach(bench: &Bench) {
    bench.device.set_back("online", "0");
    bench.device.set_back_state(State::Closing);
}

/// The toolstack has made the device.
fn attach(bench: &Bench) {
    bench.device.set_front_state(State::Initialising);
    bench.device.set_back("online", "1");
    bench.device.set_back_state(State::InitWait);
}

fn resources(bench: &Bench) -> (usize, usize, usize) {
    (bench.world.grants_in_use(), bench.world.pages_in_use(), bench.world.ports_open())
}

#[test]
fn an_idle_disk_lets_go_at_once_and_meets_the_next_one_a_hundred_times() {
    let bench = Bench::new(1 << 20, 512);
    let before = resources(&bench);
    let front = bench.connect_with(patient());
    front.write_at(0, &pattern(4096, 1)).expect("it works");
    for round in 1..=if cfg!(miri) { 3 } else { 100 } {
        let started = xen::Clock::now_ns(&*bench.world);
        detach(&bench);
        front.attend();
        assert_eq!(
            (bench.device.front_state(), bench.device.backend_state_now()),
            (State::Closed, State::Closed)
        );
        assert_eq!(resources(&bench), before, "round {round}");
        assert!(xen::Clock::now_ns(&*bench.world) - started < 100_000_000, "the toolstack waits");
        // Nothing is asked of a device that is going.
        front.attend();
        assert_eq!(bench.device.front_state(), State::Closed);
        attach(&bench);
        front.attend();
        assert_eq!((bench.device.front_state(), front.stats().connections), (State::Connected, round + 1));
        let mut back = [0; 4096];
        front.read_at(0, &mut back).expect("it is there again");
        assert_eq!(back, pattern(4096, 1)[..]);
    }
    front.close().expect("it closes");
    drop(front);
    assert_eq!(resources(&bench), before);
    assert_eq!(bench.disk.get().complaints, Vec::<String>::new());
}

#[test]
fn a_disk_that_was_taken_away_and_made_anew_unseen_is_connected_to_the_new_one() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect_with(patient());
    front.write_at(0, &pattern(4096, 1)).expect("it works");
    bench.disk.get().die(State::Closed);
    attach(&bench);
    front.attend();
    assert_eq!((bench.device.front_state(), front.stats().connections), (State::Connected, 2));
    front.read_at(0, &mut [0; 512]).expect("it works");
    front.close().expect("it closes");
    drop(front);
    assert_eq!(resources(&bench), (0, 0, 0));
    assert_eq!(bench.disk.get().complaints, Vec::<String>::new());
}

#[test]
fn a_disk_that_does_not_come_back_by_itself_lets_go_all_the_same() {
    for on_loss in [OnLoss::Fail, OnLoss::Hold] {
        let bench = Bench::new(1 << 20, 512);
        let front = bench.connect_with(Config { on_loss, ..config() });
        detach(&bench);
        front.attend();
        assert_eq!((bench.device.front_state(), resources(&bench)), (State::Closed, (0, 0, 0)));
        attach(&bench);
        front.attend();
        assert_eq!(front.stats().connections, 1, "its owner decides");
        front.reconnect().expect("it is there");
        bench.finish(front);
    }
}

#[test]
fn a_disk_that_failed_or_was_closed_does_not_hold_the_toolstack_up() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect_with(patient());
    front.close().expect("it closes");
    attach(&bench);
    detach(&bench);
    front.attend();
    assert_eq!(bench.device.front_state(), State::Closed);
    drop(front);

    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect_with(patient());
    bench.disk.get().knobs.lie = Some(crate::fake::Lie::Id(77));
    front.read_at(0, &mut [0; 512]).expect_err("it lies");
    detach(&bench);
    front.attend();
    assert_eq!(
        (bench.device.front_state(), bench.device.backend_state_now()),
        (State::Closed, State::Closed)
    );
    drop(front);
    assert_eq!(resources(&bench), (0, 0, 0));
}

#[test]
fn a_disk_that_grows_while_nobody_uses_it_is_seen() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect_with(patient());
    bench.device.set_back("sectors", "4096");
    front.attend();
    assert_eq!(front.disk().size_bytes, 2 << 20);
    bench.finish(front);
}

#[test]
fn a_key_that_makes_no_sense_is_named_given_up_and_the_disk_connects_once_it_is_right() {
    let table = [
        ("max-ring-page-order", "many", "0"),
        ("max-ring-pages", "-1", "1"),
        ("multi-queue-max-queues", "1.5", "1"),
        ("sectors", "", "2048"),
        ("sectors", "9999999999999999999", "2048"),
        ("sector-size", "513", "512"),
        ("sector-size", "0", "512"),
        ("physical-sector-size", "511", "512"),
        ("info", "x", "0"),
        ("feature-flush-cache", "yes", "1"),
        ("feature-barrier", "-1", "0"),
        ("feature-max-indirect-segments", "many", "0"),
        ("feature-persistent", "?", "1"),
        ("feature-discard", "on", "0"),
    ];
    for (key, wrong, right) in table {
        let bench = Bench::new(1 << 20, 512);
        bench.device.set_back(key, wrong);
        let error = bench.try_connect(patient()).err().expect(key).to_string();
        assert!(error.contains(key) && error.contains(wrong), "{key}={wrong}: {error}");
        assert_eq!((bench.device.front_state(), resources(&bench)), (State::Closed, (0, 0, 0)), "{key}");
        bench.device.set_back(key, right);
        let front = bench.connect_with(patient());
        front.read_at(0, &mut [0; 512]).expect("it works");
        bench.finish(front);
    }
    let bench = Bench::new(1 << 20, 512);
    bench.device.remove_back("sectors");
    let error = bench.try_connect(patient()).err().expect("it has no size").to_string();
    assert!(error.contains("sectors is missing"), "{error}");
}
