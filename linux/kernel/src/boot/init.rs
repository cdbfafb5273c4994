//! The first process.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Mutex, OpenFile, OpenFlags};
use linux_mm::{AddressSpace, Limits, Randomize};
use linux_task::signal::{AltStack, SigSet};
use linux_vfs::Follow;
use minios::user::Context;

use super::{INIT, stubdom};
use crate::console;
use crate::file::{Files, FsContext, vfs};
use crate::options;
use crate::task::exec::{self, Request};
use crate::task::spawn::STACK_LEN;
use crate::task::{Inherited, Process, Relations, Task, Thread, WaitStatus, table};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the program of the command line.
pub fn start() -> Result<(), String> {
    let arguments: Vec<Vec<u8>> = options::arguments().into_iter().map(String::into_bytes).collect();
    if arguments.is_empty() && !stubdom::is_one() {
        return Err("no program: the command line has nothing behind --".into());
    }
    let memory = |errno: Errno| format!("the first process: {errno}");
    let space = AddressSpace::new(Randomize::Yes, Limits::default()).map_err(memory)?;
    let pid = table::allocate().map_err(memory)?;
    debug_assert_eq!(pid, INIT);
    let relations = Relations {
        parent: Weak::new(),
        children: BTreeMap::new(),
        group: pid,
        session: pid,
        threads: BTreeMap::new(),
    };
    let process = Arc::new(Process::new(pid, space.clone(), Arc::new(Mutex::default()), relations));
    // As many descriptors as systemd's services may ask for.
    let files = linux_task::limits::Limit { soft: 1024, hard: 524_288 };
    let _ = process.limits.lock().set(linux_task::limits::Resource::Files, files, true);
    let inherited = Inherited {
        files: Arc::new(Files::new()),
        fs: Arc::new(FsContext::new(vfs().root())),
        credentials: Arc::new(Credentials::root()),
        comm: b"init".to_vec(),
        mask: SigSet::EMPTY,
        alt_stack: AltStack::default(),
        traits: 0,
        policy: 0,
    };
    let thread = Thread::new(pid, process.clone(), inherited);
    process.relations.lock().threads.insert(pid, thread.clone());
    table::add_process(&process);
    table::add_thread(&thread);
    console::start();
    let files = standard_files().map_err(memory)?;
    let arguments = if stubdom::is_one() { stubdom::start(arguments, &files)? } else { arguments };
    drop(thread.set_files(Some(files)));
    let context = Context::new().map_err(|error| format!("the first process: {error}"))?;
    let theirs = thread.clone();
    let handle = minios::thread::Builder::new("init")
        .stack_len(STACK_LEN)
        .spawn(move || first(Task::new(theirs, context, space), arguments))
        .map_err(|error| format!("the first process: {error}"))?;
    thread.set_kernel(handle.thread());
    Ok(())
}

/// Standard input, output and error.
fn standard_files() -> Result<Arc<Files>, Errno> {
    let files = Files::new();
    console::first().become_terminal_of(INIT as i32, INIT as i32);
    let flags = OpenFlags::RDWR | OpenFlags::NOCTTY;
    let open = super::mounts::as_root(|context| context.open(None, b"/dev/hvc0", flags, 0))?;
    for _ in 0..3 {
        files.insert(open.clone(), false, 0, 3)?;
    }
    Ok(Arc::new(files))
}

/// The first thread: executes the program, and is it from then on.
fn first(mut task: Task, arguments: Vec<Vec<u8>>) {
    if let Err(errno) = prepare(&mut task, arguments) {
        log::error!("{errno}");
        super::init_has_ended(WaitStatus::Exited(127));
    }
    crate::run::user(task);
}

fn prepare(task: &mut Task, arguments: Vec<Vec<u8>>) -> Result<(), String> {
    let mut environment: Vec<Vec<u8>> = options::all("env").map(|value| value.as_bytes().to_vec()).collect();
    let value_of = |environment: &[Vec<u8>], name: &[u8]| {
        environment
            .iter()
            .find_map(|setting| setting.strip_prefix(name)?.strip_prefix(b"=").map(<[u8]>::to_vec))
    };
    if value_of(&environment, b"PATH").is_none() {
        environment.push(format!("PATH={PATH}").into_bytes());
    }
    let mut home = String::from("/root");
    if let Some(spec) = options::get("user") {
        let user = super::user::find(spec).map_err(|reason| format!("user={spec}: {reason}"))?;
        home = user.home.unwrap_or_else(|| "/".into());
        task.thread.set_credentials(user.credentials);
    }
    if let Some(directory) = options::get("cwd") {
        let place = task.place(crate::file::AT_FDCWD, directory.as_bytes(), 0);
        let place = place.map_err(|errno| format!("cwd={directory}: {errno}"))?;
        if !place.inode().is_ok_and(|inode| inode.is_directory()) {
            return Err(format!("cwd={directory}: it is no directory"));
        }
        *task.thread.fs().cwd.lock() = place;
    }
    for (name, default) in [("HOME", home.as_str()), ("TERM", "vt220")] {
        if value_of(&environment, name.as_bytes()).is_none() {
            environment.push(format!("{name}={default}").into_bytes());
        }
    }
    let path = value_of(&environment, b"PATH").unwrap_or_default();
    let name = arguments.first().cloned().unwrap_or_default();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let (open, path) = find(task, &name, &path).map_err(|errno| format!("{shown}: {errno}"))?;
    exec::exec(task, Request { open, path, arguments, environment })
        .map_err(|errno| format!("{shown}: {errno}"))
}

/// Opens the program: a path, or a name that is looked up.
fn find(task: &Task, name: &[u8], path: &[u8]) -> Result<(Arc<OpenFile>, Vec<u8>), Errno> {
    if name.contains(&b'/') {
        return Ok((exec::open(task, None, name, Follow::Yes)?, name.to_vec()));
    }
    let mut outcome = Err(Errno::ENOENT);
    for directory in path.split(|byte| *byte == b':').filter(|directory| !directory.is_empty()) {
        let full = [directory, b"/", name].concat();
        match exec::open(task, None, &full, Follow::Yes) {
            Ok(open) => return Ok((open, full)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => outcome = Err(errno),
        }
    }
    outcome
}
