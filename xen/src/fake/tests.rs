use super::*;
use crate::{EventPort, OwnPage, ReadablePages, SharedMemory, SharedPage};

const DOM0: DomId = DomId::DOM0;

#[test]
fn a_shared_page_is_seen_by_its_peer_and_by_nobody_else() {
    let world = World::new();
    let page = SharedPage::new(&*world, DOM0, Access::ReadWrite).expect("there is memory");
    let mapped = world.peer(DOM0).map_rw(page.gref().raw()).expect("granted to dom0");
    mapped.copy_in(10, b"hello");
    let mut seen = [0; 5];
    page.copy_out(10, &mut seen);
    assert_eq!(&seen, b"hello");
    let other = world.peer(DomId::new(7)).map_rw(page.gref().raw());
    assert_eq!(other.err(), Some(MapError::WrongDomain(DOM0)));
}

#[test]
fn a_read_only_grant_is_not_mapped_for_writing() {
    let world = World::new();
    let page = SharedPage::new(&*world, DOM0, Access::ReadOnly).expect("there is memory");
    assert!(matches!(world.peer(DOM0).map_rw(page.gref().raw()), Err(MapError::ReadOnly(_))));
    assert!(world.peer(DOM0).map(page.gref().raw(), Access::ReadOnly).is_ok());
}

#[test]
fn a_page_still_mapped_is_leaked_and_its_grant_is_dead() {
    let world = World::new();
    let page = SharedPage::new(&*world, DOM0, Access::ReadWrite).expect("there is memory");
    let gref = page.gref();
    let mapped = world.peer(DOM0).map_rw(gref.raw()).expect("granted");
    assert_eq!(page.unshare().err(), Some(StillMapped(gref)));
    assert!(matches!(world.peer(DOM0).map_rw(gref.raw()), Err(MapError::NoSuchGrant(_))));
    mapped.copy_in(0, b"the page is still there");
    assert_eq!(world.pages_in_use(), 1);
}

#[test]
fn unsharing_gives_the_page_back_with_its_contents() {
    let world = World::new();
    let mut page = OwnPage::new(&*world).expect("there is memory");
    assert!(page.as_slice().iter().all(|byte| *byte == 0));
    page.as_mut_slice()[..3].copy_from_slice(b"abc");
    let shared = page.share(DOM0, Access::ReadOnly).expect("the table has room");
    let page = shared.unshare().expect("never mapped");
    assert_eq!(&page.as_slice()[..3], b"abc");
    assert_eq!(world.grants_in_use(), 0);
}

#[test]
fn a_refused_grant_loses_no_page() {
    let world = World::new();
    world.limit_grants(Some(0));
    let refused = SharedPage::new(&*world, DOM0, Access::ReadOnly);
    assert_eq!(refused.err(), Some(GrantError::TableFull(0)));
    assert_eq!(world.pages_in_use(), 0);
    world.limit_pages(Some(0));
    assert_eq!(SharedPage::new(&*world, DOM0, Access::ReadOnly).err(), Some(GrantError::OutOfMemory));
}

#[test]
fn an_event_between_looking_and_waiting_is_not_lost() {
    let world = World::new();
    let port = EventPort::alloc(&*world, DOM0).expect("ports are free");
    let peer = world.peer(DOM0).bind(port.port().raw()).expect("made for dom0");
    let seen = port.seq();
    peer.notify();
    assert_eq!(port.wait(seen, None), Wake::Event);
    assert_eq!(port.wait(port.seq(), Some(world.now_ns() + 5)), Wake::TimedOut);
}

#[test]
#[should_panic(expected = "lost wake-up")]
fn a_wait_that_nothing_can_end_panics() {
    let world = World::new();
    let port = EventPort::alloc(&*world, DOM0).expect("ports are free");
    let seen = port.seq();
    port.wait(seen, None);
}

#[test]
#[should_panic(expected = "ports left open")]
fn a_leaked_port_fails_the_test() {
    let world = World::new();
    world.alloc_unbound(DOM0).expect("ports are free");
}

#[test]
#[cfg_attr(miri, ignore = "it leaks on purpose")]
#[should_panic(expected = "grants left")]
fn a_leaked_grant_fails_the_test() {
    let world = World::new();
    core::mem::forget(SharedPage::new(&*world, DOM0, Access::ReadOnly));
}

#[test]
fn a_peer_runs_while_the_guest_waits() {
    let world = World::new();
    let port = EventPort::alloc(&*world, DOM0).expect("ports are free");
    let end = world.peer(DOM0).bind(port.port().raw()).expect("made for dom0");
    world.add_peer(move |_| {
        if end.take_pending() {
            end.notify();
            return Progress::Made;
        }
        Progress::None
    });
    let seen = port.seq();
    port.notify();
    assert_eq!(port.wait(seen, None), Wake::Event);
    assert_eq!(world.notifications(port.port()), 1);
}

#[test]
fn a_run_of_readable_pages_is_written_across_pages_and_read_page_by_page() {
    let world = World::new();
    let mut run = ReadablePages::new(&*world, DOM0, 5).expect("there is memory");
    let bytes: Vec<u8> = (0..3 * PAGE_SIZE - 7).map(|at| (at % 251) as u8).collect();
    run.bytes_mut(2, bytes.len()).copy_from_slice(&bytes);
    for (page, expected) in bytes.chunks(PAGE_SIZE).enumerate() {
        let gref = run.gref(2 + page).raw();
        assert!(matches!(world.peer(DOM0).map_rw(gref), Err(MapError::ReadOnly(_))));
        let mapped = world.peer(DOM0).map(gref, Access::ReadOnly).expect("granted");
        let mut seen = vec![0; expected.len()];
        mapped.copy_out(0, &mut seen);
        assert_eq!(seen, expected);
    }
    assert_eq!(run.bytes_mut(2, 3 * PAGE_SIZE)[bytes.len()..], [0; 7], "pages come zeroed");
}

#[test]
#[should_panic(expected = "outside a run")]
fn bytes_beyond_a_run_are_refused() {
    let world = World::new();
    let mut run = ReadablePages::new(&*world, DOM0, 2).expect("there is memory");
    run.bytes_mut(1, PAGE_SIZE + 1);
}

#[test]
fn of_a_run_only_the_page_still_mapped_is_leaked() {
    let world = World::new();
    let run = ReadablePages::new(&*world, DOM0, 4).expect("there is memory");
    let mapped = world.peer(DOM0).map(run.gref(2).raw(), Access::ReadOnly).expect("granted");
    drop(run);
    assert_eq!((world.pages_in_use(), world.grants_in_use()), (1, 1));
    drop(mapped);
}

#[test]
fn a_run_that_can_not_be_granted_whole_loses_no_page() {
    let world = World::new();
    for limit in 0..4 {
        world.limit_grants(Some(limit));
        let refused = ReadablePages::new(&*world, DOM0, 4);
        assert_eq!(refused.err(), Some(GrantError::TableFull(limit as u32)));
        assert_eq!((world.pages_in_use(), world.grants_in_use()), (0, 0));
    }
    world.limit_grants(None);
    world.limit_pages(Some(3));
    assert_eq!(ReadablePages::new(&*world, DOM0, 4).err(), Some(GrantError::OutOfMemory));
}

#[test]
fn events_of_a_muted_port_count_as_one_when_it_is_unmuted() {
    let world = World::new();
    let port = EventPort::alloc(&*world, DOM0).expect("ports are free");
    let peer = world.peer(DOM0).bind(port.port().raw()).expect("made for dom0");
    let seen = port.seq();
    port.mute();
    (0..3).for_each(|_| peer.notify());
    assert_eq!(port.wait(seen, Some(world.now_ns() + 5)), Wake::TimedOut);
    port.unmute();
    assert_eq!(port.seq(), EventSeq(seen.0 + 1));
    port.mute();
    port.unmute();
    assert_eq!(port.seq(), EventSeq(seen.0 + 1), "nothing came meanwhile");
}
