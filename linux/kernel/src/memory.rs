//! Memory of programs, as system calls use it.

use alloc::vec::Vec;

use linux_base::file::UserMemory;
use linux_base::{Errno, Mutex, Result};
use linux_calls::strace::Peek;
use linux_mm::{AddressSpace, UserSink};
use linux_task::burst::Burst;

use crate::task::{Task, WaitStatus, exit};

/// Memory of a program, with waiting for what is on a disk.
pub struct User<'a>(pub &'a AddressSpace);

impl UserMemory for User<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        self.0.read_bytes(address, into)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.0.write_bytes(address, bytes)
    }
}

/// Memory of a program for `strace`: without waiting, as far as it is there.
pub struct Shown<'a>(pub &'a AddressSpace);

impl Peek for Shown<'_> {
    fn peek(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let Some(at) = address.checked_add(bytes.len() as u64) else { break };
            let step = (4096 - (at % 4096) as usize).min(len - bytes.len());
            let mut page = alloc::vec![0; step];
            if UserMemory::read(self.0, at, &mut page).is_err() {
                break;
            }
            bytes.extend_from_slice(&page);
        }
        bytes
    }
}

impl Task {
    /// A buffer that a call fills, with what lies on a disk brought in.
    pub fn sink(&self, address: u64, len: usize) -> Result<UserSink<'_>> {
        let sink = UserSink::new(self.space(), address, len)?;
        sink.prepare(len)?;
        Ok(sink)
    }

    /// A path that a program gives.
    pub fn path(&self, address: u64) -> Result<Vec<u8>> {
        self.space().read_cstr(address, linux_vfs::inode::PATH_MAX)
    }

    /// Stores bytes, unless the pointer is null.
    pub fn write_unless_null(&self, address: u64, bytes: &[u8]) -> Result<()> {
        if address == 0 { Ok(()) } else { self.space().write_bytes(address, bytes) }
    }

    /// A `timespec`: seconds and nanoseconds, checked.
    pub fn read_timespec(&self, address: u64) -> Result<Duration> {
        let bytes: [u8; 16] = self.space().read_array(address)?;
        Duration::from_bytes(&bytes)
    }
}

/// A time that a program gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Duration {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds, below a thousand million.
    pub nanos: u32,
}

impl Duration {
    /// From a `timespec`. `EINVAL` for nanoseconds that are none, or negative seconds.
    pub fn from_bytes(bytes: &[u8; 16]) -> Result<Self> {
        let (seconds, nanos) = bytes.split_at(8);
        let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
        let (seconds, nanos) = (number(seconds), number(nanos));
        if seconds < 0 || !(0..1_000_000_000).contains(&nanos) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { seconds, nanos: nanos as u32 })
    }

    /// In nanoseconds, at most so many as fit.
    pub fn as_ns(self) -> u64 {
        (self.seconds as u64).saturating_mul(1_000_000_000).saturating_add(self.nanos.into())
    }

    /// As a `timespec`.
    pub fn bytes_of_ns(ns: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (seconds, nanos) = bytes.split_at_mut(8);
        seconds.copy_from_slice(&(ns / 1_000_000_000).to_le_bytes());
        nanos.copy_from_slice(&(ns % 1_000_000_000).to_le_bytes());
        bytes
    }

    /// As a `timeval`.
    pub fn timeval_of_ns(ns: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (seconds, micros) = bytes.split_at_mut(8);
        seconds.copy_from_slice(&(ns / 1_000_000_000).to_le_bytes());
        micros.copy_from_slice(&(ns % 1_000_000_000 / 1000).to_le_bytes());
        bytes
    }
}

/// A thread needs a page and there is none, or its page tables are broken: its process is killed.
pub fn out_of_memory(task: &Task) {
    if let Ok(kill) = linux_task::signal::Signal::new(9) {
        exit::begin(task.process(), WaitStatus::Killed(kill));
    }
    static BURST: Mutex<Burst> = Mutex::new(Burst::new());
    let Some(told) = BURST.lock().admit(minios::time::now_ns()) else { return };
    if told.missed > 0 {
        log::error!("out of memory: {} more processes were killed", told.missed);
    }
    let (resident, broken) = (task.space().totals().resident * 4, task.space().broken());
    let (comm, pid) = (task.thread.comm(), task.process().pid());
    match broken {
        None => log::error!("out of memory: killing {comm} (process {pid}, {resident} KiB resident)"),
        Some(broken) => log::error!("{broken}: killing {comm} (process {pid}, {resident} KiB resident)"),
    }
}
