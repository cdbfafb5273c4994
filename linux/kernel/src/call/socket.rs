//! Sockets: `socket(2)` to `sendmmsg(2)`. What is here is memory and waiting; the rest is `linux-socket`'s.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Credentials, Errno, File, OpenFile, OpenFlags, Result, Sink, Source};
use linux_mm::{UserSink, UserSource};
use linux_socket::{Caller, Received, Socket, UnixName};
use linux_task::limits::Resource;
use linux_task::signal::{SigInfo, Signal};

use super::poll::deadline_in;
use crate::memory::Duration;
use crate::network::sockets;
use crate::signal::{self, restart};
use crate::task::Task;

const SOCK_TYPE: u32 = 0xf;
const SOCK_CLOEXEC: u32 = OpenFlags::CLOEXEC.bits();
const SOCK_NONBLOCK: u32 = OpenFlags::NONBLOCK.bits();
const MSG_DONTWAIT: u32 = 0x40;
const MSG_WAITALL: u32 = 0x100;
const MSG_NOSIGNAL: u32 = 0x4000;
const MSG_PEEK: u32 = 2;
const MSG_WAITFORONE: u32 = 0x10000;
const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
const MSG_TRUNC: u32 = 0x20;
const MSG_ERRQUEUE: u32 = 0x2000;
/// Longest address that is taken: `struct sockaddr_storage`.
const MOST_ADDRESS: u32 = 128;
/// Most control data that is taken (`net.core.optmem_max`).
const MOST_CONTROL: usize = 20_480;
/// So much is brought in at once; more when it is its turn.
const PREPARED: usize = 1 << 20;

/// A task as who makes a call.
struct By<'a>(&'a Task);

impl Caller for By<'_> {
    fn credentials(&self) -> Credentials {
        (*self.0.thread.credentials()).clone()
    }

    fn pid(&self) -> u32 {
        self.0.process().pid()
    }

    fn file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        self.0.files()?.get(fd)
    }

    fn install(&self, file: Arc<OpenFile>, close_on_exec: bool) -> Result<i32> {
        self.0.insert(file, close_on_exec)
    }

    fn in_flight_limit(&self) -> usize {
        usize::try_from(self.0.process().limit(Resource::Files)).unwrap_or(usize::MAX)
    }

    fn make_name(&self, path: &[u8]) -> Result<UnixName> {
        super::open::make_socket(self.0, path)
    }

    fn find_name(&self, path: &[u8]) -> Result<UnixName> {
        super::open::find_socket(self.0, path)
    }
}

/// The socket of a descriptor, and its open file. `ENOTSOCK`.
fn socket_of(task: &Task, fd: i32) -> Result<(Arc<Socket>, Arc<OpenFile>)> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let socket = open.downcast_arc().ok_or(Errno::ENOTSOCK)?;
    Ok((socket, open))
}

/// Type and flags of a new socket.
fn split_type(kind: u32) -> Result<(u32, OpenFlags)> {
    let flags = kind & !SOCK_TYPE;
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((kind & SOCK_TYPE, OpenFlags::from_bits_retain(flags)))
}

fn install(task: &Task, socket: &Arc<Socket>, flags: OpenFlags) -> Result<i32> {
    let open = sockets().open(socket, flags & OpenFlags::NONBLOCK);
    task.insert(open, flags.contains(OpenFlags::CLOEXEC))
}

/// `socket(2)`
pub fn socket(task: &mut Task, family: u32, kind: u32, protocol: u32) -> Result<i32> {
    let (kind, flags) = split_type(kind)?;
    linux_mm::ensure_room()?;
    // Those of AF_UNIX need no network.
    if family != 1 {
        crate::network::ensure_up()?;
    }
    let socket = sockets().socket(&By(task), family, kind, protocol)?;
    install(task, &socket, flags)
}

/// `socketpair(2)`
pub fn socketpair(task: &mut Task, family: u32, kind: u32, protocol: u32, fds: u64) -> Result<()> {
    let (kind, flags) = split_type(kind)?;
    linux_mm::ensure_room()?;
    let (one, two) = sockets().pair(&By(task), family, kind, protocol)?;
    let files = task.files()?;
    let first = install(task, &one, flags)?;
    let second = install(task, &two, flags).inspect_err(|_| {
        let _ = files.close(first);
    })?;
    let numbers = u64::from(first as u32) | u64::from(second as u32) << 32;
    task.space().write_u64(fds, numbers).inspect_err(|_| {
        let _ = (files.close(first), files.close(second));
    })
}

fn read_address(task: &Task, address: u64, len: u32) -> Result<Vec<u8>> {
    if len > MOST_ADDRESS {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; len as usize];
    task.space().read_bytes(address, &mut bytes)?;
    Ok(bytes)
}

/// Stores an address and how long it is; one that does not fit is cut, and its real length told.
fn write_address(task: &Task, found: &[u8], address: u64, len: u64) -> Result<()> {
    let room = task.space().read_u32(len)? as i32;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    task.space().write_bytes(address, found.get(..room).unwrap_or(found))?;
    task.space().write_u32(len, found.len() as u32)
}

/// `bind(2)`
pub fn bind(task: &mut Task, fd: i32, address: u64, len: u32) -> Result<()> {
    let (socket, _) = socket_of(task, fd)?;
    let address = read_address(task, address, len)?;
    socket.bind(&By(task), &address)
}

/// `listen(2)`
pub fn listen(task: &mut Task, fd: i32, backlog: i32) -> Result<()> {
    let (socket, _) = socket_of(task, fd)?;
    socket.listen(&By(task), backlog)
}

/// Tries until it is not `EAGAIN`, unless it is not to wait. `EAGAIN` at the deadline; a signal makes the call one to make again if
/// there is no time-out.
fn wait_for<T>(
    socket: &Socket,
    waits: bool,
    timeout_ns: Option<u64>,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    match attempt() {
        Err(Errno::EAGAIN) if waits => {}
        other => return other,
    }
    let Some(queue) = socket.queue() else { return Err(Errno::EAGAIN) };
    let deadline_ns = timeout_ns.map(deadline_in);
    let outcome = wait_until(&[queue], deadline_ns, Interruptible::Yes, || match attempt() {
        Err(Errno::EAGAIN) => None,
        other => Some(other),
    });
    match outcome {
        Ok(result) => result,
        Err(Errno::ETIMEDOUT) => Err(Errno::EAGAIN),
        Err(Errno::EINTR) if timeout_ns.is_none() => Err(restart::restartable()),
        Err(errno) => Err(errno),
    }
}

/// `connect(2)`
pub fn connect(task: &mut Task, fd: i32, address: u64, len: u32) -> Result<()> {
    let (socket, open) = socket_of(task, fd)?;
    let address = read_address(task, address, len)?;
    let waits = open.is_blocking();
    let timeout_ns = socket.send_timeout_ns();
    let begun = wait_for(&socket, waits, timeout_ns, || socket.connect(&By(task), &address));
    match begun {
        Err(Errno::EINPROGRESS | Errno::EALREADY) if waits => {}
        other => return other,
    }
    let Some(queue) = socket.queue() else { return begun };
    let deadline_ns = timeout_ns.map(deadline_in);
    match wait_until(&[queue], deadline_ns, Interruptible::Yes, || socket.connected()) {
        Ok(result) => result,
        Err(Errno::ETIMEDOUT) => Err(Errno::EINPROGRESS),
        // The connection goes on; the call that is made again waits for it.
        Err(Errno::EINTR) if timeout_ns.is_none() => Err(restart::restartable()),
        Err(errno) => Err(errno),
    }
}

/// `accept(2)`
pub fn accept(task: &mut Task, fd: i32, address: u64, len: u64) -> Result<i32> {
    accept4(task, fd, address, len, 0)
}

/// `accept4(2)`
pub fn accept4(task: &mut Task, fd: i32, address: u64, len: u64, flags: u32) -> Result<i32> {
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let (socket, open) = socket_of(task, fd)?;
    linux_mm::ensure_room()?;
    let (accepted, from) =
        wait_for(&socket, open.is_blocking(), socket.receive_timeout_ns(), || socket.accept())?;
    let fd = install(task, &accepted, OpenFlags::from_bits_retain(flags))?;
    if address != 0 {
        write_address(task, from.as_bytes(), address, len).inspect_err(|_| {
            let _ = task.files().and_then(|files| files.close(fd));
        })?;
    }
    Ok(fd)
}

/// `getsockname(2)`
pub fn getsockname(task: &mut Task, fd: i32, address: u64, len: u64) -> Result<()> {
    let name = socket_of(task, fd)?.0.name()?;
    write_address(task, name.as_bytes(), address, len)
}

/// `getpeername(2)`
pub fn getpeername(task: &mut Task, fd: i32, address: u64, len: u64) -> Result<()> {
    let name = socket_of(task, fd)?.0.peer_name()?;
    write_address(task, name.as_bytes(), address, len)
}

/// `shutdown(2)`
pub fn shutdown(task: &mut Task, fd: i32, how: u32) -> Result<()> {
    socket_of(task, fd)?.0.shutdown(how)
}

/// `setsockopt(2)`
pub fn setsockopt(task: &mut Task, fd: i32, level: u32, option: u32, value: u64, len: u32) -> Result<()> {
    /// No option looks at more.
    const MOST: usize = 4096;
    let (socket, _) = socket_of(task, fd)?;
    let len = usize::try_from(len as i32).map_err(|_| Errno::EINVAL)?;
    let mut bytes = alloc::vec![0; len.min(MOST)];
    task.space().read_bytes(value, &mut bytes)?;
    socket.set_option(&By(task), level, option, &bytes)
}

/// `getsockopt(2)`
pub fn getsockopt(task: &mut Task, fd: i32, level: u32, option: u32, value: u64, len: u64) -> Result<()> {
    const MOST: usize = 1024;
    let (socket, _) = socket_of(task, fd)?;
    let room = usize::try_from(task.space().read_u32(len)? as i32).map_err(|_| Errno::EINVAL)?;
    let mut bytes = alloc::vec![0; room.min(MOST)];
    let stored = socket.option(&By(task), level, option, &mut bytes)?;
    task.space().write_bytes(value, bytes.get(..stored).unwrap_or(&bytes))?;
    task.space().write_u32(len, stored as u32)
}

/// One message to be sent.
struct Outgoing<'a> {
    to: Option<&'a [u8]>,
    control: &'a [u8],
    flags: u32,
}

fn send(
    task: &Task,
    socket: &Socket,
    open: &OpenFile,
    source: &mut UserSource<'_>,
    message: &Outgoing<'_>,
) -> Result<usize> {
    // What waits to be received is the kernel's memory.
    linux_mm::ensure_room().map_err(|_| Errno::ENOBUFS)?;
    source.prepare(PREPARED)?;
    let Outgoing { to, control, flags } = *message;
    let waits = open.is_blocking() && flags & MSG_DONTWAIT == 0;
    let mut done = 0;
    let result = loop {
        // Descriptors go with the first part only.
        let control = if done == 0 { control } else { &[] };
        match wait_for(socket, waits, socket.send_timeout_ns(), || {
            socket.send(&By(task), source, to, control, flags)
        }) {
            Ok(sent) => done += sent,
            Err(_) if done > 0 => break Ok(done),
            Err(errno) => break Err(errno),
        }
        if source.left() == 0 || !waits || !socket.is_stream() {
            break Ok(done);
        }
    };
    if result == Err(Errno::EPIPE) && flags & MSG_NOSIGNAL == 0 && socket.signals_broken_pipe() {
        let _ = signal::send_to_thread(&task.thread, SigInfo::kernel(Signal::PIPE));
    }
    result
}

/// `sendto(2)`
pub fn sendto(
    task: &mut Task,
    fd: i32,
    buf: u64,
    len: usize,
    flags: u32,
    address: u64,
    address_len: u32,
) -> Result<usize> {
    let (socket, open) = socket_of(task, fd)?;
    let mut source = UserSource::new(task.space(), buf, len)?;
    let to = if address == 0 { None } else { Some(read_address(task, address, address_len)?) };
    send(task, &socket, &open, &mut source, &Outgoing { to: to.as_deref(), control: &[], flags })
}

/// `struct msghdr` in a program's memory.
struct Header {
    name: u64,
    name_len: u32,
    vector: u64,
    count: usize,
    control: u64,
    control_len: usize,
}

const HEADER_LEN: u64 = 56;

impl Header {
    fn read(task: &Task, address: u64) -> Result<Self> {
        let bytes: [u8; HEADER_LEN as usize] = task.space().read_array(address)?;
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let name_len = word(8) as u32;
        if (name_len as i32) < 0 {
            return Err(Errno::EINVAL);
        }
        let count = usize::try_from(word(24)).unwrap_or(usize::MAX);
        if count > 1024 {
            return Err(Errno::EMSGSIZE);
        }
        let control_len = usize::try_from(word(40)).unwrap_or(usize::MAX);
        let name = word(0);
        // Without an address, its length has no meaning.
        let name_len = if name == 0 { 0 } else { name_len.min(MOST_ADDRESS) };
        Ok(Self { name, name_len, vector: word(16), count, control: word(32), control_len })
    }
}

fn send_message(task: &Task, socket: &Socket, open: &OpenFile, address: u64, flags: u32) -> Result<usize> {
    let header = Header::read(task, address)?;
    if header.control_len > MOST_CONTROL {
        return Err(Errno::ENOBUFS);
    }
    let mut control = alloc::vec![0; header.control_len];
    task.space().read_bytes(header.control, &mut control)?;
    let to = read_address(task, header.name, header.name_len)?;
    let to = (!to.is_empty()).then_some(to);
    let mut source = UserSource::vector(task.space(), header.vector, header.count)?;
    send(task, socket, open, &mut source, &Outgoing { to: to.as_deref(), control: &control, flags })
}

/// `sendmsg(2)`
pub fn sendmsg(task: &mut Task, fd: i32, message: u64, flags: u32) -> Result<usize> {
    let (socket, open) = socket_of(task, fd)?;
    send_message(task, &socket, &open, message, flags)
}

/// Bytes of `struct mmsghdr`.
const MULTI_LEN: u64 = 64;

/// `sendmmsg(2)`
pub fn sendmmsg(task: &mut Task, fd: i32, messages: u64, count: u32, flags: u32) -> Result<usize> {
    let (socket, open) = socket_of(task, fd)?;
    let mut done = 0;
    for index in 0..u64::from(count.min(1024)) {
        let address = messages.wrapping_add(index * MULTI_LEN);
        let sent = send_message(task, &socket, &open, address, flags)
            .and_then(|sent| task.space().write_u32(address.wrapping_add(HEADER_LEN), sent as u32));
        match sent {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Receives one message; with `MSG_WAITALL`, of a stream, until the buffer is full.
fn receive(
    task: &Task,
    socket: &Socket,
    open: &OpenFile,
    sink: &mut UserSink<'_>,
    control_room: usize,
    flags: u32,
) -> Result<Received> {
    // Bytes of TCP that are thrown away go nowhere.
    if flags & MSG_TRUNC == 0 || !socket.is_stream() {
        sink.prepare(PREPARED)?;
    }
    let waits = open.is_blocking() && flags & (MSG_DONTWAIT | MSG_ERRQUEUE) == 0;
    let timeout_ns = socket.receive_timeout_ns();
    let caller = By(task);
    let mut received =
        wait_for(socket, waits, timeout_ns, || socket.receive(&caller, sink, control_room, flags))?;
    let fills =
        flags & MSG_WAITALL != 0 && flags & (MSG_PEEK | MSG_TRUNC) == 0 && waits && socket.is_stream();
    while fills && sink.room() > 0 && received.len > 0 {
        match wait_for(socket, true, timeout_ns, || socket.receive(&caller, sink, 0, flags)) {
            Ok(more) if more.len > 0 => received.len += more.len,
            // What has come is told; an error comes with the next call.
            _ => break,
        }
    }
    Ok(received)
}

/// `recvfrom(2)`
pub fn recvfrom(
    task: &mut Task,
    fd: i32,
    buf: u64,
    len: usize,
    flags: u32,
    address: u64,
    address_len: u64,
) -> Result<usize> {
    let (socket, open) = socket_of(task, fd)?;
    let mut sink = UserSink::new(task.space(), buf, len)?;
    let received = receive(task, &socket, &open, &mut sink, 0, flags)?;
    if address != 0 {
        let from = received.address.as_ref().map_or(&[][..], |from| from.as_bytes());
        write_address(task, from, address, address_len)?;
    }
    Ok(received.len)
}

fn receive_message(task: &Task, socket: &Socket, open: &OpenFile, address: u64, flags: u32) -> Result<usize> {
    let header = Header::read(task, address)?;
    let mut sink = UserSink::vector(task.space(), header.vector, header.count)?;
    let room = header.control_len.min(MOST_CONTROL);
    let received = receive(task, socket, open, &mut sink, room, flags)?;
    let space = task.space();
    if header.name != 0 {
        let from = received.address.as_ref().map_or(&[][..], |from| from.as_bytes());
        let room = header.name_len as usize;
        space.write_bytes(header.name, from.get(..room).unwrap_or(from))?;
        space.write_u32(address.wrapping_add(8), from.len() as u32)?;
    }
    let control = received.control.get(..room).unwrap_or(&received.control);
    space.write_bytes(header.control, control)?;
    space.write_u64(address.wrapping_add(40), control.len() as u64)?;
    let shown = received.flags | flags & MSG_CMSG_CLOEXEC;
    space.write_u32(address.wrapping_add(48), shown)?;
    Ok(received.len)
}

/// `recvmsg(2)`
pub fn recvmsg(task: &mut Task, fd: i32, message: u64, flags: u32) -> Result<usize> {
    let (socket, open) = socket_of(task, fd)?;
    receive_message(task, &socket, &open, message, flags)
}

/// `recvmmsg(2)`: the time-out is looked at between messages only, as `man 2 recvmmsg` regrets.
pub fn recvmmsg(
    task: &mut Task,
    fd: i32,
    messages: u64,
    count: u32,
    flags: u32,
    timeout: u64,
) -> Result<usize> {
    let (socket, open) = socket_of(task, fd)?;
    let deadline_ns =
        if timeout == 0 { None } else { Some(deadline_in(task.read_timespec(timeout)?.as_ns())) };
    let (mut flags, waits_for_one) = (flags & !MSG_WAITFORONE, flags & MSG_WAITFORONE != 0);
    let mut done = 0;
    for index in 0..u64::from(count.min(1024)) {
        let address = messages.wrapping_add(index * MULTI_LEN);
        let received = receive_message(task, &socket, &open, address, flags)
            .and_then(|len| task.space().write_u32(address.wrapping_add(HEADER_LEN), len as u32));
        match received {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
        if waits_for_one {
            flags |= MSG_DONTWAIT;
        }
        if deadline_ns.is_some_and(|deadline| minios::time::now_ns() >= deadline) {
            break;
        }
    }
    if let Some(deadline) = deadline_ns {
        let left = deadline.saturating_sub(minios::time::now_ns());
        task.space().write_bytes(timeout, &Duration::bytes_of_ns(left))?;
    }
    Ok(done)
}
