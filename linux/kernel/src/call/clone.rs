//! `clone(2)`, `clone3(2)`, `fork(2)`, `vfork(2)`, `unshare(2)`.

use alloc::sync::Arc;

use linux_base::abi::general::{CLONE_FILES, CLONE_FS, CLONE_VFORK, CLONE_VM};
use linux_base::{Credentials, Errno, Result};

use crate::task::Task;
use crate::task::spawn::{self, Request};

/// `SIGCHLD`
const CHLD: u32 = 17;
/// The signal is in the low byte of `clone`'s flags.
const SIGNAL: u64 = 0xff;

pub fn clone(
    task: &mut Task,
    flags: u64,
    stack: u64,
    parent_tid: u64,
    child_tid: u64,
    tls: u64,
) -> Result<u32> {
    let request = Request {
        flags: flags & 0xffff_ffff & !SIGNAL,
        exit_signal: (flags & SIGNAL) as u32,
        stack,
        parent_tid,
        child_tid,
        tls,
        pidfd: parent_tid,
    };
    let both =
        u64::from(linux_base::abi::general::CLONE_PIDFD | linux_base::abi::general::CLONE_PARENT_SETTID);
    if request.flags & both == both {
        return Err(Errno::EINVAL);
    }
    spawn::clone(task, &request)
}

pub fn fork(task: &mut Task) -> Result<u32> {
    spawn::clone(task, &Request { exit_signal: CHLD, ..Request::default() })
}

pub fn vfork(task: &mut Task) -> Result<u32> {
    let flags = u64::from(CLONE_VM | CLONE_VFORK);
    spawn::clone(task, &Request { flags, exit_signal: CHLD, ..Request::default() })
}

/// Bytes of `struct clone_args` in its first and in its newest form.
const ARGS_MIN: usize = 64;
const ARGS_LEN: usize = 88;

pub fn clone3(task: &mut Task, arguments: u64, size: usize) -> Result<u32> {
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    if size < ARGS_MIN {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; ARGS_LEN];
    let known = size.min(ARGS_LEN);
    if let Some(bytes) = bytes.get_mut(..known) {
        task.space().read_bytes(arguments, bytes)?;
    }
    for at in (ARGS_LEN..size).step_by(8) {
        let mut word = [0; 8];
        let len = (size - at).min(8);
        if let Some(word) = word.get_mut(..len) {
            task.space().read_bytes(arguments.wrapping_add(at as u64), word)?;
        }
        if word != [0; 8] {
            return Err(Errno::E2BIG);
        }
    }
    let mut words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
    let mut next = || words.next().unwrap_or(0);
    let [
        flags,
        pidfd,
        child_tid,
        parent_tid,
        exit_signal,
        stack,
        stack_size,
        tls,
        set_tid,
        set_tid_size,
        cgroup,
    ] = core::array::from_fn(|_| next());
    let _ = cgroup;
    if exit_signal > SIGNAL || flags & SIGNAL != 0 || (stack == 0) != (stack_size == 0) {
        return Err(Errno::EINVAL);
    }
    if (set_tid == 0) != (set_tid_size == 0) || set_tid_size > 32 {
        return Err(Errno::EINVAL);
    }
    if set_tid != 0 {
        return Err(Errno::EPERM);
    }
    let request = Request {
        flags,
        exit_signal: exit_signal as u32,
        stack: if stack == 0 { 0 } else { stack.checked_add(stack_size).ok_or(Errno::EINVAL)? },
        parent_tid,
        child_tid,
        tls,
        pidfd,
    };
    spawn::clone(task, &request)
}

pub fn unshare(task: &mut Task, flags: u64) -> Result<()> {
    let known = u64::from(CLONE_FILES | CLONE_FS);
    if flags & !known != 0 {
        let may = task.thread.credentials().can(Credentials::CAP_SYS_ADMIN);
        return Err(if may { Errno::EINVAL } else { Errno::EPERM });
    }
    if flags & u64::from(CLONE_FILES) != 0 {
        let files = task.files()?.duplicate()?;
        drop(task.thread.set_files(Some(files)));
    }
    if flags & u64::from(CLONE_FS) != 0 {
        task.thread.set_fs(Arc::new(task.thread.fs().duplicate()));
    }
    Ok(())
}
