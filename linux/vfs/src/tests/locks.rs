//! Locks of two who open the same file.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, File, OpenFile, OpenFlags, Stat};

use super::World;
use crate::locks::{
    Conflict, Flock, Range, RecordLock, flock, record_get, record_set, release_process, wait,
};

const RDWR: OpenFlags = OpenFlags::RDWR;

fn lock(process: u64, start: i64, len: i64, kind: Option<Flock>) -> RecordLock {
    RecordLock { process: Some(process), pid: process as u32, range: Range::new(start, len).unwrap(), kind }
}

#[test]
fn a_flock_goes_with_its_description() {
    let world = World::new();
    world.write("/f", "");
    let (one, two) = (world.open("/f", RDWR).unwrap(), world.open("/f", RDWR).unwrap());
    assert_eq!(flock(&one, Some(Flock::Shared)), Ok(()));
    assert_eq!(flock(&two, Some(Flock::Shared)), Ok(()));
    assert_eq!(flock(&one, Some(Flock::Exclusive)), Err(Errno::EAGAIN));
    // The failed change has cost the shared lock.
    assert_eq!(flock(&two, Some(Flock::Exclusive)), Ok(()));
    assert_eq!(flock(&one, Some(Flock::Shared)), Err(Errno::EAGAIN));
    drop(two);
    assert_eq!(flock(&one, Some(Flock::Exclusive)), Ok(()));
    assert_eq!(flock(&one, None), Ok(()));
}

/// A pipe's end, a socket, or the like.
struct Unnamed(u64);

impl File for Unnamed {
    fn as_any(&self) -> &dyn core::any::Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn core::any::Any + Send + Sync> {
        self
    }

    fn stat(&self) -> linux_base::Result<Stat> {
        Ok(Stat { dev: 77, ino: self.0, ..Stat::default() })
    }
}

#[test]
fn what_has_no_name_can_be_locked_too() {
    let open = |number| OpenFile::new(Arc::new(Unnamed(number)), RDWR, Vec::new());
    let (read, write, other) = (open(1), open(1), open(2));
    let exclusive = Some(Flock::Exclusive);
    assert_eq!(flock(&read, exclusive), Ok(()));
    assert_eq!(flock(&write, exclusive), Err(Errno::EAGAIN));
    assert_eq!(flock(&other, exclusive), Ok(()));
    drop(read);
    assert_eq!(flock(&write, exclusive), Ok(()));
    assert_eq!(record_set(&other, &lock(1, 0, 10, exclusive)), Ok(()));
    assert_eq!(record_set(&other, &lock(2, 0, 10, exclusive)), Err(Errno::EAGAIN));
    release_process(&other, 1);
    assert_eq!(record_set(&other, &lock(2, 0, 10, exclusive)), Ok(()));
    // Any number may come and go.
    for number in 10..200 {
        assert_eq!(flock(&open(number), exclusive), Ok(()));
    }
    assert_eq!(flock(&open(1), Some(Flock::Shared)), Err(Errno::EAGAIN));
}

#[test]
fn record_locks_belong_to_a_process_until_it_closes_any_descriptor() {
    let world = World::new();
    world.write("/f", "");
    let (one, two) = (world.open("/f", RDWR).unwrap(), world.open("/f", RDWR).unwrap());
    let exclusive = Some(Flock::Exclusive);
    assert_eq!(record_set(&one, &lock(1, 0, 10, exclusive)), Ok(()));
    assert_eq!(record_set(&two, &lock(1, 5, 10, exclusive)), Ok(()));
    assert_eq!(record_set(&two, &lock(2, 14, 1, Some(Flock::Shared))), Err(Errno::EAGAIN));
    let expected = Conflict { pid: Some(1), range: Range { start: 0, end: 14 }, kind: Flock::Exclusive };
    assert_eq!(record_get(&two, &lock(2, 3, 0, exclusive)), Ok(Some(expected)));
    assert_eq!(record_set(&one, &lock(1, 0, 8, None)), Ok(()));
    assert_eq!(record_set(&one, &lock(2, 0, 8, exclusive)), Ok(()));
    release_process(&two, 1);
    assert_eq!(record_set(&two, &lock(2, 0, 0, exclusive)), Ok(()));
    let reader = world.open("/f", OpenFlags::empty()).unwrap();
    assert_eq!(record_set(&reader, &lock(3, 0, 0, exclusive)), Err(Errno::EBADF));
}

#[test]
fn locks_of_a_description_conflict_with_all_others_and_go_with_it() {
    let world = World::new();
    world.write("/f", "");
    let (one, two) = (world.open("/f", RDWR).unwrap(), world.open("/f", RDWR).unwrap());
    let of_description = RecordLock { process: None, ..lock(1, 0, 0, Some(Flock::Exclusive)) };
    assert_eq!(record_set(&one, &of_description), Ok(()));
    assert_eq!(record_set(&two, &of_description), Err(Errno::EAGAIN));
    let conflict = record_get(&two, &lock(1, 0, 1, Some(Flock::Shared))).unwrap().unwrap();
    assert_eq!(conflict.pid, None);
    drop(one);
    assert_eq!(record_set(&two, &of_description), Ok(()));
}

#[test]
fn a_circle_of_waiters_is_a_deadlock() {
    let world = World::new();
    world.write("/f", "");
    let file = world.open("/f", RDWR).unwrap();
    let exclusive = |process: u64, at| lock(1000 + process, at, 1, Some(Flock::Exclusive));
    for process in 0..3 {
        record_set(&file, &exclusive(process, process as i64)).unwrap();
    }
    let first = wait(&file, &exclusive(0, 1)).unwrap();
    let _second = wait(&file, &exclusive(1, 2)).unwrap();
    assert_eq!(wait(&file, &exclusive(2, 0)).err(), Some(Errno::EDEADLK));
    drop(first);
    assert!(wait(&file, &exclusive(2, 0)).is_ok());
}
