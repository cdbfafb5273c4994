//! Grants and event channels, with this domain as its own peer.

use alloc::vec::Vec;

use minios::Xen;
use minios::grants::{GrantMapError, MappedGrant, usage};
use xen::{
    Access, DomId, EventPort, Events, OwnPage, PAGE_SIZE, Port, ReadablePages, SharedMemory, SharedPage, Wake,
};

use crate::{Outcome, Test, check};

pub const TESTS: &[Test] = &[
    ("a_granted_page_is_mapped_by_its_peer", a_granted_page_is_mapped_by_its_peer),
    ("a_grant_in_use_is_not_revoked_but_quarantined", a_grant_in_use_is_not_revoked_but_quarantined),
    ("a_revoked_grant_is_dead", a_revoked_grant_is_dead),
    ("a_read_only_grant_is_not_mapped_writable", a_read_only_grant_is_not_mapped_writable),
    ("a_run_of_pages_is_read_by_its_peer_page_by_page", a_run_of_pages_is_read_by_its_peer_page_by_page),
    ("the_grant_table_grows", the_grant_table_grows),
    ("an_event_wakes_the_thread_that_waits", an_event_wakes_the_thread_that_waits),
    ("events_before_the_wait_are_not_lost", events_before_the_wait_are_not_lost),
    ("a_muted_port_ends_no_sleep_and_forgets_nothing", a_muted_port_ends_no_sleep_and_forgets_nothing),
];

/// The initial domain.
const SELF: DomId = DomId::DOM0;

fn text(error: impl core::fmt::Display) -> alloc::string::String {
    alloc::format!("{error}")
}

fn a_granted_page_is_mapped_by_its_peer() -> Outcome {
    let page = SharedPage::new(&Xen, SELF, Access::ReadWrite).map_err(text)?;
    let mapped = MappedGrant::new(SELF, page.gref().raw(), Access::ReadWrite).map_err(text)?;
    mapped.copy_in(100, b"through the other mapping");
    let mut seen = [0; 25];
    page.copy_out(100, &mut seen);
    check!(&seen == b"through the other mapping", "{seen:?}");
    drop(mapped);
    let own: OwnPage<Xen> = page.unshare().map_err(text)?;
    check!(own.as_slice()[100] == b't', "the page changed");
    Ok(())
}

fn a_grant_in_use_is_not_revoked_but_quarantined() -> Outcome {
    let before = usage().quarantined;
    let page = SharedPage::new(&Xen, SELF, Access::ReadWrite).map_err(text)?;
    let gref = page.gref();
    let mapped = MappedGrant::new(SELF, gref.raw(), Access::ReadWrite).map_err(text)?;
    check!(page.unshare().is_err(), "a mapped grant was revoked");
    check!(usage().quarantined == before + 1, "{:?}", usage());
    // The page is leaked: what the peer writes harms nobody.
    mapped.copy_in(0, &[0xff; 4096]);
    drop(mapped);
    let mut all = Vec::new();
    for _ in 0..600 {
        all.push(SharedPage::new(&Xen, SELF, Access::ReadOnly).map_err(text)?);
    }
    check!(all.iter().all(|page| page.gref() != gref), "reference {gref} was used again");
    Ok(())
}

fn a_revoked_grant_is_dead() -> Outcome {
    let page = SharedPage::new(&Xen, SELF, Access::ReadWrite).map_err(text)?;
    let gref = page.gref().raw();
    drop(page);
    match MappedGrant::new(SELF, gref, Access::ReadWrite) {
        Err(GrantMapError::Status { .. }) => Ok(()),
        Err(error) => Err(text(error)),
        Ok(_) => Err(alloc::format!("grant {gref} could still be mapped")),
    }
}

fn a_read_only_grant_is_not_mapped_writable() -> Outcome {
    let page = SharedPage::new(&Xen, SELF, Access::ReadOnly).map_err(text)?;
    let gref = page.gref().raw();
    check!(MappedGrant::new(SELF, gref, Access::ReadWrite).is_err(), "it was mapped for writing");
    drop(MappedGrant::new(SELF, gref, Access::ReadOnly).map_err(text)?);
    Ok(())
}

fn a_run_of_pages_is_read_by_its_peer_page_by_page() -> Outcome {
    let before = minios::memory::usage().free;
    for count in [1, 2, 3, 17, 64] {
        let mut run = ReadablePages::new(&Xen, SELF, count).map_err(text)?;
        for (number, byte) in run.bytes_mut(0, count * PAGE_SIZE).iter_mut().enumerate() {
            check!(*byte == 0, "byte {number} of {count} pages is {byte}");
            *byte = (number / PAGE_SIZE) as u8 + 1;
        }
        for page in 0..count {
            let gref = run.gref(page).raw();
            check!(MappedGrant::new(SELF, gref, Access::ReadWrite).is_err(), "it was mapped for writing");
            let mapped = MappedGrant::new(SELF, gref, Access::ReadOnly).map_err(text)?;
            let mut seen = [0; PAGE_SIZE];
            mapped.copy_out(0, &mut seen);
            check!(seen == [page as u8 + 1; PAGE_SIZE], "page {page} of {count} is another");
        }
        let without = minios::memory::usage().free;
        drop(run);
        check!(minios::memory::usage().free == without + count, "of {count} pages not all came back");
    }
    // The heap may have grown by some pages.
    check!(minios::memory::usage().free + 40 >= before, "pages are lost");
    Ok(())
}

fn the_grant_table_grows() -> Outcome {
    let mut all = Vec::new();
    let used = usage().used;
    for _ in 0..1200 {
        all.push(SharedPage::new(&Xen, SELF, Access::ReadOnly).map_err(text)?);
    }
    check!(usage().used == used + 1200, "{:?}", usage());
    drop(all);
    check!(usage().used == used, "{:?}", usage());
    Ok(())
}

/// A channel with both ends here.
fn pair() -> Result<(EventPort<Xen>, EventPort<Xen>), alloc::string::String> {
    let ours = EventPort::alloc(&Xen, SELF).map_err(text)?;
    let theirs: Port = Xen.bind_interdomain(SELF, ours.port()).map_err(text)?;
    Ok((ours, EventPort::from_existing(&Xen, theirs)))
}

fn an_event_wakes_the_thread_that_waits() -> Outcome {
    let (ours, theirs) = pair()?;
    let seen = ours.seq();
    let sender = minios::thread::spawn(move || theirs.notify()).map_err(text)?;
    check!(ours.wait(seen, Some(minios::time::now_ns() + 5_000_000_000)) == Wake::Event, "no event in 5 s");
    check!(ours.seq() != seen, "the count did not move");
    sender.join();
    Ok(())
}

fn events_before_the_wait_are_not_lost() -> Outcome {
    let (ours, theirs) = pair()?;
    for _ in 0..1000 {
        let seen = ours.seq();
        theirs.notify();
        check!(ours.wait(seen, Some(minios::time::now_ns() + 1_000_000_000)) == Wake::Event, "lost");
    }
    let quiet = ours.wait(ours.seq(), Some(minios::time::now_ns() + 1_000_000));
    check!(quiet == Wake::TimedOut, "{quiet:?} without an event");
    Ok(())
}

fn a_muted_port_ends_no_sleep_and_forgets_nothing() -> Outcome {
    let (ours, theirs) = pair()?;
    for _ in 0..3 {
        let seen = ours.seq();
        ours.mute();
        theirs.notify();
        let hypercalls = minios::hypercall::count();
        let quiet = ours.wait(seen, Some(minios::time::now_ns() + 20_000_000));
        check!(quiet == Wake::TimedOut && ours.seq() == seen, "{quiet:?}: the event was heard");
        let sleeps = minios::hypercall::count() - hypercalls;
        check!(sleeps < 10, "the sleep was broken off {sleeps} times");
        ours.unmute();
        check!(ours.wait(seen, Some(minios::time::now_ns() + 1_000_000_000)) == Wake::Event, "it was lost");
        check!(
            ours.seq().0 == seen.0.wrapping_add(1),
            "it counts {} times",
            ours.seq().0.wrapping_sub(seen.0)
        );
    }
    // One that is muted can be closed, and its number used again.
    ours.mute();
    drop((ours, theirs));
    events_before_the_wait_are_not_lost()
}
