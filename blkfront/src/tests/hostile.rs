use super::*;
use crate::Request;
use crate::fake::Lie;
use xen::fake::Progress;
use xen::{PeerMisbehaved, SharedMemory};
use xen_sys::io::ring::RSP_PROD;

#[test]
fn each_kind_of_lie_ends_the_disk_and_every_request_on_it() {
    for (lie, what) in [
        (Lie::Id(u64::MAX), "response id"),
        (Lie::Id(0), "response id"),
        (Lie::Twice, "response id"),
        (Lie::Operation, "response operation"),
        (Lie::Ahead(1), "response producer index"),
        (Lie::Ahead(u32::MAX / 2), "response producer index"),
    ] {
        let bench = Bench::new(1 << 20, 512);
        bench.disk.get().knobs.lie = Some(lie);
        bench.disk.get().knobs.batch = 3;
        let front = bench.connect();
        let tokens = [0, 1]
            .map(|at| front.submit(Request::Read { offset: at * 512, len: 512 }).expect("there is room"));
        let error = front.read_at(0, &mut [0; 6_000]).expect_err("the back end lies");
        assert!(matches!(&error, Error::Misbehaved { lie, .. } if lie.what == what), "{lie:?}: {error}");
        assert!(error.to_string().starts_with("xvda (vbd/51712): the peer broke the protocol"), "{error}");
        let ends = tokens.map(|token| front.wait(token).expect("known").result);
        assert!(ends.contains(&Err(error.clone())) || lie == Lie::Ahead(1), "{lie:?}: {ends:?}");
        // Later calls fail as well, and say the same.
        assert_eq!(front.write_at(0, &pattern(512, 1)), Err(error.clone()));
        assert_eq!(front.flush(), Err(error.clone()));
        front.close().expect("the back end lets go");
        drop(front);
        assert_eq!(bench.world.pages_in_use(), 0);
    }
}

#[test]
fn a_disk_that_lied_works_again_after_a_reconnection() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().knobs.lie = Some(Lie::Id(33));
    let front = bench.connect();
    front.write_at(0, &pattern(512, 1)).expect_err("it lies");
    bench.disk.get().knobs.lie = None;
    front.reconnect().expect("it is honest now");
    front.write_at(0, &pattern(512, 2)).expect("it works");
    assert_eq!(bench.disk.get().content[..512], pattern(512, 2));
    bench.finish(front);
}

#[test]
fn an_answer_with_the_id_of_an_earlier_request_is_a_lie() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect();
    front.read_at(0, &mut [0; 512]).expect("honest so far");
    bench.disk.get().knobs.lie = Some(Lie::Stale);
    let error = front.read_at(0, &mut [0; 512]).expect_err("that is answered already");
    assert!(matches!(&error, Error::Misbehaved { lie, .. } if lie.what == "response id"), "{error}");
    front.close().expect("the back end lets go");
}

#[test]
fn an_answer_to_an_answered_request_is_a_lie() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect();
    front.read_at(0, &mut [0; 512]).expect("honest so far");
    let claimed = {
        let disk = bench.disk.get();
        let memory = disk.ring_memory().expect("connected");
        memory.store_u32(RSP_PROD, memory.load_u32(RSP_PROD) + 1);
        memory.load_u32(RSP_PROD)
    };
    let lie = PeerMisbehaved { what: "response producer index", value: claimed.into() };
    assert_eq!(front.poll(), None);
    assert_eq!(
        front.read_at(0, &mut [0; 512]),
        Err(Error::Misbehaved { disk: "xvda (vbd/51712)".into(), lie })
    );
    front.close().expect("the back end lets go");
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_storm_of_events_does_not_keep_the_guest_busy() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().knobs.hold = true;
    bench.disk.get().knobs.storm = 50_000;
    let front = bench.connect();
    let error = front.read_at(0, &mut [0; 512]).expect_err("it answers nothing");
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert!(bench.world.waits() < 1_000, "{} waits", bench.world.waits());
    let spurious = front.stats().spurious_events;
    assert!((10..100).contains(&spurious), "{spurious} spurious events");
    front.close().expect("the back end lets go");
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn random_words_in_the_ring_neither_panic_nor_hang() {
    for seed in 1..200 {
        let bench = Bench::new(1 << 20, 512);
        let front = bench.connect();
        let (disk, mut random) = (bench.disk.clone(), Random(seed));
        bench.world.add_peer(move |_| {
            if random.below(4) == 0 {
                return Progress::None;
            }
            let mut backend = disk.get();
            // The ring's back end may have gone.
            if let Some(memory) = backend.ring_memory() {
                let at = if random.below(3) == 0 { RSP_PROD } else { random.below(1024) as usize * 4 };
                let value = if random.below(2) == 0 { random.below(64) } else { random.below(1 << 32) };
                memory.store_u32(at, value as u32);
            }
            backend.knobs.storm = 1;
            Progress::None
        });
        let mut buf = vec![0; 100_000];
        for round in 0..10 {
            let _ = front.read_at(round * 1000, &mut buf);
            let _ = front.write_at(round * 512, &buf[..51_200]);
            let _ = front.flush();
        }
        let _ = front.close();
    }
}
