//! Random sequences of operations against the model.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::abi::general::{
    MADV_DONTNEED, MADV_WILLNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, MREMAP_DONTUNMAP, MREMAP_FIXED,
    MREMAP_MAYMOVE,
};
use linux_base::{Errno, Sink, Source};
use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;

use super::model::{Model, Object, Page, object};
use super::pager::TestFile;
use super::{RW, leaves_no_page, space};
use crate::*;

/// The window in which all happens, in pages.
const BASE: u64 = 0x10_0000;
const WINDOW: u64 = 40;
const FILE_PAGES: usize = 24;
/// Frames of another domain, and its number.
const OTHER_FRAMES: usize = 16;
const OTHER: u16 = 7;

#[derive(Clone, Debug)]
enum Op {
    Anonymous { at: u64, count: u64, prot: Prot, shared: bool },
    File { at: u64, count: u64, prot: Prot, shared: bool, first: u64 },
    Foreign { at: u64, count: u64, writable: bool, first: u64 },
    Unmap { at: u64, count: u64 },
    Protect { at: u64, count: u64, prot: Prot },
    Move { at: u64, count: u64, target: u64, keeps: bool },
    Shrink { at: u64, count: u64, left: u64 },
    Discard { at: u64, count: u64 },
    Lock { at: u64, count: u64, locks: bool },
    Fault { at: u64, access: Access },
    Write { at: u64, offset: u64, len: usize, byte: u8 },
    Push { at: u64, offset: u64, len: usize, byte: u8 },
    Read { at: u64, offset: u64, len: usize },
    Fork,
    Exit,
    Switch(usize),
}

fn prot() -> impl Strategy<Value = Prot> {
    prop_oneof![3 => Just(RW), 1 => Just(Prot::READ), 1 => Just(Prot::empty()), 1 => Just(Prot::READ | Prot::EXEC), 1 => Just(Prot::WRITE)]
}

fn op() -> impl Strategy<Value = Op> {
    let (at, count) = (|| 0..WINDOW, || 1..9u64);
    let access = prop_oneof![Just(Access::Read), Just(Access::Write), Just(Access::Execute)];
    let (offset, len) =
        (|| 0..4096u64, || prop_oneof![1..64usize, 1..if cfg!(miri) { 5000usize } else { 20_000 }]);
    prop_oneof![
        4 => (at(), count(), prot(), any::<bool>()).prop_map(|(at, count, prot, shared)| Op::Anonymous { at, count, prot, shared }),
        3 => (at(), count(), prot(), any::<bool>(), 0..FILE_PAGES as u64 + 2)
            .prop_map(|(at, count, prot, shared, first)| Op::File { at, count, prot, shared, first }),
        3 => (at(), count(), any::<bool>(), 0..OTHER_FRAMES as u64 + 4)
            .prop_map(|(at, count, writable, first)| Op::Foreign { at, count, writable, first }),
        2 => (at(), count()).prop_map(|(at, count)| Op::Unmap { at, count }),
        3 => (at(), count(), prot()).prop_map(|(at, count, prot)| Op::Protect { at, count, prot }),
        3 => (at(), count(), at(), any::<bool>()).prop_map(|(at, count, target, keeps)| Op::Move { at, count, target, keeps }),
        1 => (at(), count(), 1..9u64).prop_map(|(at, count, left)| Op::Shrink { at, count, left }),
        1 => (at(), count()).prop_map(|(at, count)| Op::Discard { at, count }),
        1 => (at(), count(), any::<bool>()).prop_map(|(at, count, locks)| Op::Lock { at, count, locks }),
        4 => (at(), access).prop_map(|(at, access)| Op::Fault { at, access }),
        6 => (at(), offset(), len(), any::<u8>()).prop_map(|(at, offset, len, byte)| Op::Write { at, offset, len, byte }),
        3 => (at(), offset(), len(), any::<u8>()).prop_map(|(at, offset, len, byte)| Op::Push { at, offset, len, byte }),
        4 => (at(), offset(), len()).prop_map(|(at, offset, len)| Op::Read { at, offset, len }),
        2 => Just(Op::Fork),
        1 => Just(Op::Exit),
        2 => (0..4usize).prop_map(Op::Switch),
    ]
}

struct World {
    processes: Vec<(Arc<AddressSpace>, Model)>,
    current: usize,
    file: Arc<TestFile>,
    file_model: Object,
    other_model: Object,
}

impl World {
    fn new() -> Self {
        let file = TestFile::new(FILE_PAGES, FILE_PAGES / 3);
        let file_model = object(FILE_PAGES, |number| number as u8 + 1);
        let other_model = object(OTHER_FRAMES, |number| number as u8 + 100);
        let space = space();
        super::foreign::add_target(&space, OTHER, OTHER_FRAMES as u64, 100);
        Self { processes: alloc::vec![(space, Model::default())], current: 0, file, file_model, other_model }
    }

    fn run(&mut self, op: Op) {
        let last = self.processes.len() - 1;
        let (file, file_model) = (self.file.clone(), self.file_model.clone());
        let other_model = self.other_model.clone();
        let current = self.current.min(last);
        let (space, model) = &mut self.processes[current];
        let place = |at: u64| (BASE + at) * 4096;
        match op {
            Op::Anonymous { at, count, prot, shared } => {
                let mut request = MapRequest::anonymous(place(at), count * 4096, prot, MAP_FIXED);
                if shared {
                    request.flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
                }
                assert_eq!(space.mmap(request), Ok(place(at)));
                let memory = shared.then(|| object(count as usize, |_| 0));
                for page in 0..count {
                    let object = memory.clone().map(|memory| (memory, page as usize));
                    model
                        .0
                        .insert(BASE + at + page, Page { prot, object, shared, foreign: false, own: None });
                }
            }
            Op::File { at, count, prot, shared, first } => {
                let mut request =
                    MapRequest::private(place(at), count * 4096, prot, MAP_FIXED, file.object(first * 4096));
                if shared {
                    request.flags = MAP_SHARED | MAP_FIXED;
                }
                assert_eq!(space.mmap(request), Ok(place(at)));
                for page in 0..count {
                    let object = Some((file_model.clone(), (first + page) as usize));
                    model
                        .0
                        .insert(BASE + at + page, Page { prot, object, shared, foreign: false, own: None });
                }
            }
            Op::Foreign { at, count, writable, first } => {
                let prot = if writable { RW } else { Prot::READ };
                let area = super::foreign::area(place(at), count, prot, MAP_FIXED);
                assert_eq!(space.mmap(area), Ok(place(at)));
                // Every other one, and those behind the end, are not there.
                let known = |frame: u64| frame.is_multiple_of(2) && frame < OTHER_FRAMES as u64;
                let frames: Vec<u64> = (first..first + count)
                    .map(|frame| if frame.is_multiple_of(2) { frame } else { 1 << 30 })
                    .collect();
                let mut errors = alloc::vec![-1; count as usize];
                assert_eq!(space.map_foreign(place(at), OTHER, Frames::Guest(&frames), &mut errors), Ok(()));
                for (page, error) in (0..count).zip(errors) {
                    let frame = first + page;
                    assert_eq!(error == 0, known(frame), "frame {frame}: {error}");
                    let index = if known(frame) { frame as usize } else { usize::MAX };
                    let object = Some((other_model.clone(), index));
                    model.0.insert(
                        BASE + at + page,
                        Page { prot, object, shared: true, foreign: true, own: None },
                    );
                }
            }
            Op::Unmap { at, count } => {
                assert_eq!(space.munmap(place(at), count * 4096), Ok(()));
                model.unmap(BASE + at, count);
            }
            Op::Protect { at, count, prot } => {
                let done = space.mprotect(place(at), count * 4096, prot.bits());
                assert_eq!(done.is_ok(), model.protect(BASE + at, count, prot));
            }
            Op::Move { at, count, target, keeps } => {
                let flags = MREMAP_MAYMOVE | MREMAP_FIXED | if keeps { MREMAP_DONTUNMAP } else { 0 };
                let done = space.mremap(place(at), count * 4096, count * 4096, flags, place(target));
                let overlaps = at < target + count && target < at + count;
                match done {
                    Ok(new) => {
                        assert!(!overlaps && model.is_whole(BASE + at, count) && new == place(target));
                        model.relocate(BASE + at, count, BASE + target, keeps);
                    }
                    Err(Errno::EINVAL) => assert!(overlaps),
                    // Not one mapping; the model does not know where they begin and end.
                    Err(errno) => assert_eq!(errno, Errno::EFAULT),
                }
            }
            Op::Shrink { at, count, left } => {
                let left = left.min(count);
                match space.mremap(place(at), count * 4096, left * 4096, 0, 0) {
                    Ok(new) => {
                        assert!(model.is_whole(BASE + at, count) && new == place(at));
                        model.unmap(BASE + at + left, count - left);
                    }
                    Err(errno) => assert_eq!(errno, Errno::EFAULT),
                }
            }
            Op::Discard { at, count } => match space.madvise(place(at), count * 4096, MADV_DONTNEED) {
                // Locked, or not ours.
                Err(Errno::EINVAL) => {}
                done => {
                    assert_eq!(done.is_ok(), model.is_whole(BASE + at, count));
                    model.discard(BASE + at, count);
                    assert_eq!(space.madvise(place(at), count * 4096, MADV_WILLNEED), done);
                }
            },
            Op::Lock { at, count, locks } => {
                let done = space.mlock(place(at), count * 4096, locks, locks);
                assert_eq!(done.is_ok(), model.is_whole(BASE + at, count));
                if done.is_ok() && locks {
                    model.populate(BASE + at, count);
                }
            }
            Op::Fault { at, access } => {
                let expected = match model.0.get(&(BASE + at)) {
                    None => FaultOutcome::Segv(SegvCode::MapErr),
                    Some(page) => {
                        let allowed = match access {
                            Access::Read => !page.prot.is_empty(),
                            Access::Write => page.prot.contains(Prot::WRITE),
                            Access::Execute => page.prot.contains(Prot::EXEC),
                        };
                        let behind = page.own.is_none()
                            && page
                                .object
                                .as_ref()
                                .is_some_and(|(object, index)| *index >= object.borrow().len());
                        match (allowed, behind) {
                            (false, _) => FaultOutcome::Segv(SegvCode::AccErr),
                            (true, true) => FaultOutcome::Bus,
                            (true, false) => FaultOutcome::Handled,
                        }
                    }
                };
                assert_eq!(space.fault(place(at) + 5, access), expected);
                if access == Access::Write && expected == FaultOutcome::Handled {
                    model.populate(BASE + at, 1);
                }
            }
            Op::Write { at, offset, len, byte } => {
                let address = place(at) + offset;
                let done = space.write_bytes(address, &alloc::vec![byte; len]);
                let all = (0..len as u64).all(|at| model.write(address + at, byte).is_some());
                assert_eq!(done.is_ok(), all);
            }
            Op::Push { at, offset, len, byte } => {
                let address = place(at) + offset;
                let mut sink = UserSink::new(space, address, len).unwrap();
                let ready = sink.prepare(len);
                let pushed = sink.push(&alloc::vec![byte; len]);
                let written =
                    (0..len as u64).take_while(|at| model.write(address + at, byte).is_some()).count();
                assert_eq!(pushed, if written == 0 { Err(Errno::EFAULT) } else { Ok(written) });
                assert_eq!(ready.is_ok(), written > 0);
            }
            Op::Read { at, offset, len } => {
                let address = place(at) + offset;
                let expected: Vec<u8> = (0..len as u64).map_while(|at| model.read(address + at)).collect();
                let mut bytes = alloc::vec![0; len];
                let mut source = UserSource::new(space, address, len).unwrap();
                let _ = source.prepare(len);
                let pulled = source.pull(&mut bytes).unwrap_or(0);
                assert_eq!(&bytes[..pulled], &expected[..]);
            }
            Op::Fork if last < 3 => {
                let child = (space.fork().unwrap(), model.child());
                self.processes.push(child);
            }
            Op::Exit if last > 0 => {
                self.processes.remove(current);
            }
            Op::Fork | Op::Exit => {}
            Op::Switch(to) => self.current = to,
        }
    }

    fn check(&self) {
        for (space, model) in &self.processes {
            super::accounting::check(space);
            for page in BASE..BASE + WINDOW + 10 {
                let byte = space.read_array::<1>(page * 4096).ok().map(|byte| byte[0]);
                assert_eq!(byte, model.read(page * 4096), "page {page:#x}");
            }
            super::accounting::check(space);
            let mapped: u64 = space.areas().unwrap().iter().map(|area| (area.end - area.start) / 4096).sum();
            assert_eq!(mapped, model.0.len() as u64);
            for area in space.areas().unwrap() {
                for page in area.start / 4096..area.end / 4096 {
                    let known = &model.0[&page];
                    assert_eq!((area.prot, area.is_shared), (known.prot, known.shared));
                }
            }
        }
    }
}

/// A generator that takes few steps for a number: with the usual one most of the time under Miri went there.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 600 },
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_sequence_of_operations_does_what_the_model_does(ops in prop::collection::vec(op(), 1..if cfg!(miri) { 25 } else { 120 })) {
        leaves_no_page(|| {
            let mut world = World::new();
            for op in ops {
                world.run(op);
            }
            world.check();
            let file = world.file.clone();
            drop(world);
            assert_eq!(file.writers.load(core::sync::atomic::Ordering::Relaxed), 0);
        });
    }
}
