//! `prctl(2)`, `arch_prctl(2)`, and `seccomp(2)`, which there is not.

use core::sync::atomic::Ordering;

use linux_base::{Credentials, Errno, Result};
use linux_mm::USER_END;
use linux_task::signal::Signal;

use crate::task::Task;

/// Bits of [`crate::task::Thread::traits`].
const NO_NEW_PRIVILEGES: u32 = 1;
const KEEP_CAPABILITIES: u32 = 2;
const NO_THP: u32 = 4;

/// Whether executing a program may not give this thread more rights.
pub fn has_no_new_privileges(task: &Task) -> bool {
    task.thread.traits.load(Ordering::Relaxed) & NO_NEW_PRIVILEGES != 0
}

/// Whether it keeps its capabilities when it stops being root.
pub fn keeps_capabilities(task: &Task) -> bool {
    task.thread.traits.load(Ordering::Relaxed) & KEEP_CAPABILITIES != 0
}

fn set_trait(task: &Task, bit: u32, on: bool) {
    if on {
        task.thread.traits.fetch_or(bit, Ordering::Relaxed);
    } else {
        task.thread.traits.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// 0 or 1, or `EINVAL`.
fn flag(value: u64) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

pub fn prctl(task: &mut Task, option: i32, a: u64, b: u64, c: u64, d: u64) -> Result<u64> {
    let process = task.process().clone();
    let has = |bit: u32| task.thread.traits.load(Ordering::Relaxed) & bit != 0;
    match option {
        // Signal at the parent's end.
        1 => {
            if a != 0 {
                Signal::new(i32::try_from(a).map_err(|_| Errno::EINVAL)?)?;
            }
            task.thread.death_signal.store(a as u32, Ordering::Relaxed);
        }
        2 => task.space().write_u32(a, task.thread.death_signal.load(Ordering::Relaxed))?,
        3 => return Ok(process.is_dumpable.load(Ordering::Relaxed).into()),
        4 => process.is_dumpable.store(flag(a)?, Ordering::Relaxed),
        7 => return Ok(has(KEEP_CAPABILITIES).into()),
        8 => set_trait(task, KEEP_CAPABILITIES, flag(a)?),
        15 => {
            let mut name = [0; 16];
            // A short name may lie at the end of a page.
            let text = task.space().read_cstr(a, 16).or_else(|errno| {
                if errno == Errno::ENAMETOOLONG {
                    task.space().read_bytes(a, &mut name).map(|()| name.to_vec())
                } else {
                    Err(errno)
                }
            })?;
            task.thread.set_comm(&text);
        }
        16 => {
            let mut name = [0; 16];
            for (place, byte) in name.iter_mut().zip(task.thread.comm_bytes()) {
                *place = byte;
            }
            task.space().write_bytes(a, &name)?;
        }
        // Seccomp: none, and none to be had.
        21 => return Ok(0),
        22 => return Err(Errno::EINVAL),
        23 => {
            let capability =
                u32::try_from(a).ok().filter(|capability| *capability <= 40).ok_or(Errno::EINVAL)?;
            return Ok(task.thread.credentials().bounding >> capability & 1);
        }
        24 => {
            let capability =
                u32::try_from(a).ok().filter(|capability| *capability <= 40).ok_or(Errno::EINVAL)?;
            let mut new = Credentials::clone(&task.thread.credentials());
            const CAP_SETPCAP: u32 = 8;
            if !new.can(CAP_SETPCAP) {
                return Err(Errno::EPERM);
            }
            new.bounding &= !(1 << capability);
            task.thread.set_credentials(new);
        }
        25 => task.space().write_u32(a, 1)?,
        26 => return if a == 1 { Ok(0) } else { Err(Errno::EINVAL) },
        27 => return Ok(0),
        28 => {}
        29 => {}
        30 => return Ok(50_000),
        // When memory breaks: nobody here is told of that anyway.
        33 if a <= 1 && b <= 2 && c == 0 && d == 0 => {}
        34 if a == 0 && b == 0 && c == 0 && d == 0 => return Ok(2),
        36 => process.is_subreaper.store(a != 0, Ordering::Relaxed),
        37 => task.space().write_u32(a, process.is_subreaper.load(Ordering::Relaxed).into())?,
        38 if a == 1 && b == 0 && c == 0 && d == 0 => set_trait(task, NO_NEW_PRIVILEGES, true),
        39 if a == 0 && b == 0 && c == 0 && d == 0 => return Ok(has(NO_NEW_PRIVILEGES).into()),
        41 if b == 0 && c == 0 && d == 0 => set_trait(task, NO_THP, a != 0),
        42 if a == 0 && b == 0 && c == 0 && d == 0 => return Ok(has(NO_THP).into()),
        // Ambient capabilities.
        47 => return ambient(task, a, b),
        // Speculation: nothing to control.
        52 => return Ok(0),
        // The name of anonymous memory, for /proc alone.
        0x5356_4d41 => return if a == 0 { Ok(0) } else { Err(Errno::EINVAL) },
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn ambient(task: &Task, operation: u64, capability: u64) -> Result<u64> {
    let mut new = Credentials::clone(&task.thread.credentials());
    let bit = || {
        u32::try_from(capability)
            .ok()
            .filter(|number| *number <= 40)
            .map(|number| 1_u64 << number)
            .ok_or(Errno::EINVAL)
    };
    match operation {
        1 => return Ok((new.ambient & bit()? != 0).into()),
        2 => {
            let bit = bit()?;
            if new.permitted & new.inheritable & bit == 0 {
                return Err(Errno::EPERM);
            }
            new.ambient |= bit;
        }
        3 => new.ambient &= !bit()?,
        4 if capability == 0 => new.ambient = 0,
        _ => return Err(Errno::EINVAL),
    }
    task.thread.set_credentials(new);
    Ok(0)
}

pub fn arch_prctl(task: &mut Task, code: u32, address: u64) -> Result<u64> {
    const SET_GS: u32 = 0x1001;
    const SET_FS: u32 = 0x1002;
    const GET_FS: u32 = 0x1003;
    const GET_GS: u32 = 0x1004;
    match code {
        SET_GS | SET_FS if address >= USER_END => return Err(Errno::EPERM),
        SET_FS => task.context.registers_mut().fs_base = address,
        SET_GS => task.context.registers_mut().gs_base = address,
        GET_FS => task.space().write_u64(address, task.context.registers().fs_base)?,
        GET_GS => task.space().write_u64(address, task.context.registers().gs_base)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// There are no filters: `EINVAL` is what a kernel without them says.
pub fn seccomp(_: &mut Task, _operation: u32, _flags: u32, _arguments: u64) -> Result<()> {
    Err(Errno::EINVAL)
}
