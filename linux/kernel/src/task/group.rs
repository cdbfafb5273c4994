//! Process groups and sessions, as far as job control needs them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Process, table};

/// Whether no member of a group has a parent in the same session and another group: nobody could continue it.
pub fn is_orphaned(group: u32) -> bool {
    table::group(group).iter().all(|process| !is_held(process, None))
}

/// Whether the parent of a process, unless it is `without`, is of the same session and another group.
fn is_held(process: &Process, without: Option<u32>) -> bool {
    let Some(parent) = process.parent() else { return false };
    if without == Some(parent.pid())
        || parent.pid() == crate::boot::INIT && parent.session() != process.session()
    {
        return false;
    }
    parent.session() == process.session() && parent.group() != process.group()
}

/// The groups that become orphaned by the end of a process and have a stopped member: they get SIGHUP and SIGCONT.
pub fn newly_orphaned(ended: &Arc<Process>) -> Vec<u32> {
    let (group, session) = {
        let relations = ended.relations.lock();
        (relations.group, relations.session)
    };
    let mut candidates = alloc::vec![group];
    for process in table::processes() {
        let relations = process.relations.lock();
        if relations.session == session && !candidates.contains(&relations.group) {
            candidates.push(relations.group);
        }
    }
    candidates.retain(|candidate| {
        let members: Vec<_> =
            table::group(*candidate).into_iter().filter(|member| member.pid() != ended.pid()).collect();
        // What was orphaned before is no news.
        let was_held = *candidate == group && is_held(ended, None)
            || members.iter().any(|member| member.parent().is_none_or(|parent| parent.pid() == ended.pid()));
        was_held
            && members.iter().any(|member| member.state.lock().stopped.is_some())
            && members.iter().all(|member| !is_held(member, Some(ended.pid())))
    });
    candidates
}

/// A process ends: if it leads a session, its terminal is nobody's any more.
pub fn end_of_session(process: &Arc<Process>) {
    if process.session() == process.pid() {
        crate::console::session_ended(process);
    }
}
