use std::format;
use std::vec::Vec;

use super::start;
use crate::connection::MAX_OUTSTANDING;
use crate::fake::{FakeXenstored, GUEST};
use crate::{Errno, Error, Permission, Rights};
use xen::fake::World;
use xen::{Clock, DomId};
use xen_sys::io::xs_wire as abi;

/// Nodes whose names are more than 4096 bytes together.
const MANY: usize = if cfg!(miri) { 170 } else { 700 };
/// More than xenstored has at a time.
const REQUESTS: usize = if cfg!(miri) { 24 } else { 50 };

#[test]
fn what_is_written_is_read_at_every_fragment_size_and_ring_position() {
    let sizes = if cfg!(miri) { [7, 16, 1024].to_vec() } else { (1..40).chain([1023, 1024, 5000]).collect() };
    for size in sizes {
        let world = World::new();
        let (fake, store) = FakeXenstored::start_at(&world, u32::MAX - 3 * size as u32);
        fake.fragment(size);
        let value: Vec<u8> = (0..if cfg!(miri) { 60 } else { 1500u32 }).map(|byte| byte as u8).collect();
        store.write("data/a", &value).expect("ours");
        assert_eq!(store.read("data/a"), Ok(value), "{size} bytes a time");
        assert_eq!(store.read_string("domid-or-so"), Err(Error::Refused(Errno::Noent)));
        store.write("/local/domain/5/data/b/c", "deep").expect("ours");
        assert_eq!(store.read_string("data/b/c").as_deref(), Ok("deep"));
        assert_eq!(store.find("data/b/x"), Ok(None));
        assert_eq!(store.directory("data").expect("ours"), ["a", "b"]);
        store.mkdir("data/empty").expect("ours");
        assert_eq!(store.directory("data/empty"), Ok(Vec::new()));
        store.remove("data/b").expect("ours");
        assert_eq!(fake.get("/local/domain/5/data/b/c"), None);
    }
}

#[test]
fn errors_come_by_name() {
    let world = World::new();
    let (_fake, store) = start(&world);
    fn refused<T>(errno: Errno) -> Result<T, Error> {
        Err(Error::Refused(errno))
    }
    assert_eq!(store.read("/local/domain/0/backend"), refused(Errno::Acces));
    assert_eq!(store.write("memory/target", "1"), refused(Errno::Acces));
    assert_eq!(store.write("control/feature-halt", "1"), refused(Errno::Acces));
    assert_eq!(store.write("data/a", [0; 2049]), refused(Errno::Nospc));
    assert_eq!(store.read("data//a"), refused(Errno::Inval));
    assert_eq!(store.write("data/a", [0; 4096]), Err(Error::TooLong(4096 + 7)));
    assert_eq!(store.read("a\0b"), Err(Error::BadPath("a\0b".into())));
    assert_eq!(store.read(""), Err(Error::BadPath("".into())));
    assert!(matches!(store.read(&"a".repeat(2049)), Err(Error::BadPath(_))));
    assert_eq!(store.is_domain_introduced(DomId::DOM0), refused(Errno::Acces));
    assert_eq!(Error::Refused(Errno::Noent).to_string(), "ENOENT");
}

#[test]
fn a_value_that_is_no_text_is_an_error_that_shows_it() {
    let world = World::new();
    let (_fake, store) = start(&world);
    store.write("data/a", b"ab\xff").expect("ours");
    assert!(
        matches!(store.read_string("data/a"), Err(Error::Malformed { value, .. }) if value.starts_with("ab"))
    );
}

#[test]
fn permissions_are_set_and_told() {
    let world = World::new();
    let (_fake, store) = start(&world);
    let owner = Permission { domain: GUEST, rights: Rights::None };
    assert_eq!(store.permissions("data"), Ok(vec![owner]));
    let wanted = [owner, Permission { domain: DomId::new(7), rights: Rights::Both }];
    store.set_permissions("data", &wanted).expect("ours");
    assert_eq!(store.permissions("data"), Ok(wanted.to_vec()));
    assert_eq!(store.set_permissions("memory", &wanted), Err(Error::Refused(Errno::Acces)));
    assert_eq!(Permission::parse(b"b65535").map(|permission| permission.rights), Some(Rights::Both));
    for odd in [&b""[..], b"x1", b"r", b"r65536", b"r-1"] {
        assert_eq!(Permission::parse(odd), None);
    }
}

#[test]
fn a_domain_has_a_path() {
    let world = World::new();
    let (_fake, store) = start(&world);
    assert_eq!(store.domain_path(DomId::new(77)).as_deref(), Ok("/local/domain/77"));
}

#[test]
fn requests_are_outstanding_together_and_never_more_than_the_quota_allows() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.delay(5);
    for number in 0..REQUESTS {
        store.write(&format!("data/{number}"), format!("value {number}")).expect("ours");
    }
    let before = fake.requests();
    let mut pending = Vec::new();
    for number in 0..REQUESTS {
        let path = format!("data/{number}\0");
        pending.push(store.submit(abi::XS_READ, &[path.as_bytes()]).expect("short"));
    }
    world.run_peers();
    assert_eq!(fake.requests() - before, MAX_OUTSTANDING as u64, "the others wait in the guest");
    // Threads that ask for their replies in the reverse order: whoever pumps files for all.
    for number in (0..REQUESTS).rev() {
        let reply = pending.pop().expect("as many").wait();
        assert_eq!(reply, Ok(format!("value {number}").into_bytes()));
    }
    assert!(fake.most_outstanding() <= MAX_OUTSTANDING && fake.most_outstanding() > 10);
}

#[test]
fn a_thread_finds_the_reply_that_another_thread_took_off_the_ring() {
    let world = World::new();
    let (_fake, store) = start(&world);
    store.write("data/a", "A").expect("ours");
    store.write("data/b", "B").expect("ours");
    let mut first = store.submit(abi::XS_READ, &[b"data/a\0"]).expect("short");
    assert!(first.try_reply().is_none());
    let second = store.submit(abi::XS_READ, &[b"data/b\0"]).expect("short");
    assert_eq!(second.wait(), Ok(b"B".to_vec()));
    let waits = world.waits();
    assert_eq!(first.wait(), Ok(b"A".to_vec()));
    assert_eq!(world.waits(), waits, "it was filed already");
}

#[test]
fn requests_larger_than_the_ring_go_through_it() {
    let world = World::new();
    let (fake, store) = start(&world);
    let mut pending = Vec::new();
    for number in 0..10 {
        let path = format!("data/{number}\0");
        pending.push(store.submit(abi::XS_WRITE, &[path.as_bytes(), &[b'x'; 2000]]).expect("short"));
    }
    for reply in pending {
        assert_eq!(reply.wait(), Ok(b"OK\0".to_vec()));
    }
    assert_eq!(fake.get("/local/domain/5/data/9").map(|value| value.len()), Some(2000));
}

#[test]
fn a_directory_of_more_than_4096_bytes_is_listed_in_parts() {
    let world = World::new();
    let (fake, store) = start(&world);
    let mut names = Vec::new();
    for number in 0..MANY {
        let name = format!("a-rather-long-name-{number:05}");
        fake.set(&format!("/local/domain/5/memory/{name}"), "");
        names.push(name);
    }
    assert_eq!(store.directory("memory"), Ok(names));
    fake.without_directory_part();
    assert_eq!(store.directory("memory"), Err(Error::Refused(Errno::TooBig)));
}

#[test]
fn a_directory_that_changes_while_it_is_listed_is_listed_again() {
    let world = World::new();
    let (fake, store) = start(&world);
    for number in 0..MANY {
        fake.set(&format!("/local/domain/5/memory/a-rather-long-name-{number:05}"), "");
    }
    let (changed, mut done) = (fake.clone(), false);
    let before = fake.requests();
    world.add_peer(move |_| {
        if changed.requests() == before + 2 && !done {
            done = true;
            changed.set("/local/domain/5/memory/a-first-one", "");
        }
        xen::fake::Progress::None
    });
    let names = store.directory("memory").expect("readable");
    assert_eq!((names.len(), &*names[0]), (MANY + 1, "a-first-one"));
}

#[test]
#[cfg_attr(miri, ignore = "a thousand nodes take minutes")]
fn the_node_quota_of_a_guest_is_an_error() {
    let world = World::new();
    let (_fake, store) = start(&world);
    let refused = (0..1100).find_map(|number| store.write(&format!("data/{number}"), "").err());
    assert_eq!(refused, Some(Error::Refused(Errno::Nospc)));
    assert_eq!(store.directory("data").map(|names| names.len() > 900), Ok(true));
}

#[test]
fn a_server_that_does_not_answer_is_an_error_after_the_time_out() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.silence(true);
    store.set_timeout_ns(Some(3_000_000_000));
    let start = world.now_ns();
    let error = store.read("data").expect_err("nobody answers");
    assert_eq!(error, Error::TimedOut { waited_ms: 3000 });
    assert_eq!(error.to_string(), "xenstored does not answer (waited 3000 ms)");
    assert_eq!(world.now_ns() - start, 3_000_000_000);
    // Its late reply is thrown away, and the connection is as good as before.
    fake.silence(false);
    store.write("data/a", "A").expect("it answers again");
    assert_eq!(store.read_string("data/a").as_deref(), Ok("A"));
}

#[test]
fn many_given_up_requests_do_not_use_up_the_connection() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.silence(true);
    for _ in 0..if cfg!(miri) { 24 } else { 100 } {
        assert!(matches!(store.read("data"), Err(Error::TimedOut { .. })));
    }
    drop(store.submit(abi::XS_WRITE, &[b"data/a\0never sent"]));
    fake.silence(false);
    assert_eq!(store.find("data/a"), Ok(None));
}
