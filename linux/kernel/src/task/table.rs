//! All processes and threads, by number.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, Result};

use super::{Process, Thread};

/// Numbers are below (`kernel.pid_max`).
pub const PID_MAX: u32 = 32768;
/// After the first round numbers begin here, as on Linux.
const RESERVED: u32 = 300;

struct Table {
    last: u32,
    processes: BTreeMap<u32, Arc<Process>>,
    threads: BTreeMap<u32, Weak<Thread>>,
}

static TABLE: Mutex<Table> =
    Mutex::new(Table { last: 0, processes: BTreeMap::new(), threads: BTreeMap::new() });

/// A number that no process, thread, group or session has. `EAGAIN` when there is none.
pub fn allocate() -> Result<u32> {
    let in_use: Vec<u32> = {
        let processes = processes();
        processes
            .iter()
            .flat_map(|process| {
                let relations = process.relations.lock();
                [relations.group, relations.session]
            })
            .collect()
    };
    let mut table = TABLE.lock();
    for _ in 0..PID_MAX {
        let next = if table.last + 1 >= PID_MAX { RESERVED } else { table.last + 1 };
        table.last = next;
        let is_free = !table.processes.contains_key(&next) && !table.threads.contains_key(&next);
        if is_free && !in_use.contains(&next) {
            return Ok(next);
        }
    }
    Err(Errno::EAGAIN)
}

/// Adds a process.
pub fn add_process(process: &Arc<Process>) {
    TABLE.lock().processes.insert(process.pid(), process.clone());
}

/// Forgets a process that was waited for.
pub fn remove_process(pid: u32) {
    let gone = TABLE.lock().processes.remove(&pid);
    drop(gone);
}

/// Adds a thread.
pub fn add_thread(thread: &Arc<Thread>) {
    TABLE.lock().threads.insert(thread.tid(), Arc::downgrade(thread));
}

/// Forgets a thread that has ended.
pub fn remove_thread(tid: u32) {
    let gone = TABLE.lock().threads.remove(&tid);
    drop(gone);
}

/// A process by number, one that ended and was not waited for included.
pub fn process(pid: u32) -> Option<Arc<Process>> {
    TABLE.lock().processes.get(&pid).cloned()
}

/// A thread by number.
pub fn thread(tid: u32) -> Option<Arc<Thread>> {
    TABLE.lock().threads.get(&tid)?.upgrade()
}

/// All processes, by rising number.
pub fn processes() -> Vec<Arc<Process>> {
    TABLE.lock().processes.values().cloned().collect()
}

/// The last number that was given away.
pub fn last_pid() -> u32 {
    TABLE.lock().last
}

/// How many threads there are.
pub fn thread_count() -> usize {
    TABLE.lock().threads.len()
}

/// The processes of a group, those that ended left out.
pub fn group(group: u32) -> Vec<Arc<Process>> {
    processes()
        .into_iter()
        .filter(|process| process.group() == group && !process.state.lock().is_zombie)
        .collect()
}

/// How many threads a user has.
pub fn tasks_of(uid: u32) -> u64 {
    let threads: Vec<Arc<Thread>> = TABLE.lock().threads.values().filter_map(Weak::upgrade).collect();
    threads.iter().filter(|thread| thread.credentials().uid.real == uid).count() as u64
}
