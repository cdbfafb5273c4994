//! Who one is: `getpid(2)` and its kin, which tell and change nothing.

use core::sync::atomic::Ordering;

use linux_base::Result;

use crate::task::Task;

pub fn getpid(task: &mut Task) -> Result<u32> {
    Ok(task.process().pid())
}

pub fn gettid(task: &mut Task) -> Result<u32> {
    Ok(task.thread.tid())
}

pub fn getppid(task: &mut Task) -> Result<u32> {
    Ok(task.process().parent_pid())
}

pub fn getuid(task: &mut Task) -> Result<u32> {
    Ok(task.thread.credentials().uid.real)
}

pub fn geteuid(task: &mut Task) -> Result<u32> {
    Ok(task.thread.credentials().uid.effective)
}

pub fn getgid(task: &mut Task) -> Result<u32> {
    Ok(task.thread.credentials().gid.real)
}

pub fn getegid(task: &mut Task) -> Result<u32> {
    Ok(task.thread.credentials().gid.effective)
}

pub fn set_tid_address(task: &mut Task, address: u64) -> Result<u32> {
    task.thread.clear_child_tid.store(address, Ordering::Relaxed);
    Ok(task.thread.tid())
}
