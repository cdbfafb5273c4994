//! `execve(2)` and `execveat(2)`.

use alloc::vec::Vec;

use linux_base::{Errno, Result};
use linux_vfs::Follow;

use crate::file::vfs;
use crate::task::Task;
use crate::task::exec::{self, Request};

const AT_EMPTY_PATH: u32 = 0x1000;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// Bytes of all strings together, at most.
const MAX_BYTES: usize = 6 << 20;
/// What the shortest string takes: its end and its pointer.
const LEAST_BYTES: usize = 1 + 8;

pub fn execve(task: &mut Task, path: u64, arguments: u64, environment: u64) -> Result<()> {
    execveat(task, crate::file::AT_FDCWD, path, arguments, environment, 0)
}

pub fn execveat(
    task: &mut Task,
    dir: i32,
    path: u64,
    arguments: u64,
    environment: u64,
    flags: u32,
) -> Result<()> {
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = task.path(path)?;
    let (open, path) = if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let open = task.files()?.get(dir)?;
        exec::check(task, &vfs().place_of(&open))?;
        let context = task.asker();
        let open = context.context().open_place(&vfs().place_of(&open), linux_base::OpenFlags::empty())?;
        (open, alloc::format!("/dev/fd/{dir}").into_bytes())
    } else {
        let base = task.base(dir, &path)?;
        let follow = if flags & AT_SYMLINK_NOFOLLOW == 0 { Follow::Yes } else { Follow::No };
        let open = exec::open(task, base.as_ref(), &path, follow)?;
        let shown = match base {
            Some(_) => alloc::format!("/dev/fd/{dir}/").into_bytes().into_iter().chain(path).collect(),
            None => path,
        };
        (open, shown)
    };
    let mut left = MAX_BYTES;
    let arguments = strings(task, arguments, &mut left)?;
    let environment = strings(task, environment, &mut left)?;
    exec::exec(task, Request { open, path, arguments, environment })
}

/// The strings of a vector that ends with a null pointer; no vector is an empty one.
fn strings(task: &Task, vector: u64, left: &mut usize) -> Result<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    if vector == 0 {
        return Ok(strings);
    }
    let space = task.space();
    let pointer = |index: usize| {
        let at = vector.checked_add(index as u64 * 8).ok_or(Errno::EFAULT)?;
        space.read_u64(at)
    };
    // Too many are refused before anything is kept of them.
    let mut count = 0;
    while pointer(count)? != 0 {
        count += 1;
        if count > *left / LEAST_BYTES {
            return Err(Errno::E2BIG);
        }
    }
    strings.try_reserve_exact(count)?;
    for index in 0..count {
        let pointer = pointer(index)?;
        if pointer == 0 {
            break;
        }
        linux_mm::ensure_room()?;
        let string = space
            .read_cstr(pointer, linux_task::stack::MAX_STRING)
            .map_err(|errno| if errno == Errno::ENAMETOOLONG { Errno::E2BIG } else { errno })?;
        *left = left.checked_sub(string.len() + LEAST_BYTES).ok_or(Errno::E2BIG)?;
        strings.push(string);
    }
    Ok(strings)
}
