use std::string::ToString;

use super::start;
use crate::{Errno, Error};
use xen::fake::{Progress, World};

/// More transactions than xenstored lets a guest have at a time, which are ten.
const MANY: usize = if cfg!(miri) { 11 } else { 30 };

#[test]
fn a_transaction_takes_effect_at_its_end_and_not_before() {
    let world = World::new();
    let (fake, store) = start(&world);
    let seen = store.transaction(|transaction| {
        transaction.write("data/a", "1")?;
        transaction.write("data/b/c", "2")?;
        transaction.remove("control/shutdown")?;
        assert_eq!(fake.get("/local/domain/5/data/a"), None);
        assert_eq!(store.find("data/a")?, None, "others do not see it");
        transaction.read_string("data/a")
    });
    assert_eq!(seen.as_deref(), Ok("1"));
    assert_eq!(fake.get("/local/domain/5/data/b/c").as_deref(), Some("2"));
    assert_eq!(fake.get("/local/domain/5/control/shutdown"), None);
    assert_eq!(fake.transactions(), 0);
}

#[test]
fn a_conflict_is_tried_again_with_what_is_there_then() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.set("/local/domain/5/data/counter", "1");
    let mut tries = 0;
    let done = store.transaction(|transaction| {
        tries += 1;
        let counter: u32 = transaction.read_string("data/counter")?.parse().expect("a number");
        if tries < 4 {
            fake.set("/local/domain/5/data/counter", &(counter + 10).to_string());
        }
        transaction.write("data/counter", (counter + 1).to_string())
    });
    assert_eq!((done, tries), (Ok(()), 4));
    assert_eq!(fake.get("/local/domain/5/data/counter").as_deref(), Some("32"));
}

#[test]
fn endless_conflicts_end_in_an_error() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.conflict(u32::MAX);
    assert_eq!(
        store.transaction(|transaction| transaction.write("data/a", "1")),
        Err(Error::Refused(Errno::Again))
    );
    assert_eq!(fake.get("/local/domain/5/data/a"), None);
}

#[test]
fn an_error_in_the_body_aborts() {
    let world = World::new();
    let (fake, store) = start(&world);
    for _ in 0..MANY {
        let refused: Result<(), Error> = store.transaction(|transaction| {
            transaction.write("data/a", "1")?;
            transaction.write("memory/target", "1")
        });
        assert_eq!(refused, Err(Error::Refused(Errno::Acces)), "never that there are too many transactions");
    }
    world.run_peers();
    assert_eq!((fake.transactions(), fake.get("/local/domain/5/data/a")), (0, None));
}

#[test]
fn a_transaction_that_began_too_late_is_ended() {
    let world = World::new();
    let (fake, store) = start(&world);
    let mut round = 0;
    let slow = fake.clone();
    for _ in 0..MANY {
        fake.silence(true);
        assert!(matches!(store.transaction(|_| Ok::<_, Error>(())), Err(Error::TimedOut { .. })));
        fake.silence(false);
    }
    world.add_peer(move |_| {
        round += 1;
        slow.delay(round % 3);
        Progress::None
    });
    store.write("data/a", "1").expect("it answers");
    world.run_peers();
    store.write("data/a", "1").expect("it answers");
    world.run_peers();
    assert_eq!(fake.transactions(), 0);
}
