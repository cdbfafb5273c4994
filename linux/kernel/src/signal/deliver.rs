//! What a thread does with its signals before it goes back to user mode.

use linux_base::{Mutex, host};
use linux_task::burst::Burst;
use linux_task::signal::frame::{self, Interrupted, Registers};
use linux_task::signal::{Action, ActionFlags, AltStack, Disposition, SigInfo, SigSet, Signal};
use minios::user;

use crate::task::{Task, WaitStatus, exit, group, status};

/// Length of `syscall`.
const SYSCALL_LEN: u64 = 2;
const RESTART_SYSCALL: u64 = 219;

/// Takes what is pending and does it: the default, or a handler's frame. Stops while the process is stopped. Afterwards the
/// thread may have to end.
pub fn deliver(task: &mut Task) {
    loop {
        if task.thread.must_end() {
            return;
        }
        wait_while_stopped(task);
        if task.thread.must_end() {
            return;
        }
        let Some(info) = take(task) else { break };
        act(task, info);
    }
    if let Some((number, errno)) = task.interrupted.take() {
        again(task, number, errno.number());
    }
    let mut signals = task.thread.signals.lock();
    if let Some(mask) = signals.saved_mask.take() {
        signals.mask = mask;
        drop(signals);
        // What the old mask lets through, came meanwhile or was there before.
        if task.thread.is_interrupted() {
            deliver(task);
        }
    }
}

fn take(task: &Task) -> Option<SigInfo> {
    let mut signals = task.thread.signals.lock();
    let mask = signals.mask;
    let mut shared = task.process().pending.lock();
    let own = signals.pending.set().without(mask).first();
    let other = shared.set().without(mask).first();
    // Those of instructions first, wherever they are pending.
    match (own, other) {
        (Some(own), Some(other)) if other.is_synchronous() && !own.is_synchronous() => shared.take(mask),
        (Some(_), _) => signals.pending.take(mask),
        _ => shared.take(mask),
    }
}

fn act(task: &mut Task, info: SigInfo) {
    let actions = task.process().actions();
    let action = actions.lock().get(info.signal);
    match action.decide(info.signal) {
        Disposition::Ignore | Disposition::Continue => {}
        Disposition::Terminate { .. } => {
            if info.signal.is_synchronous() && info.code > 0 {
                tell_fault(task, &info);
            }
            exit::begin(task.process(), WaitStatus::Killed(info.signal));
        }
        Disposition::Stop => {
            let may = info.signal == Signal::STOP || !group::is_orphaned(task.process().group());
            if may {
                stop(task, info.signal);
            }
        }
        Disposition::Handle => {
            if action.flags.contains(ActionFlags::RESETHAND) {
                actions.lock().reset(info.signal);
            }
            handle(task, &info, &action);
        }
    }
}

/// Names a program that an instruction of its own ends. Of many only some are named.
fn tell_fault(task: &Task, info: &SigInfo) {
    static BURST: Mutex<Burst> = Mutex::new(Burst::new());
    let Some(told) = BURST.lock().admit(minios::time::now_ns()) else { return };
    if told.missed > 0 {
        log::info!("{} more programs ended by a fault", told.missed);
    }
    let [vector, error, address] = task.exception;
    log::info!(
        "{}[{}]: {} (code {}) at {:#x}: exception {vector}, error {error:#x}, address {address:#x}",
        task.thread.comm(),
        task.thread.tid(),
        info.signal.name(),
        info.code,
        task.context.registers().rip,
    );
    if told.is_last {
        log::info!("no more faults are told of for a while");
    }
}

fn stop(task: &Task, signal: Signal) {
    let process = task.process();
    {
        let mut state = process.state.lock();
        if state.exit.is_some() {
            return;
        }
        state.stopped = Some(signal);
        state.stop_unreported = true;
        state.continue_unreported = false;
    }
    process.threads().iter().for_each(|thread| thread.wake());
    crate::signal::tell_parent(process, status::code::STOPPED, signal.number().into());
}

fn wait_while_stopped(task: &Task) {
    let is_stopped = || {
        let state = task.process().state.lock();
        state.stopped.is_some() && state.exit.is_none()
    };
    while is_stopped() && !task.thread.must_end() {
        host::host().park(None);
    }
}

/// Puts a handler's frame on the stack, and the thread at its first instruction.
fn handle(task: &mut Task, info: &SigInfo, action: &Action) {
    if let Some((number, errno)) = task.interrupted.take() {
        match errno.number() {
            512 if action.flags.contains(ActionFlags::RESTART) => again(task, number, 512),
            _ => {}
        }
    }
    let registers = saved(task.context.registers());
    let (mask, alt_stack) = {
        let signals = task.thread.signals.lock();
        (signals.saved_mask.unwrap_or(signals.mask), signals.alt_stack)
    };
    let exception = task.exception;
    let features = user::fpu_components();
    let fpu = task.context.fpu();
    let interrupted = Interrupted { registers, mask, alt_stack, fpu, features, exception };
    let written = frame::build(info, action, &interrupted).filter(|frame| {
        let space = task.thread.process().space();
        space.is_some_and(|space| space.write_bytes(frame.address, &frame.bytes).is_ok())
    });
    let Some(frame) = written else {
        // No room for the frame: that is a fault of its own, which must not need another frame.
        if info.signal == Signal::SEGV {
            exit::begin(task.process(), WaitStatus::Killed(Signal::SEGV));
        } else {
            crate::signal::force(&task.thread, SigInfo::kernel(Signal::SEGV));
        }
        return;
    };
    load(task.context.registers_mut(), &frame.registers);
    task.context.reset_fpu();
    let mut signals = task.thread.signals.lock();
    signals.saved_mask = None;
    let mut mask = signals.mask.with(action.mask);
    if !action.flags.contains(ActionFlags::NODEFER) {
        mask = mask.with(SigSet::of(info.signal));
    }
    signals.mask = SigSet::mask(mask.0);
    if signals.alt_stack.disarms() {
        signals.alt_stack = AltStack::default();
    }
}

/// Has the thread make its system call again.
fn again(task: &mut Task, number: u64, rule: u16) {
    let registers = task.context.registers_mut();
    registers.rip = registers.rip.wrapping_sub(SYSCALL_LEN);
    registers.rax = if rule == 516 { RESTART_SYSCALL } else { number };
}

/// The registers as a signal frame holds them.
pub fn saved(r: &user::Registers) -> Registers {
    Registers {
        r8: r.r8,
        r9: r.r9,
        r10: r.r10,
        r11: r.r11,
        r12: r.r12,
        r13: r.r13,
        r14: r.r14,
        r15: r.r15,
        rdi: r.rdi,
        rsi: r.rsi,
        rbp: r.rbp,
        rbx: r.rbx,
        rdx: r.rdx,
        rax: r.rax,
        rcx: r.rcx,
        rsp: r.rsp,
        rip: r.rip,
        rflags: r.rflags,
    }
}

/// Sets the registers by a signal frame.
pub fn load(to: &mut user::Registers, from: &Registers) {
    (to.r8, to.r9, to.r10, to.r11) = (from.r8, from.r9, from.r10, from.r11);
    (to.r12, to.r13, to.r14, to.r15) = (from.r12, from.r13, from.r14, from.r15);
    (to.rdi, to.rsi, to.rbp, to.rbx) = (from.rdi, from.rsi, from.rbp, from.rbx);
    (to.rdx, to.rax, to.rcx, to.rsp) = (from.rdx, from.rax, from.rcx, from.rsp);
    (to.rip, to.rflags) = (from.rip, from.rflags);
}
