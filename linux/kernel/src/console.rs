//! The consoles as terminals, `/dev/tty`, `/dev/console` and pseudo-terminals; and what terminals need of processes.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};

use linux_base::stat::{DeviceNumber, Facts};
use linux_base::{Credentials, Errno, File, Result};
use linux_task::signal::{SigInfo, Signal};
use linux_tty::{Backend, Caller, JobControl, OpenedAs, Ptys, Tty};
use linux_vfs::inode::OpenRequest;
use linux_vfs::{DeviceKind, DeviceRegistry};
use minios_std::console::Further;
use spin::Once;

use crate::host;
use crate::signal;
use crate::task::{Process, group, table};

/// Major number of `tty`, `console` and `ptmx`.
const TTY_AUX: u32 = 5;
/// Major number of Xen's consoles, `hvc0` and so on.
pub const HVC: u32 = 229;
/// Major number of `/dev/pts/N`.
const PTS: u32 = 136;

/// What terminals need of processes.
struct Jobs;

fn process() -> Option<Arc<Process>> {
    host::current().map(|thread| thread.process().clone())
}

impl JobControl for Jobs {
    fn caller(&self) -> Caller {
        match process() {
            Some(process) => Caller {
                pid: process.pid() as i32,
                group: process.group() as i32,
                session: process.session() as i32,
                terminal: process.terminal.lock().as_ref().map(|tty| tty.id()),
            },
            None => Caller { pid: 0, group: 0, session: 0, terminal: None },
        }
    }

    fn ignores(&self, signal: u32) -> bool {
        let (Some(thread), Ok(signal)) = (host::current(), Signal::new(signal as i32)) else { return false };
        let is_blocked = thread.signals.lock().mask.contains(signal);
        let actions = thread.process().actions();
        let is_ignored = actions.lock().get(signal).handler == linux_task::signal::Action::IGNORE;
        is_blocked || is_ignored
    }

    fn is_orphaned(&self) -> bool {
        process().is_none_or(|process| group::is_orphaned(process.group()))
    }

    fn is_admin(&self) -> bool {
        host::current().is_none_or(|thread| thread.credentials().can(Credentials::CAP_SYS_ADMIN))
    }

    fn session_of(&self, group: i32) -> Option<i32> {
        let group = u32::try_from(group).ok()?;
        table::group(group).first().map(|process| process.session() as i32)
    }

    fn signal_group(&self, group: i32, signal: u32) {
        if let (Ok(group), Ok(signal)) = (u32::try_from(group), Signal::new(signal as i32)) {
            let _ = signal::send_to_group(group, SigInfo::kernel(signal));
        }
    }

    fn signal_leader(&self, session: i32, signal: u32) {
        let leader = u32::try_from(session).ok().and_then(table::process);
        if let (Some(leader), Ok(signal)) = (leader, Signal::new(signal as i32)) {
            let _ = signal::send(&leader, SigInfo::kernel(signal));
        }
    }

    fn set_terminal(&self, session: i32, terminal: Option<Arc<Tty>>) {
        for process in table::processes() {
            if process.session() as i32 == session {
                let old = core::mem::replace(&mut *process.terminal.lock(), terminal.clone());
                drop(old);
            }
        }
    }

    fn leave_terminal(&self) {
        if let Some(process) = process() {
            let old = process.terminal.lock().take();
            drop(old);
        }
    }
}

/// Hands a terminal what was typed, as far as it has room; the rest stays in the ring.
fn feed(tty: &Tty, read: impl Fn(&mut [u8]) -> usize) {
    let mut bytes = [0; 512];
    loop {
        let room = tty.input_room(bytes.len());
        let len = bytes.get_mut(..room).map_or(0, &read);
        if len == 0 {
            break;
        }
        tty.received(bytes.get(..len).unwrap_or_default());
    }
}

/// The first console.
struct FirstConsole;

impl Backend for FirstConsole {
    fn output(&self, bytes: &[u8]) -> usize {
        minios_std::console::write_raw(bytes)
    }

    fn input_possible(&self) {
        feed(first(), minios_std::console::read_some);
    }
}

/// A further console, and its terminal.
struct FurtherConsole {
    console: Further,
    tty: Once<Weak<Tty>>,
}

impl Backend for FurtherConsole {
    fn output(&self, bytes: &[u8]) -> usize {
        self.console.write_raw(bytes)
    }

    fn input_possible(&self) {
        if let Some(tty) = self.tty.get().and_then(Weak::upgrade) {
            feed(&tty, |bytes| self.console.read(bytes));
        }
    }
}

type Consoles = BTreeMap<u32, (Arc<FurtherConsole>, Arc<Tty>)>;

/// The further consoles, by number.
static FURTHER: spin::Mutex<Consoles> = spin::Mutex::new(BTreeMap::new());

/// Makes a terminal of each further console; connected it is later, by a thread of its own, and served by another.
fn start_further() {
    for id in minios_std::console::further() {
        let console = match Further::new(id) {
            Some(Ok(console)) => Arc::new(FurtherConsole { console, tty: Once::new() }),
            Some(Err(error)) => {
                log::warn!("console {id}: {error}");
                continue;
            }
            None => return,
        };
        let device = DeviceNumber { major: HVC, minor: id };
        // A device model saves, restores and has its guest's serial ports there: bytes as they are.
        let make = if crate::xen::is_stub_domain() { Tty::channel } else { Tty::new };
        let tty = make(device, console.clone(), Arc::new(Jobs));
        console.tty.call_once(|| Arc::downgrade(&tty));
        FURTHER.lock().insert(id, (console.clone(), tty.clone()));
        let followed = console.clone();
        let follow = move || followed.console.follow();
        let serve = move || {
            console.console.serve(|| {
                tty.output_possible();
                console.input_possible();
            });
            // Programs that have it open are told; it cannot be opened any more.
            FURTHER.lock().remove(&id);
            tty.hang_up();
        };
        let builder = || minios::thread::Builder::new("tty").stack_len(24 * 1024);
        let spawned = builder().spawn(follow).and_then(|_| builder().spawn(serve));
        if let Err(error) = spawned {
            log::warn!("console {id}: {error}");
        }
    }
}

/// The names of the further consoles that have one, and their numbers. Of two of the same name it is that of the first.
pub fn channels() -> BTreeMap<String, u32> {
    let mut named = BTreeMap::new();
    for id in minios_std::console::further() {
        let name = Further::new(id).and_then(|console| console.ok()?.name()).unwrap_or_default();
        if (1..=255).contains(&name.len()) && !name.starts_with('.') && !name.contains(['/', '\0']) {
            named.entry(name).or_insert(id);
        }
    }
    named
}

static CONSOLE: Once<Arc<Tty>> = Once::new();
static PSEUDO: Once<Arc<Ptys>> = Once::new();

/// The first console.
pub fn first() -> &'static Arc<Tty> {
    CONSOLE
        .call_once(|| Tty::new(DeviceNumber { major: HVC, minor: 0 }, Arc::new(FirstConsole), Arc::new(Jobs)))
}

/// The pseudo-terminals.
pub fn ptys() -> &'static Arc<Ptys> {
    PSEUDO.call_once(|| Ptys::new(Arc::new(Jobs)))
}

/// Has what is typed at the first console come to its terminal.
pub fn start() {
    let serve = || {
        let tty = first();
        minios_std::console::serve(|| {
            tty.output_possible();
            feed(tty, minios_std::console::read_some);
        });
    };
    let thread = minios::thread::Builder::new("tty").stack_len(24 * 1024).spawn(serve);
    if let Err(error) = thread {
        log::warn!("the console has no input: {error}");
    }
    start_further();
}

/// What `fstat` says of an open device: the facts of its node.
pub fn facts(request: &OpenRequest<'_>) -> Option<Arc<dyn Facts>> {
    let place = request.location.clone();
    Some(Arc::new(move || Ok(place.inode()?.stat())))
}

/// Registers the terminals' devices.
pub fn register(devices: &DeviceRegistry) {
    let opener = |open: fn(&OpenRequest<'_>, DeviceNumber) -> Result<Arc<dyn File>>| Arc::new(open);
    let character = DeviceKind::Character;
    devices.register(
        character,
        TTY_AUX,
        Some(0),
        opener(|request, _| {
            let tty = process().and_then(|process| process.terminal.lock().clone()).ok_or(Errno::ENXIO)?;
            Ok(tty.open(request.flags, OpenedAs::Controlling, facts(request))?)
        }),
    );
    devices.register(
        character,
        TTY_AUX,
        Some(1),
        opener(|request, _| Ok(first().open(request.flags, OpenedAs::Console, facts(request))?)),
    );
    devices.register(
        character,
        HVC,
        Some(0),
        opener(|request, _| Ok(first().open(request.flags, OpenedAs::Terminal, facts(request))?)),
    );
    devices.register(
        character,
        HVC,
        None,
        opener(|request, number| {
            let tty = FURTHER.lock().get(&number.minor).map(|(_, tty)| tty.clone()).ok_or(Errno::ENODEV)?;
            Ok(tty.open(request.flags, OpenedAs::Terminal, facts(request))?)
        }),
    );
    devices.register(
        character,
        TTY_AUX,
        Some(2),
        opener(|request, _| {
            let node = linux_tty::Node { uid: request.credentials.uid.fs, gid: 5, permissions: 0o620 };
            Ok(ptys().open_master(node, facts(request))?)
        }),
    );
    devices.register(
        character,
        PTS,
        None,
        opener(|request, number| {
            let pty = ptys().get(number.minor).ok_or(Errno::EIO)?;
            Ok(pty.tty().open(request.flags, OpenedAs::Terminal, facts(request))?)
        }),
    );
}

/// Waits until the back end has taken what was written to a further console, if that carries bytes for programs. Who has closed it
/// tells others to look at the file behind it.
pub fn settle(tty: &Tty) {
    const PATIENCE_NS: u64 = 10_000_000_000;
    if !tty.is_channel() {
        return;
    }
    let deadline = minios::time::now_ns() + PATIENCE_NS;
    let further = FURTHER.lock().get(&tty.device().minor).map(|(console, _)| console.clone());
    drain(tty, deadline);
    if let Some(further) = further {
        further.console.flush(deadline);
    }
}

/// Sends the last of what programs wrote, as long as somebody takes it.
pub fn finish() {
    const PATIENCE_NS: u64 = 2_000_000_000;
    let deadline = minios::time::now_ns() + PATIENCE_NS;
    let further: alloc::vec::Vec<_> = FURTHER.lock().values().cloned().collect();
    drain(first(), deadline);
    for (console, tty) in further {
        drain(&tty, deadline);
        console.console.flush(deadline);
    }
}

fn drain(tty: &Tty, deadline: u64) {
    while tty.output_len() > 0 && minios::time::now_ns() < deadline {
        tty.output_possible();
        if tty.output_len() > 0 {
            minios::thread::sleep(core::time::Duration::from_millis(2));
        }
    }
}

/// A process that led a session has ended.
pub fn session_ended(leader: &Process) {
    let terminal = leader.terminal.lock().take();
    if let Some(tty) = terminal {
        tty.leader_exits(leader.pid() as i32);
    }
}
