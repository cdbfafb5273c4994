//! inotify: what is told, in what order.

use alloc::sync::Arc;

use linux_base::io::VecSink;
use linux_base::{Errno, OpenFile, OpenFlags, PollEvents};

use super::World;
use crate::inotify::{Inotify, event};

/// The events that wait: watch, mask, cookie, name.
fn events(file: &Arc<OpenFile>) -> Vec<(i32, u32, u32, String)> {
    let mut bytes = Vec::new();
    if file.read(None, &mut VecSink::new(&mut bytes, 1 << 20), 0) == Err(Errno::EAGAIN) {
        return Vec::new();
    }
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let len = word(12) as usize;
        assert!(len.is_multiple_of(16));
        let name = String::from_utf8(rest[16..16 + len].to_vec()).unwrap();
        events.push((word(0) as i32, word(4), word(8), name.trim_end_matches('\0').to_string()));
        rest = &rest[16 + len..];
    }
    events
}

fn watch(world: &World, file: &Arc<OpenFile>, path: &str, mask: u32) -> linux_base::Result<i32> {
    world.context().watch(file.downcast::<Inotify>().unwrap(), &world.place(path), mask)
}

#[test]
fn a_directory_tells_of_its_names() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.mkdir("/e").unwrap();
    let file = Inotify::open(OpenFlags::NONBLOCK);
    assert_eq!(watch(&world, &file, "/d", event::ALL), Ok(1));
    assert_eq!(file.file().poll(), PollEvents::empty());
    world.write("/d/f", "x");
    world.mkdir("/d/s").unwrap();
    let told: Vec<_> = events(&file).into_iter().map(|(_, mask, _, name)| (mask, name)).collect();
    let f = |mask| (mask, "f".to_string());
    let expected = [event::CREATE, event::OPEN, event::MODIFY, event::CLOSE_WRITE].map(f);
    assert_eq!(told[..4], expected);
    assert_eq!(told[4..], [(event::CREATE | event::IS_DIRECTORY, "s".to_string())]);
    world.rename("/d/f", "/d/g").unwrap();
    world.rename("/d/g", "/e/h").unwrap();
    world.rmdir("/d/s").unwrap();
    let told = events(&file);
    assert_eq!(told[0].1, event::MOVED_FROM);
    assert_eq!((told[1].1, told[1].2, &told[1].3[..]), (event::MOVED_TO, told[0].2, "g"));
    assert_eq!((told[2].1, &told[2].3[..]), (event::MOVED_FROM, "g"));
    assert_eq!(told[3].1, event::DELETE | event::IS_DIRECTORY);
    world.rmdir("/d").unwrap();
    let told: Vec<_> = events(&file).into_iter().map(|event| event.1).collect();
    assert_eq!(told, [event::DELETE_SELF, event::IGNORED]);
    assert_eq!(file.downcast::<Inotify>().unwrap().remove(1), Err(Errno::EINVAL));
}

#[test]
fn a_watch_may_be_for_once_and_its_events_may_be_added_to() {
    let world = World::new();
    world.write("/f", "x");
    let file = Inotify::open(OpenFlags::NONBLOCK);
    let watched = watch(&world, &file, "/f", event::MODIFY | event::ONESHOT).unwrap();
    assert_eq!(watch(&world, &file, "/f", event::ATTRIB | event::MASK_CREATE), Err(Errno::EEXIST));
    assert_eq!(watch(&world, &file, "/f", event::ONLY_DIRECTORY | event::OPEN), Err(Errno::ENOTDIR));
    assert_eq!(watch(&world, &file, "/f", 0), Err(Errno::EINVAL));
    assert_eq!(watch(&world, &file, "/f", event::ATTRIB | event::MASK_ADD | event::ONESHOT), Ok(watched));
    world.context().chmod(&world.place("/f"), 0o600).unwrap();
    world.write("/f", "y");
    let told: Vec<_> = events(&file).into_iter().map(|event| event.1).collect();
    assert_eq!(told, [event::ATTRIB, event::IGNORED]);
}

#[test]
fn a_buffer_that_is_too_small_is_an_error_and_equal_events_are_one() {
    let world = World::new();
    world.write("/f", "x");
    let file = Inotify::open(OpenFlags::NONBLOCK);
    watch(&world, &file, "/", event::MODIFY).unwrap();
    let writer = world.open("/f", OpenFlags::WRONLY).unwrap();
    for _ in 0..3 {
        writer.write(None, &mut linux_base::io::SliceSource::new(b"x"), 0).unwrap();
    }
    let mut bytes = Vec::new();
    assert_eq!(file.read(None, &mut VecSink::new(&mut bytes, 31), 0), Err(Errno::EINVAL));
    assert_eq!(events(&file).len(), 1);
}
