//! Our own connection to a monitor of QEMU's. It hands over the console that a saved state goes to, and CDs that are put in;
//! it stays for ever, since QEMU forgets descriptors with its last monitor.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use linux_base::io::{SliceSink, SliceSource};
use linux_base::wait::{Interruptible, WaitQueue, wait_until};
use linux_base::{Errno, Mutex, OpenFile, OpenFlags, PollEvents};
use linux_socket::Socket;
use linux_stubdom::command::{SAVE_CONSOLE, SAVE_SET};
use linux_stubdom::qmp::{Client, News, disk_label, rights};
use minios_std::store;
use spin::Once;

use super::{Kernel, OWN_MONITOR, as_root, open_console};

/// What is handed over, and how it is called in a message.
#[derive(Clone)]
struct Descriptor {
    open: Arc<OpenFile>,
    name: String,
}

static CLIENT: Mutex<Option<Client<Descriptor>>> = Mutex::new(None);

/// Woken when there is more to hand over.
fn more() -> &'static WaitQueue {
    static MORE: Once<WaitQueue> = Once::new();
    MORE.call_once(WaitQueue::new)
}

/// Starts the thread.
pub fn start() {
    let mut client = Client::default();
    match open_console(SAVE_CONSOLE, OpenFlags::WRONLY) {
        Ok(open) => {
            let name = format!("console {SAVE_CONSOLE}");
            // The first of all: there is room.
            let _ = client.add_descriptor(Descriptor { open, name }, Some(SAVE_SET), "minios-save");
        }
        Err(reason) => log::warn!("xl save will fail: {reason}"),
    }
    *CLIENT.lock() = Some(client);
    let run = || {
        if let Err(reason) = serve() {
            log::error!("QEMU gets no descriptors: {reason}");
        }
    };
    if let Err(error) = minios::thread::Builder::new("monitor").stack_len(32 * 1024).spawn(run) {
        log::error!("QEMU gets no descriptors: {error}");
    }
}

/// Hands over a disk, if it is a CD (Xen 4.20 changes them): libxl finds it by its device's number. Opening it waits for its
/// back end, so it has a thread.
pub fn offer_disk(name: &str) {
    let Some(device) = cd_number(name) else { return };
    let Some(node) = linux_vfs::block::node_name(name) else { return };
    let run = move || hand_over(&node, device);
    if let Err(error) = minios::thread::Builder::new("cd").stack_len(32 * 1024).spawn(run) {
        log::warn!("a CD: {error}");
    }
}

fn hand_over(name: &str, device: u32) {
    // An empty drive has a back end that never connects; whoever ejects a CD waits for a descriptor of it all the same.
    let path = if is_empty(device) { "/dev/null".into() } else { format!("/dev/{name}") };
    let open = match as_root(|context| context.open(None, path.as_bytes(), OpenFlags::empty(), 0)) {
        Ok(open) => open,
        Err(errno) => return log::warn!("{path}: {errno}"),
    };
    if let Some(client) = &mut *CLIENT.lock()
        && let Err(error) = client.add_descriptor(Descriptor { open, name: path }, None, &disk_label(device))
    {
        log::warn!("{error}");
    }
    more().wake(PollEvents::READABLE);
}

/// Whether the back end of a device has been given no file: `aio:`, or nothing.
fn is_empty(device: u32) -> bool {
    let params = store::store().and_then(|store| {
        let backend = store.read_string(&format!("device/vbd/{device}/backend")).ok()?;
        store.read_string(&format!("{backend}/params")).ok()
    });
    params.is_some_and(|params| params.is_empty() || params.ends_with(':'))
}

/// The number of a CD's device.
fn cd_number(name: &str) -> Option<u32> {
    let store = store::store()?;
    let is_it = |id: &String| id.parse().is_ok_and(|id| blkfront::device_name(id) == name);
    let id = store.directory("device/vbd").ok()?.into_iter().find(is_it)?;
    let kind = store.read_string(&format!("device/vbd/{id}/device-type")).ok()?;
    (kind == "cdrom").then(|| id.parse().ok())?
}

fn serve() -> Result<(), String> {
    let open = super::connect(OWN_MONITOR).map_err(|errno| format!("its monitor: {errno}"))?;
    let socket: &Socket = open.downcast().ok_or("no socket")?;
    let queue = open.file().queue().ok_or("a socket without a queue")?;
    let mut buffer = [0; 1024];
    loop {
        let to_send = CLIENT.lock().as_mut().and_then(Client::to_send);
        if let Some(send) = to_send {
            let along = send.along.map(|descriptor| descriptor.open);
            transmit(socket, queue, &send.line, along)?;
        }
        let wait = wait_until(&[queue, more()], None, Interruptible::No, || {
            match open.read(None, &mut SliceSink::new(&mut buffer), 0) {
                // Or there is something to send: then nothing was received.
                Err(Errno::EAGAIN) if CLIENT.lock().as_ref().is_some_and(Client::wants_to_send) => {
                    Some(Ok(0))
                }
                Err(Errno::EAGAIN) => None,
                Ok(0) => Some(Err(Errno::EPIPE)),
                result => Some(result),
            }
        });
        let count = match wait {
            Ok(Ok(count)) => count,
            // QEMU has ended, and with it the guest does.
            Ok(Err(Errno::EPIPE | Errno::ECONNRESET)) => return Ok(()),
            Ok(Err(errno)) | Err(errno) => return Err(format!("its monitor: {errno}")),
        };
        let hello = match &mut *CLIENT.lock() {
            Some(client) => client.received(buffer.get(..count).unwrap_or_default(), tell),
            None => return Ok(()),
        };
        if let Some(hello) = hello.map_err(|error| format!("{error}"))? {
            transmit(socket, queue, &hello.line, None)?;
        }
    }
}

fn tell(news: News<Descriptor>) {
    match news {
        News::Taken(descriptor, Some(set)) => log::debug!("QEMU has {} in set {set}", descriptor.name),
        News::Taken(descriptor, None) => log::debug!("QEMU has {}", descriptor.name),
        News::Refused(descriptor, reason) => log::warn!("QEMU refuses {}: {reason}", descriptor.name),
    }
}

/// Sends a line, with a file beside its first byte.
fn transmit(
    socket: &Socket,
    queue: &WaitQueue,
    line: &[u8],
    along: Option<Arc<OpenFile>>,
) -> Result<(), String> {
    let mut source = SliceSource::new(line);
    let mut control = if along.is_some() { rights(&[0]) } else { Default::default() };
    let caller = Kernel(along);
    while linux_base::Source::left(&source) > 0 {
        let sent = wait_until(&[queue], None, Interruptible::No, || {
            match socket.send(&caller, &mut source, None, &control, 0) {
                Err(Errno::EAGAIN) => None,
                result => Some(result),
            }
        });
        match sent {
            Ok(Ok(_)) => control.clear(),
            Ok(Err(errno)) | Err(errno) => return Err(format!("its monitor: {errno}")),
        }
    }
    Ok(())
}
