//! Telling watchers what has happened.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::{MARKS, Mark, event};
use crate::inode::Inode;
use crate::path::Dentry;

fn is_anybody_there() -> bool {
    MARKS.load(Ordering::Relaxed) > 0
}

/// A number that joins the two events of a renaming.
pub(crate) fn new_cookie() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Something happened to what a name names: those who watch it hear of it, and those who watch its directory.
pub(crate) fn tell(dentry: &Dentry, events: u32) {
    if !is_anybody_there() {
        return;
    }
    let Ok(inode) = dentry.inode() else { return };
    let events = events | if inode.is_directory() { event::IS_DIRECTORY } else { 0 };
    if let Some(parent) = dentry.parent() {
        let is_gone = dentry.is_deleted();
        let name = dentry.name();
        for mark in marks(&parent) {
            if !is_gone || mark.mask() & event::EXCL_UNLINK == 0 {
                send(&mark, events, 0, &name);
            }
        }
    }
    for mark in marks_of(inode) {
        send(&mark, events, 0, b"");
    }
}

/// Something happened to a name in a directory: those who watch the directory hear of it.
pub(crate) fn tell_directory(directory: &Dentry, name: &[u8], events: u32, cookie: u32) {
    if is_anybody_there() {
        for mark in marks(directory) {
            send(&mark, events, cookie, name);
        }
    }
}

/// Something happened to an inode, whatever it is called.
pub(crate) fn tell_self(inode: &Arc<dyn Inode>, events: u32) {
    if is_anybody_there() {
        for mark in marks_of(inode) {
            send(&mark, events, 0, b"");
        }
    }
}

/// If the last name of an inode is gone, so are the watches on it.
pub(crate) fn tell_if_gone(inode: &Arc<dyn Inode>) {
    if !is_anybody_there() || inode.stat().nlink > 0 {
        return;
    }
    for mark in marks_of(inode) {
        send(&mark, event::DELETE_SELF, 0, b"");
        if let Some(instance) = mark.instance.upgrade() {
            instance.ignore(mark.descriptor);
        }
    }
}

fn marks(directory: &Dentry) -> Vec<Arc<Mark>> {
    directory.inode().map(marks_of).unwrap_or_default()
}

fn marks_of(inode: &Arc<dyn Inode>) -> Vec<Arc<Mark>> {
    inode.hooks().marks.lock().clone()
}

fn send(mark: &Arc<Mark>, events: u32, cookie: u32, name: &[u8]) {
    let mask = mark.mask();
    if mask & events & event::ALL == 0 {
        return;
    }
    let Some(instance) = mark.instance.upgrade() else { return };
    instance.push(mark.descriptor, events, cookie, name);
    if mask & event::ONESHOT != 0 {
        instance.ignore(mark.descriptor);
    }
}
