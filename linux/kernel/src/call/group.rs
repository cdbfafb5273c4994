//! Process groups and sessions (`setpgid(2)`, `setsid(2)`).

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use linux_base::{Errno, Result};

use crate::task::{Process, Task, table};

/// A process by number; 0 is the caller's own.
fn process(task: &Task, pid: i32) -> Result<Arc<Process>> {
    match pid {
        0 => Ok(task.process().clone()),
        _ => u32::try_from(pid).ok().and_then(table::process).ok_or(Errno::ESRCH),
    }
}

pub fn getpgrp(task: &mut Task) -> Result<u32> {
    Ok(task.process().group())
}

pub fn getpgid(task: &mut Task, pid: i32) -> Result<u32> {
    Ok(process(task, pid)?.group())
}

pub fn getsid(task: &mut Task, pid: i32) -> Result<u32> {
    Ok(process(task, pid)?.session())
}

pub fn setpgid(task: &mut Task, pid: i32, group: i32) -> Result<()> {
    if pid < 0 || group < 0 {
        return Err(if group < 0 { Errno::EINVAL } else { Errno::ESRCH });
    }
    let own = task.process();
    let target = process(task, pid)?;
    let is_own = target.pid() == own.pid();
    if !is_own {
        let is_child = target.parent().is_some_and(|parent| parent.pid() == own.pid());
        if !is_child {
            return Err(Errno::ESRCH);
        }
        if target.session() != own.session() {
            return Err(Errno::EPERM);
        }
        if target.has_executed.load(Ordering::Relaxed) {
            return Err(Errno::EACCES);
        }
    }
    if target.session() == target.pid() {
        return Err(Errno::EPERM);
    }
    let group = if group == 0 { target.pid() } else { group as u32 };
    let session = own.session();
    let is_there = table::processes().iter().any(|other| {
        let relations = other.relations.lock();
        relations.group == group && relations.session == session
    });
    if group != target.pid() && !is_there {
        return Err(Errno::EPERM);
    }
    target.relations.lock().group = group;
    Ok(())
}

pub fn setsid(task: &mut Task) -> Result<u32> {
    let process = task.process();
    let pid = process.pid();
    if table::processes().iter().any(|other| other.group() == pid) {
        return Err(Errno::EPERM);
    }
    let mut relations = process.relations.lock();
    relations.session = pid;
    relations.group = pid;
    drop(relations);
    let gone = process.terminal.lock().take();
    drop(gone);
    Ok(pid)
}
