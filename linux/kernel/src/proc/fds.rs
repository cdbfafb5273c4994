//! `/proc/PID/fd` and `/proc/PID/fdinfo`.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Mode, OpenFile, OpenFlags, Result};
use linux_vfs::Location;
use linux_vfs::pseudo::{Directory, Item, Listed};

use super::{Of, check_inspect, number, owner};
use crate::file::{Files, vfs};
use crate::host;

fn files(process: &Of) -> Result<Arc<Files>> {
    check_inspect(process)?;
    process.any_thread().and_then(|thread| thread.files()).ok_or(Errno::ENOENT)
}

fn get(process: &Of, fd: i32) -> Result<Arc<OpenFile>> {
    files(process)?.get(fd).map_err(|_| Errno::ENOENT)
}

fn next(process: &Of, from: u64, kind: u32) -> Option<Listed> {
    let fd = files(process).ok()?.numbers().into_iter().find(|fd| *fd as u64 >= from)?;
    Some(Listed { cookie: fd as u64, name: format!("{fd}").into_bytes(), kind })
}

fn fd_of(name: &[u8]) -> Result<i32> {
    number(name).and_then(|fd| i32::try_from(fd).ok()).ok_or(Errno::ENOENT)
}

/// What an open file is shown as: its path, or its label.
fn shown(open: &OpenFile) -> Vec<u8> {
    let root = host::current().map(|thread| thread.fs().root.lock().clone());
    match open.place::<Location>() {
        Some(place) => place.path(root.as_ref().unwrap_or(vfs().root())),
        None => open.label().to_vec(),
    }
}

/// Links to the open files.
pub struct Links(pub Of);

impl Directory for Links {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let fd = fd_of(name)?;
        let open = get(&self.0, fd)?;
        let mut permissions = 0;
        if open.flags().can_read() {
            permissions |= 0o500;
        }
        if open.flags().can_write() {
            permissions |= 0o300;
        }
        let (uid, gid) = owner(&self.0);
        let (for_text, for_target) = (self.0.clone(), self.0.clone());
        let text = move || Ok(shown(&*get(&for_text, fd)?));
        let target = move || Ok(vfs().place_of(&get(&for_target, fd)?));
        Ok(Item::magic(text, target).permissions(permissions).owner(uid, gid))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        next(&self.0, from, Mode::SYMLINK)
    }
}

/// Facts about the open files.
pub struct Infos(pub Of);

impl Directory for Infos {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let fd = fd_of(name)?;
        get(&self.0, fd)?;
        let (uid, gid) = owner(&self.0);
        let process = self.0.clone();
        let content = move || {
            let descriptor = files(&process)?.descriptor(fd).map_err(|_| Errno::ENOENT)?;
            let mut flags = descriptor.open.flags();
            flags.set(OpenFlags::CLOEXEC, descriptor.close_on_exec);
            let place = vfs().place_of(&descriptor.open);
            let ino = descriptor.open.file().stat().map_or(0, |stat| stat.ino);
            let mount = place.mount().id();
            let text = format!(
                "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{mount}\nino:\t{ino}\n",
                descriptor.open.offset(),
                flags.bits()
            );
            Ok(text.into_bytes())
        };
        Ok(Item::file(content).permissions(0o400).owner(uid, gid))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        next(&self.0, from, Mode::REGULAR)
    }
}
