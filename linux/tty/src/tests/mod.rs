//! Tests that are longer than what they test, and the processes that they imagine.

use alloc::sync::Arc;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use linux_base::abi::general::*;
use linux_base::file::{IoFlags, UserMemory};
use linux_base::io::{SliceSink, SliceSource};
use linux_base::{Errno, File, OpenFlags, PollEvents, Result, Watcher};

use crate::*;

mod console;
mod jobs;
mod lines;
mod ptys;
mod raw;
mod recorded;

/// Processes that a test imagines.
pub struct Jobs {
    pub caller: Mutex<Caller>,
    pub ignored: Mutex<Vec<u32>>,
    pub is_orphaned: Mutex<bool>,
    pub is_admin: Mutex<bool>,
    /// Groups and their sessions.
    pub groups: BTreeMap<i32, i32>,
    log: Mutex<Vec<String>>,
}

impl Jobs {
    /// A shell (process, group and session 10) with jobs 11 and 12, and a stranger (20).
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            caller: Mutex::new(Caller { pid: 10, group: 10, session: 10, terminal: None }),
            ignored: Mutex::default(),
            is_orphaned: Mutex::new(false),
            is_admin: Mutex::new(false),
            groups: [(10, 10), (11, 10), (12, 10), (20, 20)].into(),
            log: Mutex::default(),
        })
    }

    /// The process that calls from now on.
    pub fn run(&self, pid: i32) {
        let mut caller = self.caller.lock().unwrap();
        (caller.pid, caller.group, caller.session) = (pid, pid, self.groups[&pid]);
    }

    /// What has happened since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }
}

fn name(signal: u32) -> &'static str {
    match signal {
        SIGHUP => "HUP",
        SIGINT => "INT",
        SIGQUIT => "QUIT",
        SIGCONT => "CONT",
        SIGTSTP => "TSTP",
        SIGTTIN => "TTIN",
        SIGTTOU => "TTOU",
        SIGWINCH => "WINCH",
        _ => "?",
    }
}

impl JobControl for Jobs {
    fn caller(&self) -> Caller {
        *self.caller.lock().unwrap()
    }

    fn ignores(&self, signal: u32) -> bool {
        self.ignored.lock().unwrap().contains(&signal)
    }

    fn is_orphaned(&self) -> bool {
        *self.is_orphaned.lock().unwrap()
    }

    fn is_admin(&self) -> bool {
        *self.is_admin.lock().unwrap()
    }

    fn session_of(&self, group: i32) -> Option<i32> {
        self.groups.get(&group).copied()
    }

    fn signal_group(&self, group: i32, signal: u32) {
        self.note(format!("{} to group {group}", name(signal)));
    }

    fn signal_leader(&self, session: i32, signal: u32) {
        self.note(format!("{} to leader of {session}", name(signal)));
    }

    fn set_terminal(&self, session: i32, terminal: Option<Arc<Tty>>) {
        let mut caller = self.caller.lock().unwrap();
        if caller.session == session {
            caller.terminal = terminal.map(|terminal| terminal.id());
        }
    }

    fn leave_terminal(&self) {
        self.caller.lock().unwrap().terminal = None;
    }
}

/// Counts how often it is told.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Watcher for Count {
    fn notify(&self, _: PollEvents) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// The memory of a program, from address 0.
pub struct Memory(Mutex<Vec<u8>>);

impl Memory {
    pub fn of(bytes: &[u8]) -> Self {
        let mut memory = bytes.to_vec();
        memory.resize(64, 0xaa);
        Self(Mutex::new(memory))
    }

    pub fn u32(&self) -> u32 {
        (self as &dyn UserMemory).read_u32(0).unwrap()
    }
}

impl UserMemory for Memory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        let memory = self.0.lock().unwrap();
        let at = address as usize;
        into.copy_from_slice(memory.get(at..at + into.len()).ok_or(Errno::EFAULT)?);
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let mut memory = self.0.lock().unwrap();
        let at = address as usize;
        memory.get_mut(at..at + bytes.len()).ok_or(Errno::EFAULT)?.copy_from_slice(bytes);
        Ok(())
    }
}

const WAITING: IoFlags = IoFlags { status: OpenFlags::RDWR, rwf: 0 };
const NOT_WAITING: IoFlags = IoFlags { status: OpenFlags::RDWR.union(OpenFlags::NONBLOCK), rwf: 0 };

pub fn read_with(file: &dyn File, len: usize, flags: IoFlags) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let len = file.read(0, &mut SliceSink::new(&mut bytes), flags)?;
    bytes.truncate(len);
    Ok(bytes)
}

pub fn read(file: &dyn File, len: usize) -> Result<String> {
    read_with(file, len, WAITING).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

pub fn write(file: &dyn File, text: impl AsRef<[u8]>) -> Result<usize> {
    file.write(0, &mut SliceSource::new(text.as_ref()), WAITING)
}

/// A pseudo-terminal with a shell's session on it.
pub struct Pair {
    pub jobs: Arc<Jobs>,
    pub ptys: Arc<Ptys>,
    pub master: Arc<PtyMaster>,
    pub slave: Arc<TtyFile>,
}

pub const NODE: Node = Node { uid: 1000, gid: 5, permissions: 0o620 };

impl Pair {
    pub fn new() -> Self {
        let jobs = Jobs::new();
        let ptys = Ptys::new(jobs.clone());
        let master = ptys.open_master(NODE, None).unwrap();
        master.tty().state.lock().pty.is_locked = false;
        let slave = ptys.open_slave(master.index(), OpenFlags::RDWR).unwrap();
        Self { jobs, ptys, master, slave }
    }

    /// Changes the settings.
    pub fn set(&self, change: impl FnOnce(&mut Termios)) -> &Self {
        let mut termios = self.master.tty().termios();
        change(&mut termios);
        self.master.tty().set_termios(termios, false);
        self
    }

    /// Types, and returns what is shown.
    pub fn types(&self, keys: impl AsRef<[u8]>) -> String {
        let keys = keys.as_ref();
        assert_eq!(write(&*self.master, keys), Ok(keys.len()));
        self.shown()
    }

    /// What has been shown since the last call.
    pub fn shown(&self) -> String {
        let mut all = String::new();
        while let Ok(text) = read(&*self.master, 100) {
            all += &text;
        }
        all
    }

    /// A line, or whatever a read of 100 bytes gives.
    pub fn line(&self) -> Result<String> {
        read(&*self.slave, 100)
    }

    pub fn ioctl(&self, command: u32, argument: u64) -> Result<i64> {
        self.slave.ioctl(command, argument, &Memory::of(&[]))
    }
}
