//! The system as a whole (`uname(2)`, `sysinfo(2)`, `sethostname(2)`, `getrandom(2)`, `reboot(2)`).

use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Mutex, Result, Sink, host};
use linux_task::limits::{INFINITY, Resource};
use linux_task::signal::SigInfo;
use linux_task::signal::Signal;

use crate::task::{Task, table};

/// What `uname` says: that it is Linux for who looks at the name, and Minios for who looks at the version.
pub const SYSNAME: &str = "Linux";
/// A version whose calls the C library and programs may expect.
pub const RELEASE: &str = "6.1.0-minios";
/// What it really is.
pub const VERSION: &str = concat!("#1 Minios ", env!("CARGO_PKG_VERSION"), " (Xen PV)");
/// The processor.
pub const MACHINE: &str = "x86_64";

/// Longest host name.
const NAME_MAX: usize = 64;

static HOSTNAME: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static DOMAINNAME: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The host name.
pub fn hostname() -> Vec<u8> {
    HOSTNAME.lock().clone()
}

/// Sets the host name, cut to what there is room for.
pub fn set_hostname(name: &[u8]) {
    *HOSTNAME.lock() = name.get(..NAME_MAX).unwrap_or(name).to_vec();
}

/// The NIS domain name.
pub fn domainname() -> Vec<u8> {
    let name = DOMAINNAME.lock().clone();
    if name.is_empty() { b"(none)".to_vec() } else { name }
}

pub fn uname(task: &mut Task, buf: u64) -> Result<()> {
    const FIELD: usize = 65;
    let mut bytes = [0; FIELD * 6];
    let (host, domain) = (hostname(), domainname());
    let fields =
        [SYSNAME.as_bytes(), &host, RELEASE.as_bytes(), VERSION.as_bytes(), MACHINE.as_bytes(), &domain];
    for (place, text) in bytes.chunks_exact_mut(FIELD).zip(fields) {
        for (place, byte) in place.iter_mut().zip(text.iter().take(FIELD - 1)) {
            *place = *byte;
        }
    }
    task.space().write_bytes(buf, &bytes)
}

fn set_name(task: &Task, name: u64, len: usize, to: &Mutex<Vec<u8>>) -> Result<()> {
    if !task.thread.credentials().can(Credentials::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    if len > NAME_MAX {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; len];
    task.space().read_bytes(name, &mut bytes)?;
    *to.lock() = bytes;
    Ok(())
}

pub fn sethostname(task: &mut Task, name: u64, len: usize) -> Result<()> {
    set_name(task, name, len, &HOSTNAME)
}

pub fn setdomainname(task: &mut Task, name: u64, len: usize) -> Result<()> {
    set_name(task, name, len, &DOMAINNAME)
}

pub fn sysinfo(task: &mut Task, info: u64) -> Result<()> {
    let memory = minios::memory::usage();
    let mut bytes = [0; 112];
    let mut put = |at: usize, word: u64, len: usize| {
        for (place, byte) in bytes.iter_mut().skip(at).zip(word.to_le_bytes().into_iter().take(len)) {
            *place = byte;
        }
    };
    put(0, host::host().now_ns() / 1_000_000_000, 8);
    put(32, memory.total as u64 * 4096, 8);
    put(40, memory.free as u64 * 4096, 8);
    put(80, table::processes().len() as u64, 2);
    put(104, 1, 4);
    task.space().write_bytes(info, &bytes)
}

pub fn getrandom(task: &mut Task, buf: u64, len: usize, flags: u32) -> Result<usize> {
    const KNOWN: u32 = 7;
    /// Others have their turn after so many bytes.
    const BETWEEN_TURNS: usize = 1 << 20;
    if flags & !KNOWN != 0 || flags & 6 == 6 {
        return Err(Errno::EINVAL);
    }
    let mut sink = task.sink(buf, len)?;
    let mut done = 0;
    let mut bytes = [0; 256];
    while sink.room() > 0 {
        let step = sink.room().min(bytes.len());
        let Some(chunk) = bytes.get_mut(..step) else { break };
        host::host().random(chunk);
        match sink.push(chunk) {
            Ok(0) => break,
            Ok(pushed) => done += pushed,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
        if done.is_multiple_of(BETWEEN_TURNS) {
            host::host().yield_now();
        }
        if task.thread.is_interrupted() && done >= 256 {
            break;
        }
    }
    Ok(done)
}

/// The log of the kernel is on the console; nothing of it is kept.
pub fn syslog(task: &mut Task, kind: i32, _buf: u64, _len: i32) -> Result<i32> {
    const CAP_SYSLOG: u32 = 34;
    if !task.thread.credentials().can(CAP_SYSLOG) {
        return Err(Errno::EPERM);
    }
    match kind {
        0..=10 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub fn personality(_: &mut Task, persona: u32) -> Result<u32> {
    match persona {
        0 | u32::MAX => Ok(0),
        // Flags such as ADDR_NO_RANDOMIZE; taken, and without effect.
        _ if persona & 0xff == 0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub fn reboot(task: &mut Task, magic: u32, magic2: u32, command: u32, _argument: u64) -> Result<()> {
    const CAP_SYS_BOOT: u32 = 22;
    if !task.thread.credentials().can(CAP_SYS_BOOT) {
        return Err(Errno::EPERM);
    }
    if magic != 0xfee1_dead || ![0x2812_1969, 0x0512_1996, 0x1604_1998, 0x2011_2000].contains(&magic2) {
        return Err(Errno::EINVAL);
    }
    match command {
        0x4321_fedc | 0xcdef_0123 => crate::boot::end(crate::boot::End::Poweroff),
        0x0123_4567 => crate::boot::end(crate::boot::End::Reboot),
        // Ctrl-Alt-Del, which there is not.
        0 | 0x89ab_cdef => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// A signal of the kernel for somebody's writing behind the limit of a file's size.
pub fn file_too_large(task: &Task) {
    // Beyond what any file can be, it is only an error.
    if task.process().limit(Resource::FileSize) == INFINITY {
        return;
    }
    let _ = crate::signal::send_to_thread(&task.thread, SigInfo::kernel(Signal::XFSZ));
}
