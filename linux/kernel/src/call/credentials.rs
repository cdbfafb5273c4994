//! User and group IDs, and capabilities (`credentials(7)`).

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::cred::{ALL_CAPABILITIES, Ids};
use linux_base::{Credentials, Errno, Result};

use crate::task::Task;

/// Groups of a process, at most.
const GROUPS_MAX: usize = 65536;

fn change(task: &Task, change: impl FnOnce(&mut Credentials) -> Result<()>) -> Result<()> {
    let old = task.thread.credentials();
    let mut new = Credentials::clone(&old);
    change(&mut new)?;
    // The loss of root is the loss of its capabilities, unless they are to be kept.
    let was_root = [old.uid.real, old.uid.effective, old.uid.saved].contains(&0);
    let is_root = [new.uid.real, new.uid.effective, new.uid.saved].contains(&0);
    if was_root && !is_root && !super::prctl::keeps_capabilities(task) {
        (new.permitted, new.effective, new.ambient) = (0, 0, 0);
    }
    if old.uid.effective == 0 && new.uid.effective != 0 {
        new.effective = 0;
    } else if old.uid.effective != 0 && new.uid.effective == 0 {
        new.effective = new.permitted;
    }
    task.thread.set_credentials(new);
    Ok(())
}

/// `-1` leaves an ID as it is.
fn optional(id: i32) -> Option<u32> {
    (id != -1).then_some(id as u32)
}

fn set(
    ids: &mut Ids,
    real: Option<u32>,
    effective: Option<u32>,
    saved: Option<u32>,
    is_free: bool,
) -> Result<()> {
    let allowed = [ids.real, ids.effective, ids.saved];
    let wanted = [real, effective, saved].into_iter().flatten();
    if !is_free && wanted.clone().any(|id| !allowed.contains(&id)) {
        return Err(Errno::EPERM);
    }
    ids.real = real.unwrap_or(ids.real);
    ids.effective = effective.unwrap_or(ids.effective);
    ids.saved = saved.unwrap_or(ids.saved);
    ids.fs = ids.effective;
    Ok(())
}

fn set_one(ids: &mut Ids, id: u32, is_free: bool) -> Result<()> {
    if id == u32::MAX {
        return Err(Errno::EINVAL);
    }
    if is_free {
        *ids = Ids::all(id);
        return Ok(());
    }
    if ![ids.real, ids.saved].contains(&id) {
        return Err(Errno::EPERM);
    }
    (ids.effective, ids.fs) = (id, id);
    Ok(())
}

/// `setreuid`: the saved ID follows when the real one is set, or the effective one to something else than the real.
fn set_pair(ids: &mut Ids, real: Option<u32>, effective: Option<u32>, is_free: bool) -> Result<()> {
    let old = *ids;
    if !is_free && real.is_some_and(|id| ![old.real, old.effective].contains(&id)) {
        return Err(Errno::EPERM);
    }
    set(ids, real, effective, None, is_free)?;
    if real.is_some() || effective.is_some_and(|id| id != old.real) {
        ids.saved = ids.effective;
    }
    Ok(())
}

pub fn setuid(task: &mut Task, uid: u32) -> Result<()> {
    change(task, |new| {
        let is_free = new.can(Credentials::CAP_SETUID);
        set_one(&mut new.uid, uid, is_free)
    })
}

pub fn setgid(task: &mut Task, gid: u32) -> Result<()> {
    change(task, |new| {
        let is_free = new.can(Credentials::CAP_SETGID);
        set_one(&mut new.gid, gid, is_free)
    })
}

pub fn setreuid(task: &mut Task, real: i32, effective: i32) -> Result<()> {
    change(task, |new| {
        let is_free = new.can(Credentials::CAP_SETUID);
        set_pair(&mut new.uid, optional(real), optional(effective), is_free)
    })
}

pub fn setregid(task: &mut Task, real: i32, effective: i32) -> Result<()> {
    change(task, |new| {
        let is_free = new.can(Credentials::CAP_SETGID);
        set_pair(&mut new.gid, optional(real), optional(effective), is_free)
    })
}

pub fn setresuid(task: &mut Task, real: i32, effective: i32, saved: i32) -> Result<()> {
    change(task, |new| {
        let is_free = new.can(Credentials::CAP_SETUID);
        set(&mut new.uid, optional(real), optional(effective), optional(saved), is_free)
    })
}

pub fn setresgid(task: &mut Task, real: i32, effective: i32, saved: i32) -> Result<()> {
    change(task, |new| {
        let is_free = new.can(Credentials::CAP_SETGID);
        set(&mut new.gid, optional(real), optional(effective), optional(saved), is_free)
    })
}

fn tell(task: &Task, ids: Ids, to: [u64; 3]) -> Result<()> {
    for (address, id) in to.into_iter().zip([ids.real, ids.effective, ids.saved]) {
        task.space().write_u32(address, id)?;
    }
    Ok(())
}

pub fn getresuid(task: &mut Task, real: u64, effective: u64, saved: u64) -> Result<()> {
    tell(task, task.thread.credentials().uid, [real, effective, saved])
}

pub fn getresgid(task: &mut Task, real: u64, effective: u64, saved: u64) -> Result<()> {
    tell(task, task.thread.credentials().gid, [real, effective, saved])
}

fn set_fs(ids: &mut Ids, id: u32, is_free: bool) -> u32 {
    let old = ids.fs;
    if is_free || [ids.real, ids.effective, ids.saved, ids.fs].contains(&id) {
        ids.fs = id;
    }
    old
}

pub fn setfsuid(task: &mut Task, uid: u32) -> Result<u32> {
    let mut new = Credentials::clone(&task.thread.credentials());
    let is_free = new.can(Credentials::CAP_SETUID) && uid != u32::MAX;
    let old = set_fs(&mut new.uid, uid, is_free);
    task.thread.set_credentials(new);
    Ok(old)
}

pub fn setfsgid(task: &mut Task, gid: u32) -> Result<u32> {
    let mut new = Credentials::clone(&task.thread.credentials());
    let is_free = new.can(Credentials::CAP_SETGID) && gid != u32::MAX;
    let old = set_fs(&mut new.gid, gid, is_free);
    task.thread.set_credentials(new);
    Ok(old)
}

pub fn getgroups(task: &mut Task, size: i32, list: u64) -> Result<usize> {
    let credentials = task.thread.credentials();
    let groups = &credentials.groups;
    match usize::try_from(size) {
        Ok(0) => {}
        Ok(size) if size >= groups.len() => {
            let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
            task.space().write_bytes(list, &bytes)?;
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(groups.len())
}

pub fn setgroups(task: &mut Task, size: usize, list: u64) -> Result<()> {
    let mut new = Credentials::clone(&task.thread.credentials());
    if !new.can(Credentials::CAP_SETGID) {
        return Err(Errno::EPERM);
    }
    if size > GROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size * 4)?;
    bytes.resize(size * 4, 0);
    task.space().read_bytes(list, &mut bytes)?;
    let mut groups: Vec<u32> =
        bytes.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default())).collect();
    groups.sort_unstable();
    new.groups = Arc::from(groups);
    task.thread.set_credentials(new);
    Ok(())
}

/// `_LINUX_CAPABILITY_VERSION_1`, `_2` and `_3`, with how many words each has.
const VERSIONS: [(u32, usize); 3] = [(0x1998_0330, 1), (0x2007_1026, 2), (0x2008_0522, 2)];

/// The number of words, by the header's version; one that is unknown is answered by the newest.
fn words(task: &Task, header: u64, data: u64) -> Result<Option<usize>> {
    let version = task.space().read_u32(header)?;
    if let Some((_, words)) = VERSIONS.iter().find(|(known, _)| *known == version) {
        return Ok(Some(*words));
    }
    task.space().write_u32(header, VERSIONS[2].0)?;
    if data == 0 { Ok(None) } else { Err(Errno::EINVAL) }
}

pub fn capget(task: &mut Task, header: u64, data: u64) -> Result<()> {
    let Some(words) = words(task, header, data)? else { return Ok(()) };
    let pid = task.space().read_u32(header.wrapping_add(4))? as i32;
    let thread = super::sched::thread(task, pid)?;
    if data == 0 {
        return Ok(());
    }
    let credentials = thread.credentials();
    let mut bytes = Vec::new();
    for word in 0..words {
        for set in [credentials.effective, credentials.permitted, credentials.inheritable] {
            bytes.extend_from_slice(&((set >> (32 * word)) as u32).to_le_bytes());
        }
    }
    task.space().write_bytes(data, &bytes)
}

pub fn capset(task: &mut Task, header: u64, data: u64) -> Result<()> {
    let words = words(task, header, data)?.ok_or(Errno::EINVAL)?;
    let pid = task.space().read_u32(header.wrapping_add(4))?;
    if pid != 0 && pid != task.thread.tid() {
        return Err(Errno::EPERM);
    }
    let mut sets = [0_u64; 3];
    for word in 0..words {
        for (index, set) in sets.iter_mut().enumerate() {
            let at = data.wrapping_add((word * 12 + index * 4) as u64);
            *set |= u64::from(task.space().read_u32(at)?) << (32 * word);
        }
    }
    let [effective, permitted, inheritable] = sets.map(|set| set & ALL_CAPABILITIES);
    let mut new = Credentials::clone(&task.thread.credentials());
    let may_add = new.inheritable | new.permitted;
    if permitted & !new.permitted != 0
        || effective & !permitted != 0
        || inheritable & !may_add & !new.bounding != 0
    {
        return Err(Errno::EPERM);
    }
    (new.effective, new.permitted, new.inheritable) = (effective, permitted, inheritable);
    new.ambient &= permitted & inheritable;
    task.thread.set_credentials(new);
    Ok(())
}
