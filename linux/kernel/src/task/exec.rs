//! A new program in a process (`execve(2)`).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Credentials, Errno, OpenFile, PollEvents, Result, host};
use linux_mm::{AddressSpace, MapObject, Name, Randomize};
use linux_task::elf::Plan;
use linux_task::limits::Resource;
use linux_task::signal::{AltStack, Pending};
use linux_task::{script, stack};
use linux_vfs::regular::Executing;
use linux_vfs::{Location, MountFlags};

use super::load::{self, Loaded, Place};
use super::{Image, Process, Task, table};
use crate::file::{Path, vfs};

/// Scripts whose interpreter is a script, at most.
const MAX_SCRIPTS: usize = 5;
/// Bytes of arguments and environment, at most, whatever the limit of the stack.
const MAX_STRINGS: u64 = 6 << 20;

/// What is to be executed.
pub struct Request {
    /// The open file.
    pub open: Arc<OpenFile>,
    /// Its path, as the program gave it.
    pub path: Vec<u8>,
    /// The arguments.
    pub arguments: Vec<Vec<u8>>,
    /// The environment.
    pub environment: Vec<Vec<u8>>,
}

/// A program that is ready to run: nothing of the process has changed yet.
struct Program {
    space: Arc<AddressSpace>,
    image: Image,
    entry: u64,
    rsp: u64,
    credentials: Credentials,
    comm: Vec<u8>,
    is_secure: bool,
}

/// Opens a file to execute it. `EACCES` when it is no regular file or may not be executed.
pub fn open(
    task: &Task,
    base: Option<&Location>,
    path: &[u8],
    follow: linux_vfs::Follow,
) -> Result<Arc<OpenFile>> {
    let asker = task.asker();
    let context = asker.context();
    let place = context.walk(base, path, follow)?;
    check(task, &place)?;
    context.open_place(&place, linux_base::OpenFlags::empty())
}

/// Whether what is there may be executed.
pub fn check(task: &Task, place: &Location) -> Result<()> {
    let (mode, uid, gid) = place.inode()?.access();
    if mode.is_symlink() {
        return Err(Errno::ELOOP);
    }
    if !mode.is_regular() || place.mount().flags().contains(MountFlags::NO_EXEC) {
        return Err(Errno::EACCES);
    }
    if task.thread.credentials().may_access(mode, uid, gid, 1) { Ok(()) } else { Err(Errno::EACCES) }
}

/// Executes a program: on success the thread's registers are those of its start, and nothing of the old program is left.
pub fn exec(task: &mut Task, request: Request) -> Result<()> {
    let program = prepare(task, request)?;
    end_other_threads(task)?;
    commit(task, program)
}

fn prepare(task: &Task, mut request: Request) -> Result<Program> {
    let name = comm_of(&request.path);
    let mut file = request.open.clone();
    // A file that is being written is refused before it is looked at.
    drop(Executing::new(vfs().place_of(&file).inode()?.clone())?);
    if request.arguments.is_empty() {
        request.arguments.push(Vec::new());
    }
    let mut scripts = 0;
    let plan = loop {
        let mut head = [0; script::HEAD_LEN];
        let len = load::read(&file, 0, &mut head)?;
        let head = head.get(..len).unwrap_or_default();
        let Some(script) = script::parse(head) else { break load::plan(&file)? };
        scripts += 1;
        if scripts > MAX_SCRIPTS {
            return Err(Errno::ELOOP);
        }
        let mut arguments = alloc::vec![script.interpreter.to_vec()];
        arguments.extend(script.argument.map(<[u8]>::to_vec));
        arguments.push(request.path.clone());
        arguments.extend(request.arguments.drain(1..));
        request.arguments = arguments;
        request.path = script.interpreter.to_vec();
        file = open(task, None, script.interpreter, linux_vfs::Follow::Yes)?;
    };
    build(task, &request, &file, &plan, name)
}

fn build(
    task: &Task,
    request: &Request,
    file: &Arc<OpenFile>,
    plan: &Plan,
    comm: Vec<u8>,
) -> Result<Program> {
    let place = vfs().place_of(file);
    let executing = Executing::new(place.inode()?.clone())?;
    let credentials = credentials_for(task, &place)?;
    let old = task.thread.credentials();
    let is_secure = credentials.uid.effective != credentials.uid.real
        || credentials.gid.effective != credentials.gid.real
        || credentials.permitted & !old.permitted != 0;

    let limits = task.process().memory_limits();
    let space = AddressSpace::new(Randomize::Yes, limits)?;
    let object = map_object(task, file)?;
    let interpreter = match load::interpreter(file, plan)? {
        Some(path) => {
            let open = open(task, None, &path, linux_vfs::Follow::Yes)?;
            let plan = load::plan(&open)?;
            Some((map_object(task, &open)?, plan))
        }
        None => None,
    };
    let program = load::map(&space, &object, plan, Place::At(space.layout().executable_base))?;
    let linker = match &interpreter {
        Some((object, plan)) => Some(load::map(&space, object, plan, Place::Anywhere)?),
        None => None,
    };
    space.set_heap(program.end.next_multiple_of(4096) + space.layout().heap_gap);
    let vdso = load::map_vdso(&space);

    let mut random = [0; 16];
    host::host().random(&mut random);
    let auxiliary = auxiliary(plan, &program, linker.as_ref(), vdso, &credentials, is_secure);
    let contents = stack::Contents {
        arguments: &request.arguments,
        environment: &request.environment,
        path: &request.path,
        random,
        auxiliary: &auxiliary,
    };
    let most = (task.process().limit(Resource::Stack) / 4).clamp(128 << 10, MAX_STRINGS) as usize;
    let top = space.layout().stack_top & !4095;
    let first = stack::build(top, &contents, most)?;
    load::map_stack(&space, first.bytes.len() as u64 + 4096, plan.has_executable_stack)?;
    space.write_bytes(first.rsp, &first.bytes)?;

    let image = Image {
        executable: Some(place),
        executing: Some(executing),
        arguments: first.arguments,
        environment: first.environment,
        auxiliary: Arc::from(first.auxiliary),
        code: program.code,
        data: program.data,
        stack: first.rsp,
    };
    let entry = linker.map_or(program.entry, |linker| linker.entry);
    Ok(Program { space, image, entry, rsp: first.rsp, credentials, comm, is_secure })
}

/// A file as something to map.
fn map_object(task: &Task, open: &Arc<OpenFile>) -> Result<MapObject> {
    let pager = crate::call::memory::pager_of(open).ok_or(Errno::EACCES)?;
    let name = vfs().place_of(open).path(&task.thread.fs().root.lock());
    Ok(MapObject { pager, offset: 0, may_write: false, may_execute: true, name: Name::Text(Arc::from(name)) })
}

/// The auxiliary vector, without what [`stack::build`] adds.
fn auxiliary(
    plan: &Plan,
    program: &Loaded,
    linker: Option<&Loaded>,
    vdso: Option<u64>,
    credentials: &Credentials,
    is_secure: bool,
) -> Vec<stack::Auxiliary> {
    use linux_base::abi::auxvec as at;
    let headers = match plan.program_headers {
        0 => 0,
        address => address.wrapping_add(program.bias),
    };
    let mut auxiliary: Vec<stack::Auxiliary> = Vec::new();
    auxiliary.extend(vdso.map(|address| (at::AT_SYSINFO_EHDR.into(), address)));
    // SAFETY: every x86-64 processor has the instruction.
    let features = core::arch::x86_64::__cpuid(1).edx;
    auxiliary.extend([
        (u64::from(at::AT_HWCAP), u64::from(features)),
        (at::AT_PAGESZ.into(), 4096),
        (at::AT_CLKTCK.into(), 100),
        (at::AT_PHDR.into(), headers),
        (at::AT_PHENT.into(), 56),
        (at::AT_PHNUM.into(), plan.count as u64),
        (at::AT_BASE.into(), linker.map_or(0, |linker| linker.bias)),
        (at::AT_FLAGS.into(), 0),
        (at::AT_ENTRY.into(), program.entry),
        (at::AT_UID.into(), credentials.uid.real.into()),
        (at::AT_EUID.into(), credentials.uid.effective.into()),
        (at::AT_GID.into(), credentials.gid.real.into()),
        (at::AT_EGID.into(), credentials.gid.effective.into()),
        (at::AT_SECURE.into(), is_secure.into()),
        (at::AT_HWCAP2.into(), 0),
        (AT_MINSIGSTKSZ, minios::user::fpu_len() as u64 + 1024),
    ]);
    auxiliary
}

const AT_MINSIGSTKSZ: u64 = 51;

/// Who the process is afterwards: set-user-ID and set-group-ID count, and root has all capabilities.
fn credentials_for(task: &Task, place: &Location) -> Result<Credentials> {
    let mut credentials = Credentials::clone(&task.thread.credentials());
    let (mode, uid, gid) = place.inode()?.access();
    let may_change = !place.mount().flags().contains(MountFlags::NO_SUID)
        && !crate::call::prctl::has_no_new_privileges(task);
    if may_change {
        if mode.0 & 0o4000 != 0 {
            (credentials.uid.effective, credentials.uid.fs) = (uid, uid);
        }
        if mode.0 & 0o2000 != 0 && mode.0 & 0o10 != 0 {
            (credentials.gid.effective, credentials.gid.fs) = (gid, gid);
        }
    }
    credentials.uid.saved = credentials.uid.effective;
    credentials.gid.saved = credentials.gid.effective;
    let is_root = credentials.uid.effective == 0;
    if is_root || credentials.uid.real == 0 {
        credentials.permitted = credentials.bounding;
        credentials.effective = if is_root { credentials.permitted } else { 0 };
    } else {
        credentials.permitted = credentials.ambient;
        credentials.effective = credentials.ambient;
    }
    Ok(credentials)
}

fn comm_of(path: &[u8]) -> Vec<u8> {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()
}

/// Ends the other threads of the process and takes its number. `EAGAIN` when another thread does the same.
fn end_other_threads(task: &Task) -> Result<()> {
    let process = task.process();
    let own = task.thread.tid();
    if process.executing.compare_exchange(0, own, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Err(Errno::EAGAIN);
    }
    for thread in process.threads() {
        if thread.tid() != own {
            thread.is_dying.store(true, Ordering::Relaxed);
            thread.wake();
        }
    }
    let alone = || process.relations.lock().threads.len() == 1;
    let _ = wait_until(&[&process.changed], None, Interruptible::No, || {
        (alone() || task.thread.must_end()).then_some(())
    });
    process.executing.store(0, Ordering::Release);
    if task.thread.must_end() {
        return Err(Errno::EINTR);
    }
    if own != process.pid() {
        let mut relations = process.relations.lock();
        if let Some(thread) = relations.threads.remove(&own) {
            thread.set_tid(process.pid());
            relations.threads.insert(process.pid(), thread.clone());
            drop(relations);
            table::remove_thread(own);
            table::add_thread(&thread);
        }
    }
    Ok(())
}

fn commit(task: &mut Task, program: Program) -> Result<()> {
    let process = task.process().clone();
    // What the old memory promised at the thread's end is done while that memory is still there.
    super::exit::release_futexes(&task.thread);
    task.set_space(program.space);
    process.end_vfork();
    *process.image.lock() = program.image;
    process.has_executed.store(true, Ordering::Relaxed);
    process.is_dumpable.store(!program.is_secure, Ordering::Relaxed);
    task.thread.set_comm(&program.comm);
    task.thread.set_credentials(program.credentials);
    reset_signals(task, &process);
    process.timers.clear_on_exec();
    task.thread.death_signal.store(0, Ordering::Relaxed);

    let files = task.files()?;
    // Shared with another process, it is no longer.
    let files = if Arc::strong_count(&files) > 2 { files.duplicate()? } else { files };
    let closed = files.take_close_on_exec();
    drop(task.thread.set_files(Some(files)));
    for open in closed {
        crate::call::fd::closed(task, &open);
    }

    task.context.reset();
    let registers = task.context.registers_mut();
    registers.rip = program.entry;
    registers.rsp = program.rsp;
    process.changed.wake(PollEvents::OUT);
    Ok(())
}

fn reset_signals(task: &Task, process: &Process) {
    let mut actions = process.actions().lock().clone();
    actions.reset_for_exec();
    process.set_actions(actions);
    let mut signals = task.thread.signals.lock();
    signals.alt_stack = AltStack::default();
    signals.saved_mask = None;
    let _: &Pending = &signals.pending;
}

/// The executable of a process.
pub fn executable(process: &Process) -> Option<Path> {
    process.image.lock().executable.clone()
}
