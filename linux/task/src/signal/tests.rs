//! Signals, held against `signal(7)` and the layouts of Linux's headers.

use super::frame::{self, Interrupted, Registers};
use super::*;

fn set(signals: &[Signal]) -> SigSet {
    signals.iter().fold(SigSet::EMPTY, |set, signal| set.with(SigSet::of(*signal)))
}

fn by_user(signal: Signal) -> SigInfo {
    SigInfo::sent(signal, SigInfo::USER, 7, 1000)
}

fn queued(number: i32, value: u64) -> SigInfo {
    let cause = Cause::Sender { pid: 1, uid: 0, value };
    SigInfo { signal: Signal::new(number).unwrap(), errno: 0, code: SigInfo::QUEUE, cause }
}

#[test]
fn only_1_to_64_are_signals() {
    for number in [0, -1, 65, i32::MAX, i32::MIN, 256 + 9] {
        assert_eq!(Signal::new(number), Err(Errno::EINVAL), "{number}");
    }
    assert_eq!(Signal::new(64).unwrap().name(), "SIGRT");
    assert_eq!(Signal::new(15).unwrap(), Signal::TERM);
}

#[test]
fn the_sets_of_fixed_signals_are_what_their_names_say() {
    let all = (1..=64).map(|number| Signal::new(number).unwrap());
    for signal in all {
        assert_eq!(SigSet::UNMASKABLE.contains(signal), signal.is_unmaskable(), "{signal:?}");
        assert_eq!(SigSet::SYNCHRONOUS.contains(signal), signal.is_synchronous(), "{signal:?}");
    }
    assert!(!SigSet::mask(u64::MAX).contains(Signal::KILL));
}

#[test]
fn a_standard_signal_is_pending_once_and_a_real_time_one_each_time() {
    let mut pending = Pending::default();
    for value in 0..3 {
        pending.push(by_user(Signal::USR1), 100).unwrap();
        pending.push(queued(40, value), 100).unwrap();
    }
    assert_eq!(pending.len(), 4);
    assert_eq!(pending.take(SigSet::EMPTY).unwrap().signal, Signal::USR1);
    for value in 0..3 {
        assert_eq!(pending.take(SigSet::EMPTY).unwrap(), queued(40, value));
    }
    assert_eq!(pending.take(SigSet::EMPTY), None);
    assert!(pending.set().is_empty());
}

#[test]
fn faults_come_before_lower_numbers_and_blocked_ones_stay() {
    let mut pending = Pending::default();
    for signal in [Signal::TERM, Signal::HUP, Signal::SEGV] {
        pending.push(by_user(signal), 100).unwrap();
    }
    let mask = set(&[Signal::HUP]);
    assert_eq!(pending.take(mask).unwrap().signal, Signal::SEGV);
    assert_eq!(pending.take(mask).unwrap().signal, Signal::TERM);
    assert_eq!(pending.take(mask), None);
    assert_eq!(pending.take_wanted(set(&[Signal::INT])), None);
    assert_eq!(pending.take_wanted(mask).unwrap().signal, Signal::HUP);
}

#[test]
fn sigqueue_has_a_limit_and_kill_has_none() {
    let mut pending = Pending::default();
    for value in 0..3 {
        pending.push(queued(50, value), 3).unwrap();
    }
    assert_eq!(pending.push(queued(50, 3), 3), Err(Errno::EAGAIN));
    assert_eq!(pending.push(by_user(Signal::TERM), 3), Ok(()));
    pending.discard(set(&[Signal::new(50).unwrap()]));
    assert_eq!((pending.len(), pending.set()), (1, set(&[Signal::TERM])));
}

#[test]
fn defaults_are_those_of_signal_7() {
    let default = Action::default();
    assert_eq!(default.decide(Signal::TERM), Disposition::Terminate { core: false });
    assert_eq!(default.decide(Signal::SEGV), Disposition::Terminate { core: true });
    assert_eq!(default.decide(Signal::CHLD), Disposition::Ignore);
    assert_eq!(default.decide(Signal::TTIN), Disposition::Stop);
    assert_eq!(default.decide(Signal::CONT), Disposition::Continue);
    assert_eq!(default.decide(Signal::new(34).unwrap()), Disposition::Terminate { core: false });
    let handled = Action { handler: 0x1000, ..default };
    assert_eq!(handled.decide(Signal::TERM), Disposition::Handle);
    assert_eq!(handled.decide(Signal::KILL), Disposition::Terminate { core: false });
    let ignored = Action { handler: Action::IGNORE, ..default };
    assert_eq!(ignored.decide(Signal::TERM), Disposition::Ignore);
    assert_eq!(ignored.decide(Signal::STOP), Disposition::Stop);
    assert!(!ignored.discards(Signal::CONT));
}

#[test]
fn exec_keeps_what_is_ignored_and_nothing_else() {
    let mut actions = Actions::default();
    let handled = Action { handler: 0x1000, mask: set(&[Signal::INT]), ..Action::default() };
    actions.set(Signal::TERM, handled).unwrap();
    actions.set(Signal::HUP, Action { handler: Action::IGNORE, ..handled }).unwrap();
    assert_eq!(actions.set(Signal::KILL, handled), Err(Errno::EINVAL));
    assert_eq!(actions.caught_and_ignored(), (set(&[Signal::TERM]), set(&[Signal::HUP])));
    actions.reset_for_exec();
    assert_eq!(actions.get(Signal::TERM), Action::default());
    assert_eq!(actions.get(Signal::HUP), Action { handler: Action::IGNORE, ..Action::default() });
}

#[test]
fn siginfo_has_its_fields_where_programs_look() {
    let child = Cause::Child { pid: 5, uid: 6, status: 7, user_ticks: 8, system_ticks: 9 };
    let bytes = SigInfo { signal: Signal::CHLD, errno: 0, code: 1, cause: child }.to_bytes();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!([word(0), word(8), word(16), word(20), word(24), word(32), word(40)], [17, 1, 5, 6, 7, 8, 9]);
    for info in [queued(44, u64::MAX), SigInfo { code: -60, cause: Cause::Raw([3; 48]), ..queued(44, 0) }] {
        assert_eq!(SigInfo::from_bytes(info.signal, &info.to_bytes()), info);
    }
}

fn interrupted(fpu: &[u8], features: u64, rsp: u64, alt_stack: AltStack) -> Interrupted<'_> {
    let registers =
        Registers { rsp, rip: 0x1234, rflags: 0x646, rax: 1, rcx: 2, r15: 3, ..Registers::default() };
    let mask = set(&[Signal::USR2]);
    Interrupted { registers, mask, alt_stack, fpu, features, exception: [14, 6, 0xdead] }
}

const HANDLER: Action =
    Action { handler: 0x4000, flags: ActionFlags::ONSTACK, restorer: 0x5000, mask: SigSet::EMPTY };

#[test]
fn what_a_frame_holds_comes_back() {
    let fpu = [0xaa; 832];
    let before = interrupted(&fpu, 7, 0x7fff_0000_1003, AltStack::default());
    let frame = frame::build(&by_user(Signal::TERM), &HANDLER, &before).unwrap();
    // As at the entry of a function: a return address, and the stack aligned before it.
    assert_eq!(frame.registers.rsp % 16, 8);
    assert!(frame.address + frame.bytes.len() as u64 <= before.registers.rsp - 128);
    assert_eq!(frame.bytes[..8], 0x5000u64.to_le_bytes());
    assert_eq!((frame.registers.rdi, frame.registers.rip), (15, 0x4000));
    assert_eq!(frame.registers.rflags & 0x500, 0, "no direction flag, no single steps");

    let head: [u8; frame::LEN] = frame.bytes[..frame::LEN].try_into().unwrap();
    let after = frame::restore(&head).unwrap();
    assert_eq!(after.registers, Registers { rflags: 0x646, ..before.registers });
    assert_eq!((after.mask, after.fpu_address % 64), (before.mask, 0));
    let at = (after.fpu_address - frame.address) as usize;
    let (len, features) = frame::fpu_len(&frame.bytes[at..at + 512].try_into().unwrap(), 832);
    assert_eq!((len, features), (832, 7));
    assert!(frame::is_fpu_end(frame.bytes[at + len..at + len + 4].try_into().unwrap()));
}

#[test]
fn flags_that_a_program_may_not_set_are_not_restored() {
    let mut before = interrupted(&[0; 512], 0, 0x8000_0000, AltStack::default());
    before.registers.rflags = u64::MAX;
    let frame = frame::build(&by_user(Signal::TERM), &HANDLER, &before).unwrap();
    let mut head: [u8; frame::LEN] = frame.bytes[..frame::LEN].try_into().unwrap();
    assert_eq!(frame::restore(&head).unwrap().registers.rflags, 0x24_0fd7);
    // Another code selector, as a hostile program would put there.
    head[8 + 40 + 18 * 8] = 0x23;
    assert_eq!(frame::restore(&head), Err(Errno::EFAULT));
}

#[test]
fn the_alternate_stack_is_used_once_and_must_be_large_enough() {
    let alt = AltStack { base: 0x10_0000, len: 0x4000, flags: 0 };
    let info = by_user(Signal::SEGV);
    let switched = frame::build(&info, &HANDLER, &interrupted(&[0; 832], 7, 0x7000_0000, alt)).unwrap();
    assert!(alt.contains(switched.address) && switched.address < alt.top());
    let nested = interrupted(&[0; 832], 7, switched.address, alt);
    let nested = frame::build(&info, &HANDLER, &nested).unwrap();
    assert!(nested.address < switched.address && alt.contains(nested.address));
    let small = AltStack { len: 1200, ..alt };
    assert!(frame::build(&info, &HANDLER, &interrupted(&[0; 832], 7, 0x7000_0000, small)).is_none());
    let without = Action { flags: ActionFlags::empty(), ..HANDLER };
    let stays = frame::build(&info, &without, &interrupted(&[0; 832], 7, 0x7000_0000, alt)).unwrap();
    assert!(!alt.contains(stays.address));
}

#[test]
fn stack_t_is_checked() {
    let stack = |flags: u32, len: u64| {
        let mut bytes = [0; AltStack::LEN];
        bytes[..8].copy_from_slice(&0x1000u64.to_le_bytes());
        bytes[8..12].copy_from_slice(&flags.to_le_bytes());
        bytes[16..].copy_from_slice(&len.to_le_bytes());
        AltStack::from_bytes(&bytes)
    };
    assert_eq!(stack(0, 2047), Err(Errno::ENOMEM));
    assert_eq!(stack(4, 8192), Err(Errno::EINVAL));
    assert_eq!(stack(2, 0), Ok(AltStack::default()));
    let taken = stack(0, 8192).unwrap();
    assert_eq!(taken.to_bytes(0x1800)[8], 1, "on the stack");
    assert_eq!(taken.to_bytes(0x8_0000)[8], 0);
    assert_eq!(AltStack::default().to_bytes(0x1800)[8], 2, "there is none");
}

#[test]
fn an_fpu_state_that_lies_about_its_length_counts_as_fxsave() {
    let mut area = [0; 512];
    area[464..468].copy_from_slice(&0x4650_5853u32.to_le_bytes());
    for (all, len) in [(1_000_000, 1_000_000), (10, 832), (836, 511), (u32::MAX, u32::MAX)] {
        area[468..472].copy_from_slice(&u32::to_le_bytes(all));
        area[480..484].copy_from_slice(&u32::to_le_bytes(len));
        assert_eq!(frame::fpu_len(&area, 832), (512, 0), "{all} {len}");
    }
}
