//! What a thread does with signals (`sigaction(2)`, `sigprocmask(2)`, `sigreturn(2)` and their kin).

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Errno, Result, host};
use linux_task::signal::{Action, AltStack, Disposition, SigInfo, SigSet, Signal, frame};

use crate::call::time::Restart;
use crate::signal::{self, deliver, restart};
use crate::task::Task;

/// Bytes of a `sigset_t` as the kernel knows it.
const SET_LEN: usize = 8;

/// A set that a program gives.
pub fn read_set(task: &Task, address: u64, size: usize) -> Result<SigSet> {
    if size != SET_LEN {
        return Err(Errno::EINVAL);
    }
    Ok(SigSet(task.space().read_u64(address)?))
}

pub fn rt_sigaction(task: &mut Task, signal: i32, new: u64, old: u64, size: usize) -> Result<()> {
    if size != SET_LEN {
        return Err(Errno::EINVAL);
    }
    let signal = Signal::new(signal)?;
    let process = task.process().clone();
    let actions = process.actions();
    let before = actions.lock().get(signal);
    if new != 0 {
        let bytes: [u8; Action::LEN] = task.space().read_array(new)?;
        let action = Action::from_bytes(&bytes);
        actions.lock().set(signal, action)?;
        if action.decide(signal) == Disposition::Ignore {
            let set = SigSet::of(signal);
            process.pending.lock().discard(set);
            for thread in process.threads() {
                thread.signals.lock().pending.discard(set);
            }
        }
    }
    task.write_unless_null(old, &before.to_bytes())
}

pub fn rt_sigprocmask(task: &mut Task, how: i32, new: u64, old: u64, size: usize) -> Result<()> {
    if size != SET_LEN {
        return Err(Errno::EINVAL);
    }
    let before = task.thread.signals.lock().mask;
    if new != 0 {
        let set = read_set(task, new, size)?;
        let mask = match how {
            0 => before.with(set),
            1 => before.without(set),
            2 => set,
            _ => return Err(Errno::EINVAL),
        };
        task.thread.signals.lock().mask = SigSet::mask(mask.0);
    }
    task.write_unless_null(old, &before.0.to_le_bytes())
}

pub fn rt_sigpending(task: &mut Task, set: u64, size: usize) -> Result<()> {
    if size > SET_LEN {
        return Err(Errno::EINVAL);
    }
    let pending = {
        let signals = task.thread.signals.lock();
        let all = signals.pending.set().with(task.process().pending.lock().set());
        all.0 & signals.mask.0
    };
    let bytes = pending.to_le_bytes();
    task.space().write_bytes(set, bytes.get(..size).unwrap_or_default())
}

pub fn rt_sigsuspend(task: &mut Task, set: u64, size: usize) -> Result<()> {
    let set = read_set(task, set, size)?;
    {
        let mut signals = task.thread.signals.lock();
        signals.saved_mask = Some(signals.mask);
        signals.mask = SigSet::mask(set.0);
    }
    wait_for_signal()
}

pub fn pause(_: &mut Task) -> Result<()> {
    wait_for_signal()
}

fn wait_for_signal() -> Result<()> {
    match wait_until::<()>(&[], None, Interruptible::Yes, || None) {
        Err(Errno::EINTR) => Err(restart::unless_handled()),
        other => other,
    }
}

pub fn rt_sigtimedwait(task: &mut Task, set: u64, info: u64, timeout: u64, size: usize) -> Result<u32> {
    let wanted = SigSet::mask(read_set(task, set, size)?.0);
    let deadline = match timeout {
        0 => None,
        _ => Some(host::host().now_ns().saturating_add(task.read_timespec(timeout)?.as_ns())),
    };
    let process = task.process().clone();
    let thread = task.thread.clone();
    // While it waits for them, they are not blocked for it: whoever sends one wakes this thread.
    let take = || {
        let own = thread.signals.lock().pending.take_wanted(wanted);
        own.or_else(|| process.pending.lock().take_wanted(wanted))
    };
    let found = wait_until(&[&process.signalled], deadline, Interruptible::Yes, take);
    let found = found.map_err(|errno| if errno == Errno::ETIMEDOUT { Errno::EAGAIN } else { errno })?;
    task.write_unless_null(info, &found.to_bytes())?;
    Ok(found.signal.number().into())
}

pub fn sigaltstack(task: &mut Task, new: u64, old: u64) -> Result<()> {
    let rsp = task.context.registers().rsp;
    let before = task.thread.signals.lock().alt_stack;
    if new != 0 {
        let bytes: [u8; AltStack::LEN] = task.space().read_array(new)?;
        let stack = AltStack::from_bytes(&bytes)?;
        if before.is_in_use(rsp) {
            return Err(Errno::EPERM);
        }
        task.thread.signals.lock().alt_stack = stack;
    }
    task.write_unless_null(old, &before.to_bytes(rsp))
}

/// Bytes of an FXSAVE area.
const FXSAVE_LEN: usize = 512;

pub fn rt_sigreturn(task: &mut Task) -> Result<u64> {
    if restore(task).is_err() {
        signal::force(&task.thread, SigInfo::kernel(Signal::SEGV));
    }
    // What is in RAX stays there.
    Ok(task.context.registers().rax)
}

fn restore(task: &mut Task) -> Result<()> {
    let address = frame::address_at_return(task.context.registers().rsp);
    let bytes: [u8; frame::LEN] = task.space().read_array(address)?;
    let restored = frame::restore(&bytes)?;
    if restored.fpu_address == 0 {
        task.context.reset_fpu();
    } else {
        let longest = minios::user::fpu_len();
        let head: [u8; FXSAVE_LEN] = task.space().read_array(restored.fpu_address)?;
        let (len, _) = frame::fpu_len(&head, longest);
        let mut image = alloc::vec![0; len];
        task.space().read_bytes(restored.fpu_address, &mut image)?;
        task.context.set_fpu(&image).map_err(|_| Errno::EFAULT)?;
    }
    deliver::load(task.context.registers_mut(), &restored.registers);
    let mut signals = task.thread.signals.lock();
    signals.mask = restored.mask;
    if let Some(stack) = restored.alt_stack {
        signals.alt_stack = stack;
    }
    Ok(())
}

pub fn restart_syscall(task: &mut Task) -> Result<u64> {
    match core::mem::replace(&mut task.restart, Restart::None) {
        Restart::None => Err(Errno::EINTR),
        Restart::Sleep(sleep) => super::time::sleep(task, sleep).map(|()| 0),
    }
}
