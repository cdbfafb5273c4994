//! Epoll, by cases and against a model.

use alloc::collections::BTreeMap;

use super::*;
use crate::eventfd::{EventFd, Takes};
use crate::{Control, Epoll, EpollEvent, Pipe};
use linux_base::abi::general::{EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT};
use linux_base::{Errno, Stat};

const IN: u32 = PollEvents::IN.bits();
const OUT: u32 = PollEvents::OUT.bits();
const HUP: u32 = PollEvents::HUP.bits();

fn event(events: u32, data: u64) -> EpollEvent {
    EpollEvent { events, data }
}

fn collect(epoll: &Epoll, max: usize) -> Vec<(u32, u64)> {
    let mut all = Vec::new();
    let count = epoll.collect(max, &mut |event| {
        all.push((event.events, event.data));
        Ok(())
    });
    assert_eq!(count, Ok(all.len()));
    all
}

fn eventfd() -> (Arc<EventFd>, Arc<OpenFile>) {
    let event = EventFd::new(0, Takes::Everything);
    (event.clone(), open(event, OpenFlags::RDWR))
}

#[test]
fn level_triggered_events_are_told_as_long_as_they_last() {
    let epoll = Epoll::new();
    let (event_fd, file) = eventfd();
    epoll.control(3, &file, Control::Add(event(IN, 30))).unwrap();
    assert_eq!(collect(&epoll, 8), []);
    event_fd.add(1).unwrap();
    assert_eq!(collect(&epoll, 8), [(IN, 30)]);
    assert_eq!(collect(&epoll, 8), [(IN, 30)]);
    event_fd.take().unwrap();
    assert_eq!(collect(&epoll, 8), []);
    assert_eq!(epoll.poll(), PollEvents::empty());
}

#[test]
fn edge_triggered_events_are_told_once_for_each_change() {
    let epoll = Epoll::new();
    let (event_fd, file) = eventfd();
    epoll.control(3, &file, Control::Add(event(IN | OUT | EPOLLET, 30))).unwrap();
    assert_eq!(collect(&epoll, 8), [(OUT, 30)]);
    assert_eq!(collect(&epoll, 8), []);
    event_fd.add(1).unwrap();
    event_fd.add(1).unwrap();
    assert_eq!(collect(&epoll, 8), [(IN | OUT, 30)]);
    assert_eq!(collect(&epoll, 8), []);
    event_fd.add(1).unwrap();
    assert_eq!(collect(&epoll, 8), [(IN | OUT, 30)]);
    // MOD arms it again.
    epoll.control(3, &file, Control::Modify(event(IN | EPOLLET, 31))).unwrap();
    assert_eq!(collect(&epoll, 8), [(IN, 31)]);
    // A change of what is not asked for is not told.
    epoll.control(3, &file, Control::Modify(event(OUT | EPOLLET, 31))).unwrap();
    assert_eq!(collect(&epoll, 8), [(OUT, 31)]);
    event_fd.add(1).unwrap();
    assert_eq!(collect(&epoll, 8), []);
}

#[test]
fn a_one_shot_item_is_silent_until_modified() {
    let epoll = Epoll::new();
    let (event_fd, file) = eventfd();
    epoll.control(3, &file, Control::Add(event(IN | EPOLLONESHOT, 1))).unwrap();
    event_fd.add(1).unwrap();
    assert_eq!(collect(&epoll, 8), [(IN, 1)]);
    event_fd.add(1).unwrap();
    assert_eq!(collect(&epoll, 8), []);
    epoll.control(3, &file, Control::Modify(event(IN | EPOLLONESHOT, 2))).unwrap();
    assert_eq!(collect(&epoll, 8), [(IN, 2)]);
}

#[test]
fn ready_files_take_turns_when_there_is_room_for_few() {
    let epoll = Epoll::new();
    let files: Vec<_> = (0..5).map(|_| eventfd()).collect();
    for (fd, (event_fd, file)) in files.iter().enumerate() {
        epoll.control(fd as i32, file, Control::Add(event(IN, fd as u64))).unwrap();
        event_fd.add(1).unwrap();
    }
    let told: Vec<u64> = (0..5).flat_map(|_| collect(&epoll, 2)).map(|(_, data)| data).collect();
    assert_eq!(told, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[test]
fn an_event_that_can_not_be_stored_stays() {
    let epoll = Epoll::new();
    let (event_fd, file) = eventfd();
    epoll.control(3, &file, Control::Add(event(IN | EPOLLET, 1))).unwrap();
    event_fd.add(1).unwrap();
    assert_eq!(epoll.collect(1, &mut |_| Err(Errno::EFAULT)), Err(Errno::EFAULT));
    assert_eq!(collect(&epoll, 8), [(IN, 1)]);
}

struct Regular;

impl File for Regular {
    fn stat(&self) -> Result<Stat> {
        Ok(Stat::default())
    }

    fn as_any(&self) -> &dyn core::any::Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn core::any::Any + Send + Sync> {
        self
    }
}

#[test]
fn wrong_operations_are_refused() {
    let epoll = Epoll::new();
    let (_, file) = eventfd();
    let wanted = event(IN, 0);
    let control = |control| epoll.control(3, &file, control);
    assert_eq!(control(Control::Modify(wanted)), Err(Errno::ENOENT));
    assert_eq!(control(Control::Delete), Err(Errno::ENOENT));
    assert_eq!(control(Control::Add(wanted)), Ok(()));
    assert_eq!(control(Control::Add(wanted)), Err(Errno::EEXIST));
    assert_eq!(epoll.control(4, &file, Control::Add(wanted)), Ok(()));
    assert_eq!(control(Control::Modify(event(IN | EPOLLEXCLUSIVE, 0))), Err(Errno::EINVAL));
    assert_eq!(control(Control::Delete), Ok(()));
    assert_eq!(control(Control::Add(event(IN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0))), Err(Errno::EINVAL));
    assert_eq!(control(Control::Add(event(IN | EPOLLEXCLUSIVE, 0))), Ok(()));
    assert_eq!(control(Control::Modify(wanted)), Err(Errno::EINVAL));
    let regular = open(Arc::new(Regular), OpenFlags::RDWR);
    assert_eq!(epoll.control(5, &regular, Control::Add(wanted)), Err(Errno::EPERM));
    let itself = open(epoll.clone(), OpenFlags::RDWR);
    assert_eq!(epoll.control(6, &itself, Control::Add(wanted)), Err(Errno::EINVAL));
    assert_eq!(crate::epoll::check_max_events(0), Err(Errno::EINVAL));
    assert_eq!(crate::epoll::control_of(4, || Ok(wanted)), Err(Errno::EINVAL));
}

#[test]
fn a_file_that_closes_leaves() {
    let epoll = Epoll::new();
    let (reader, writer) = Pipe::pair((0, 0));
    let reader = open(reader, OpenFlags::empty());
    epoll.control(3, &reader, Control::Add(event(IN, 1))).unwrap();
    write(&*writer, b"x").unwrap();
    let duplicate = reader.clone();
    drop(reader);
    assert_eq!(collect(&epoll, 8), [(IN, 1)]);
    drop(duplicate);
    assert_eq!(collect(&epoll, 8), []);
    assert!(epoll.items().is_empty());
    assert_eq!(write(&*writer, b"x"), Err(Errno::EPIPE));
}

#[test]
fn an_instance_that_closes_watches_nothing() {
    let epoll = Epoll::new();
    let (event_fd, file) = eventfd();
    epoll.control(3, &file, Control::Add(event(IN, 1))).unwrap();
    assert!(event_fd.queue().unwrap().is_watched() && file.closing().is_watched());
    let weak = Arc::downgrade(&epoll);
    drop(epoll);
    assert!(weak.upgrade().is_none());
    assert!(!event_fd.queue().unwrap().is_watched() && !file.closing().is_watched());
}

#[test]
fn a_hang_up_is_told_unasked() {
    let epoll = Epoll::new();
    let (reader, writer) = Pipe::pair((0, 0));
    let reader = open(reader, OpenFlags::empty());
    epoll.control(3, &reader, Control::Add(event(EPOLLET, 1))).unwrap();
    assert_eq!(collect(&epoll, 8), []);
    drop(writer);
    assert_eq!(collect(&epoll, 8), [(HUP, 1)]);
    assert_eq!(collect(&epoll, 8), []);
}

#[test]
fn events_that_found_no_room_wake_the_next_thread() {
    let epoll = Epoll::new();
    let files: Vec<_> = (0..2).map(|_| eventfd()).collect();
    for (fd, (event_fd, file)) in files.iter().enumerate() {
        epoll.control(fd as i32, file, Control::Add(event(IN | EPOLLET, fd as u64))).unwrap();
        event_fd.add(1).unwrap();
    }
    let woken = Arc::new(Count::default());
    let _watch = epoll.queue().unwrap().watch(woken.clone());
    assert_eq!((collect(&epoll, 1), woken.take()), (vec![(IN, 0)], 1));
    assert_eq!((collect(&epoll, 1), woken.take()), (vec![(IN, 1)], 0));
}

#[test]
fn a_file_that_is_taken_out_while_it_is_told_of_stays_out() {
    let epoll = Epoll::new();
    let (event_fd, file) = eventfd();
    epoll.control(3, &file, Control::Add(event(IN, 1))).unwrap();
    event_fd.add(1).unwrap();
    let told = epoll.collect(8, &mut |_| epoll.control(3, &file, Control::Delete));
    assert_eq!((told, collect(&epoll, 8)), (Ok(1), vec![]));
}

#[test]
fn an_exclusive_event_wakes_one_instance_that_is_waited_for() {
    let instances: Vec<_> = (0..3).map(|_| Epoll::new()).collect();
    let (event_fd, file) = eventfd();
    for epoll in &instances {
        epoll.control(3, &file, Control::Add(event(IN | EPOLLEXCLUSIVE, 1))).unwrap();
    }
    let woken: Vec<_> = (0..2).map(|_| Arc::new(Count::default())).collect();
    let _watches = [0, 1].map(|at| instances[at + 1].queue().unwrap().watch(woken[at].clone()));
    event_fd.add(1).unwrap();
    event_fd.add(1).unwrap();
    // Nobody waits for the first.
    assert_eq!((woken[0].take(), woken[1].take()), (1, 1));
    assert_eq!((collect(&instances[0], 8), collect(&instances[1], 8)), (vec![], vec![(IN, 1)]));
}

#[test]
fn instances_can_be_nested_but_not_in_circles() {
    let instances: Vec<_> = (0..6).map(|_| Epoll::new()).collect();
    let files: Vec<_> = instances.iter().map(|epoll| open(epoll.clone(), OpenFlags::RDWR)).collect();
    let add = |outer: usize, inner: usize| {
        instances[outer].control(inner as i32, &files[inner], Control::Add(event(IN, inner as u64)))
    };
    for outer in 0..4 {
        add(outer, outer + 1).unwrap();
    }
    assert_eq!(add(4, 5), Err(Errno::ELOOP));
    assert_eq!(add(5, 0), Err(Errno::ELOOP));
    assert_eq!(add(4, 0), Err(Errno::ELOOP));
    let (event_fd, file) = eventfd();
    instances[4].control(9, &file, Control::Add(event(IN, 9))).unwrap();
    let woken = Arc::new(Count::default());
    let _watch = instances[0].queue().unwrap().watch(woken.clone());
    event_fd.add(1).unwrap();
    assert_eq!((woken.take(), collect(&instances[0], 8)), (1, vec![(IN, 1)]));
    assert_eq!(collect(&instances[4], 8), [(IN, 9)]);
    event_fd.take().unwrap();
    assert_eq!(collect(&instances[0], 8), []);
    // Taken apart, the deepest may have one more.
    instances[0].control(1, &files[1], Control::Delete).unwrap();
    assert_eq!(add(4, 5), Ok(()));
}

/// What an instance is to tell, by looking at each file each time.
#[derive(Default)]
struct Model {
    items: BTreeMap<i32, ModelItem>,
}

struct ModelItem {
    wanted: u32,
    data: u64,
    is_armed: bool,
    /// For edges: something has happened since the last report.
    has_changed: bool,
}

impl Model {
    fn collect(&mut self, now: impl Fn(i32) -> u32) -> Vec<(u32, u64)> {
        let mut all = Vec::new();
        for (fd, item) in &mut self.items {
            let events = now(*fd) & (item.wanted | HUP);
            let is_edge = item.wanted & EPOLLET != 0;
            let had_changed = core::mem::take(&mut item.has_changed);
            if events == 0 || !item.is_armed || (is_edge && !had_changed) {
                continue;
            }
            all.push((events, item.data));
            item.is_armed = item.wanted & EPOLLONESHOT == 0;
        }
        all
    }

    /// A file's queue tells of `events`.
    fn tell(&mut self, fd: i32, events: u32) {
        if let Some(item) = self.items.get_mut(&fd) {
            item.has_changed |= item.is_armed && item.wanted & events != 0;
        }
    }
}

#[test]
fn epoll_tells_what_its_model_tells() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let epoll = Epoll::new();
        let files: Vec<_> = (0..6).map(|_| eventfd()).collect();
        let mut model = Model::default();
        let mut told = 0;
        for step in 0..300 {
            let fd = random.below(files.len());
            let (event_fd, file) = &files[fd];
            let wanted = [IN, OUT, IN | OUT][random.below(3)]
                | [0, EPOLLET][random.below(2)]
                | [0, 0, EPOLLONESHOT][random.below(3)];
            let item = || ModelItem { wanted, data: step, is_armed: true, has_changed: true };
            match random.below(7) {
                0 if model.items.len() > 2 => {
                    let expected = model.items.remove(&(fd as i32)).map(|_| ()).ok_or(Errno::ENOENT);
                    assert_eq!(epoll.control(fd as i32, file, Control::Delete), expected);
                }
                0 | 1 => {
                    let is_new = !model.items.contains_key(&(fd as i32));
                    let added = epoll.control(fd as i32, file, Control::Add(event(wanted, step)));
                    assert_eq!(added, if is_new { Ok(()) } else { Err(Errno::EEXIST) });
                    model.items.entry(fd as i32).or_insert_with(item);
                }
                2 => {
                    let modified = epoll.control(fd as i32, file, Control::Modify(event(wanted, step)));
                    let known = model.items.get_mut(&(fd as i32));
                    assert_eq!(modified.is_ok(), known.is_some());
                    if let Some(known) = known {
                        *known = item();
                    }
                }
                3 => {
                    let value = if random.below(2) == 0 { 1 } else { u64::MAX - 1 - event_fd.count() };
                    if event_fd.add(value).is_ok() {
                        model.tell(fd as i32, IN);
                    }
                }
                4 => {
                    if event_fd.take().is_ok() {
                        model.tell(fd as i32, OUT);
                    }
                }
                _ => {
                    let mut expected = model.collect(|fd| files[fd as usize].0.poll().bits());
                    let mut got = collect(&epoll, 100);
                    expected.sort_unstable();
                    got.sort_unstable();
                    assert_eq!(got, expected, "seed {seed}, step {step}");
                    told += got.len();
                }
            }
        }
        assert!(told > 20, "seed {seed} told {told}");
    }
}
