//! `/proc/PID` and `/proc/PID/task/TID`.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use linux_base::{Errno, Mode, Result};
use linux_mm::AddressSpace;
use linux_vfs::pseudo::{Directory, Fixed, Item, Listed};

use super::{Of, Value, check_inspect, fds, mem, mounts, net, number, owner, status};
use crate::file::vfs;
use crate::host;
use crate::task::{Thread, exec};

/// The directory of a process.
pub fn item(process: &Of) -> Item {
    let (uid, gid) = owner(process);
    let own = process.clone();
    let tasks = Item::directory(Tasks(process.clone())).owner(uid, gid);
    // A process by the same number is another one.
    let serial = 0x1_0000_0000 | process.started_ns & 0xffff_ffff;
    let directory =
        files(Fixed::new().passing(), process, move || own.any_thread().ok_or(Errno::ESRCH), true)
            .with("task", tasks);
    Item::directory(directory).owner(uid, gid).number(serial << 16 | u64::from(process.pid()))
}

/// The threads of a process.
struct Tasks(Of);

impl Directory for Tasks {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let tid = number(name).ok_or(Errno::ENOENT)?;
        let thread = self.0.relations.lock().threads.get(&tid).cloned().ok_or(Errno::ENOENT)?;
        let (uid, gid) = owner(&self.0);
        let directory = files(Fixed::new().passing(), &self.0, move || Ok(thread.clone()), false);
        Ok(Item::directory(directory).owner(uid, gid))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        let from = u32::try_from(from).ok()?;
        let relations = self.0.relations.lock();
        let tid = *relations.threads.range(from..).next()?.0;
        Some(Listed { cookie: tid.into(), name: format!("{tid}").into_bytes(), kind: Mode::DIRECTORY })
    }
}

/// The memory of a process that the reader may look into; `None` once it has ended.
fn space(process: &Of) -> Result<Option<Arc<AddressSpace>>> {
    check_inspect(process)?;
    Ok(process.space())
}

fn files(
    directory: Fixed,
    process: &Of,
    thread: impl Fn() -> Result<Arc<Thread>> + Clone + Send + Sync + 'static,
    is_process: bool,
) -> Fixed {
    let (uid, gid) = owner(process);
    let with = |directory: Fixed, name: &str, permissions: u32, make: fn(&Of) -> Result<Vec<u8>>| {
        let process = process.clone();
        directory.with(name, Item::file(move || make(&process)).permissions(permissions).owner(uid, gid))
    };
    let mut directory = directory;
    for (name, permissions, make) in FILES {
        directory = with(directory, name, *permissions, *make);
    }
    let (of_stat, of_status, of_comm, of_write) =
        (process.clone(), process.clone(), thread.clone(), thread.clone());
    let (for_stat, for_status) = (thread.clone(), thread.clone());
    let link = |text: fn(&Of) -> Result<linux_vfs::Location>| {
        let (for_text, for_target) = (process.clone(), process.clone());
        let shown = move || {
            let place = text(&for_text)?;
            let root = host::current().map(|thread| thread.fs().root.lock().clone());
            Ok(place.path(root.as_ref().unwrap_or(vfs().root())))
        };
        Item::magic(shown, move || text(&for_target)).owner(uid, gid)
    };
    directory
        .with(
            "stat",
            Item::file(move || status::stat(&of_stat, for_stat().ok().as_deref(), is_process))
                .owner(uid, gid),
        )
        .with(
            "status",
            Item::file(move || status::status(&of_status, for_status().ok().as_deref())).owner(uid, gid),
        )
        .with(
            "comm",
            super::writable(Value(
                move || Ok(format!("{}\n", of_comm()?.comm()).into_bytes()),
                move |name: &[u8]| {
                    of_write()?.set_comm(name);
                    Ok(())
                },
            ))
            .owner(uid, gid),
        )
        .with("oom_score_adj", oom_score(process).owner(uid, gid))
        .with("exe", link(|process| exec::executable(process).ok_or(Errno::ENOENT)))
        .with(
            "cwd",
            link(|process| {
                check_inspect(process)?;
                let thread = process.any_thread().ok_or(Errno::ENOENT)?;
                let fs = thread.fs();
                let place = fs.cwd.lock().clone();
                Ok(place)
            }),
        )
        .with(
            "root",
            link(|process| {
                check_inspect(process)?;
                let thread = process.any_thread().ok_or(Errno::ENOENT)?;
                let fs = thread.fs();
                let place = fs.root.lock().clone();
                Ok(place)
            }),
        )
        .with("fd", Item::directory(fds::Links(process.clone())).permissions(0o500).owner(uid, gid))
        .with("fdinfo", Item::directory(fds::Infos(process.clone())).permissions(0o500).owner(uid, gid))
        .with("mem", Item::file(mem::Memory(process.clone())).permissions(0o600).owner(uid, gid))
        .with("net", Item::directory(net::root()))
}

type Make = fn(&Of) -> Result<Vec<u8>>;

const FILES: &[(&str, u32, Make)] = &[
    ("cmdline", 0o444, |process| strings(process, process.image.lock().arguments)),
    ("environ", 0o400, |process| {
        check_inspect(process)?;
        strings(process, process.image.lock().environment)
    }),
    ("auxv", 0o400, |process| {
        check_inspect(process)?;
        Ok(process.image.lock().auxiliary.to_vec())
    }),
    ("maps", 0o444, |process| maps(process, false)),
    ("smaps", 0o444, |process| maps(process, true)),
    ("statm", 0o444, status::statm),
    ("limits", 0o444, status::limits),
    ("io", 0o400, |_| {
        Ok(b"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n".to_vec())
    }),
    ("cgroup", 0o444, |_| Ok(b"0::/\n".to_vec())),
    ("mounts", 0o444, |_| Ok(mounts::mounts())),
    ("mountinfo", 0o444, |_| Ok(mounts::mountinfo())),
    ("wchan", 0o444, |_| Ok(b"0".to_vec())),
    ("oom_score", 0o444, |_| Ok(b"0\n".to_vec())),
    ("loginuid", 0o644, |_| Ok(b"4294967295".to_vec())),
    ("sessionid", 0o444, |_| Ok(b"4294967295".to_vec())),
    ("personality", 0o400, |_| Ok(b"00000000\n".to_vec())),
    ("coredump_filter", 0o644, |_| Ok(b"00000033\n".to_vec())),
    ("schedstat", 0o444, |_| Ok(b"0 0 0\n".to_vec())),
];

/// Bytes of a range of a process's memory, no more than a page's worth of pages.
fn strings(process: &Of, (start, end): (u64, u64)) -> Result<Vec<u8>> {
    const MOST: u64 = 1 << 20;
    let Some(space) = process.space() else { return Ok(Vec::new()) };
    let len = end.saturating_sub(start).min(MOST) as usize;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len)?;
    bytes.resize(len, 0);
    match space.read_bytes(start, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Ok(Vec::new()),
    }
}

fn oom_score(process: &Of) -> Item {
    let (reader, writer) = (process.clone(), process.clone());
    super::writable(Value(
        move || Ok(format!("{}\n", reader.oom_adjustment.lock()).into_bytes()),
        move |text: &[u8]| {
            let value: i32 =
                core::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Errno::EINVAL)?;
            if !(-1000..=1000).contains(&value) {
                return Err(Errno::EINVAL);
            }
            *writer.oom_adjustment.lock() = value;
            Ok(())
        },
    ))
}

/// `maps`, and `smaps` with what there is of each area.
fn maps(process: &Of, is_long: bool) -> Result<Vec<u8>> {
    use linux_base::stat::DeviceNumber;
    use linux_mm::{Name, Prot};
    let Some(space) = space(process)? else { return Ok(Vec::new()) };
    let mut text = alloc::string::String::new();
    for area in space.areas()? {
        let area = match is_long {
            true => space.area_after(area.start).unwrap_or(area),
            false => area,
        };
        let flag = |prot: Prot, letter: char| if area.prot.contains(prot) { letter } else { '-' };
        let device = DeviceNumber::decode(area.identity.0);
        let start = text.len();
        let _ = write!(
            text,
            "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ",
            area.start,
            area.end,
            flag(Prot::READ, 'r'),
            flag(Prot::WRITE, 'w'),
            flag(Prot::EXEC, 'x'),
            if area.is_shared { 's' } else { 'p' },
            area.offset,
            device.major,
            device.minor,
            area.identity.1,
        );
        let name = match &area.name {
            Name::None => "".into(),
            Name::Special(name) => alloc::string::String::from(*name),
            Name::Text(name) => alloc::string::String::from_utf8_lossy(name).into_owned(),
        };
        if !name.is_empty() {
            while text.len() - start < 73 {
                text.push(' ');
            }
            text += &name;
        }
        text.push('\n');
        if is_long {
            let (size, resident, unshared) =
                ((area.end - area.start) / 1024, area.resident * 4, area.unshared * 4);
            let shared = resident - unshared.min(resident);
            for (key, value) in [
                ("Size:", size),
                ("KernelPageSize:", 4),
                ("MMUPageSize:", 4),
                ("Rss:", resident),
                ("Pss:", unshared + shared / 2),
                ("Shared_Clean:", shared),
                ("Shared_Dirty:", 0),
                ("Private_Clean:", 0),
                ("Private_Dirty:", unshared),
                ("Referenced:", resident),
                ("Anonymous:", if area.identity.1 == 0 { resident } else { 0 }),
                ("LazyFree:", 0),
                ("AnonHugePages:", 0),
                ("Swap:", 0),
                ("SwapPss:", 0),
                ("Locked:", if area.is_locked { size } else { 0 }),
            ] {
                let _ = writeln!(text, "{key:<16}{value:>8} kB");
            }
            let _ = writeln!(
                text,
                "VmFlags: {}",
                if area.prot.contains(Prot::READ) { "rd mr mw me" } else { "mr mw me" }
            );
        }
    }
    Ok(text.into_bytes())
}
