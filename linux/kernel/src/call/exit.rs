//! `exit(2)` and `exit_group(2)`.

use core::sync::atomic::Ordering;

use linux_base::Result;

use crate::task::{Task, WaitStatus, exit};

pub fn exit(task: &mut Task, status: i32) -> Result<()> {
    task.thread.is_dying.store(true, Ordering::Relaxed);
    // The last thread's status is that of the process.
    if task.process().relations.lock().threads.len() == 1 {
        exit::begin(task.process(), WaitStatus::Exited(status as u8));
    }
    Ok(())
}

pub fn exit_group(task: &mut Task, status: i32) -> Result<()> {
    exit::begin(task.process(), WaitStatus::Exited(status as u8));
    Ok(())
}
