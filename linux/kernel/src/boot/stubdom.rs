//! The init of a device model's domain (`stubdom=1`): process 1 is QEMU, with the arguments that libxl has left in XenStore.
//!
//! Whatever libxl wants of QEMU it says over a channel ([`bridge`]) that ends at one of QEMU's monitors; another monitor is
//! ours ([`monitor`]) and hands QEMU the descriptors that it is asked to use later. Both are sockets that QEMU is started
//! with. The rules are `linux-stubdom`'s.

mod bridge;
mod monitor;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Credentials, Errno, OpenFile, OpenFlags};
use linux_socket::Caller;
use linux_stubdom::command::{self, Descriptors};
use linux_stubdom::model::{self, Model};
use minios_std::block::Presence;
use minios_std::store::{self, Store};

use super::INIT;
use super::mounts::as_root;
use crate::file::Files;
use crate::network::sockets;
use crate::task::WaitStatus;

/// Where Debian has it.
const QEMU: &str = "/usr/libexec/xen-qemu-system-i386";
/// Names that nothing else can have: `struct sockaddr_un`, abstract.
const LIBXL_MONITOR: &[u8] = b"\x01\0\0minios/libxl";
const OWN_MONITOR: &[u8] = b"\x01\0\0minios/own";
const AF_UNIX: u32 = 1;
const SOCK_STREAM: u32 = 1;
/// Descriptors that QEMU begins with, at most.
const DESCRIPTORS_MAX: u64 = 16;

/// Whether this is a device model's domain.
pub fn is_one() -> bool {
    crate::xen::is_stub_domain()
}

/// What QEMU is started with, its descriptors put among the standard ones. `words` are the program and its first arguments,
/// or nothing.
pub fn start(words: Vec<Vec<u8>>, files: &Files) -> Result<Vec<Vec<u8>>, String> {
    let store = store::store().ok_or("stubdom=1: there is no XenStore")?;
    offer_console(store);
    let model = Model::read(&Nodes(store)).map_err(|error| format!("stubdom=1: {error}"))?;
    let target = model.target;
    log::info!("the device model of domain {target}, with {} arguments", model.arguments.len());
    let insert = |open| files.insert(open, false, 0, DESCRIPTORS_MAX);
    let monitor = |name| listener(name).and_then(insert).map_err(|errno| format!("a monitor: {errno}"));
    let (libxl, own) = (monitor(LIBXL_MONITOR)?, monitor(OWN_MONITOR)?);
    let restore = match command::restores(&model.arguments) {
        true => Some(open_console(command::RESTORE_CONSOLE, OpenFlags::empty())?),
        false => None,
    };
    let restore = restore.map(insert).transpose().map_err(|errno| format!("a saved state: {errno}"))?;
    let program = if words.is_empty() { alloc::vec![QEMU.into()] } else { words };
    // QEMU 10 asks for 384 MiB of zeroes, for the grants of as much memory as it might map, and touches next to nothing.
    linux_mm::overcommit_always();
    let descriptors = Descriptors { monitor: libxl, own_monitor: own, restore };
    let vector = command::vector(program, model.arguments, &descriptors)
        .ok_or_else(|| String::from("no memory for QEMU's arguments"))?;
    monitor::start();
    bridge::start(target);
    Ok(vector)
}

/// Has dom0's QEMU read the first console: from version 9 on it does so only once the domain says that it is connected, which no
/// other domain has to say of this console.
fn offer_console(store: &Store) {
    const INITIALISING: &str = "1";
    const CONNECTED: &str = "4";
    let is_asked_for = store.find("console/state").is_ok_and(|state| state.as_deref() == Some(INITIALISING));
    if is_asked_for && let Err(error) = store.write("console/state", CONNECTED) {
        log::debug!("console/state: {error}");
    }
}

/// A disk has come or is about to go.
pub fn disk_changed(name: &str, presence: Presence) {
    if presence == Presence::Here && is_one() {
        monitor::offer_disk(name);
    }
}

/// Says why the domain goes. Nothing answers the guest from now on; libxl does not watch this domain, so somebody has to end both.
pub fn has_ended(status: WaitStatus) {
    match status {
        WaitStatus::Exited(code) => {
            minios::println!("the device model has ended with exit code {code}: its guest stands still");
        }
        WaitStatus::Killed(signal) => {
            minios::println!("the device model was ended by {}: its guest stands still", signal.name());
        }
    }
}

fn open_console(number: u32, flags: OpenFlags) -> Result<Arc<OpenFile>, String> {
    let path = command::console(number);
    as_root(|context| context.open(None, path.as_bytes(), flags | OpenFlags::NOCTTY, 0))
        .map_err(|errno| format!("{path}, which device/console/{number} should be: {errno}"))
}

/// A socket that listens, to be given to QEMU.
fn listener(name: &[u8]) -> Result<Arc<OpenFile>, Errno> {
    let socket = sockets().socket(&Kernel(None), AF_UNIX, SOCK_STREAM, 0)?;
    socket.bind(&Kernel(None), name)?;
    socket.listen(&Kernel(None), 1)?;
    Ok(sockets().open(&socket, OpenFlags::empty()))
}

/// A connection to what QEMU listens on.
fn connect(name: &[u8]) -> Result<Arc<OpenFile>, Errno> {
    let socket = sockets().socket(&Kernel(None), AF_UNIX, SOCK_STREAM, 0)?;
    socket.connect(&Kernel(None), name)?;
    Ok(sockets().open(&socket, OpenFlags::empty()))
}

/// The kernel, as who uses a socket; with a file that it passes on as its descriptor 0.
struct Kernel(Option<Arc<OpenFile>>);

impl Caller for Kernel {
    fn credentials(&self) -> Credentials {
        Credentials::root()
    }

    fn pid(&self) -> u32 {
        INIT
    }

    fn file(&self, _: i32) -> Result<Arc<OpenFile>, Errno> {
        self.0.clone().ok_or(Errno::EBADF)
    }

    fn install(&self, _: Arc<OpenFile>, _: bool) -> Result<i32, Errno> {
        Err(Errno::EMFILE)
    }
}

struct Nodes(&'static Store);

impl model::Store for Nodes {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        found(self.0.read(path))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        found(self.0.directory(path))
    }
}

fn found<T>(result: Result<T, store::Error>) -> Result<Option<T>, String> {
    match result {
        Err(error) if error.is_missing() => Ok(None),
        result => result.map(Some).map_err(|error| error.to_string()),
    }
}
