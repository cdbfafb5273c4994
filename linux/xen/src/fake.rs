//! A host that has no Xen: it notes what was asked for, and answers as it was told.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::file::UserMemory;
use linux_base::stat::Facts;
use linux_base::{Errno, Mutex, PollEvents, Result, Stat, WaitQueue};
use linux_mm::{Frame, Frames};
use xenstore::wire::{self, Message};

use crate::{GrantedPage, Host, PortListener, Session};

/// The target.
pub const TARGET: u16 = 7;

/// A page of another domain that its grant shows.
type Granted = BTreeMap<(u16, u32), Vec<u8>>;

#[derive(Default)]
struct Inner {
    has_no_target: bool,
    calls: Vec<String>,
    /// What becomes of the next operations.
    outcomes: VecDeque<Result<()>>,
    /// Frames that cannot be mapped, and why.
    bad_frames: BTreeMap<u64, i32>,
    granted: Granted,
    listeners: BTreeMap<u32, PortListener>,
    muted: BTreeSet<u32>,
    last_port: u32,
    last_gref: u32,
    /// Our own grants; those in the second set are mapped by their peer.
    grants: BTreeSet<u32>,
    held: BTreeSet<u32>,
    sessions: Vec<Arc<SessionState>>,
}

/// The host. Clones are the same.
#[derive(Clone, Default)]
pub struct FakeHost(Arc<Mutex<Inner>>);

impl FakeHost {
    /// A host with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was asked for since the last time, in order.
    pub fn calls(&self) -> Vec<String> {
        core::mem::take(&mut self.0.lock().calls)
    }

    /// Has the next hypercall fail.
    pub fn fail(&self, errno: Errno) {
        self.fail_after(0, errno);
    }

    /// Has a hypercall fail after so many that do not.
    pub fn fail_after(&self, count: usize, errno: Errno) {
        let outcomes = core::iter::repeat_n(Ok(()), count).chain([Err(errno)]);
        self.0.lock().outcomes.extend(outcomes);
    }

    /// Has a frame of the target fail to be mapped.
    pub fn set_bad_frame(&self, frame: u64, error: i32) {
        self.0.lock().bad_frames.insert(frame, error);
    }

    /// Has the target grant a page.
    pub fn set_granted(&self, gref: u32, bytes: &[u8]) {
        let mut page = bytes.to_vec();
        page.resize(4096, 0);
        self.0.lock().granted.insert((TARGET, gref), page);
    }

    /// The beginning of a granted page.
    pub fn granted(&self, gref: u32) -> Vec<u8> {
        self.0.lock().granted.get(&(TARGET, gref)).map(|page| page[..16].to_vec()).unwrap_or_default()
    }

    /// An event of a port, unless it is muted; whether it was told.
    pub fn event(&self, port: u32) -> bool {
        let listener = {
            let mut inner = self.0.lock();
            if !inner.listeners.contains_key(&port) || !inner.muted.insert(port) {
                return false;
            }
            inner.listeners.get(&port).cloned()
        };
        if let Some(listener) = listener {
            listener(port);
        }
        true
    }

    /// Open ports.
    pub fn ports(&self) -> Vec<u32> {
        self.0.lock().listeners.keys().copied().collect()
    }

    /// Our own grants.
    pub fn grants(&self) -> Vec<u32> {
        self.0.lock().grants.iter().copied().collect()
    }

    /// Has the peer of a grant map it.
    pub fn hold_grant(&self, gref: u32) {
        self.0.lock().held.insert(gref);
    }

    /// Has it let go.
    pub fn release_grant(&self, gref: u32) {
        self.0.lock().held.remove(&gref);
    }

    /// Makes this the host of a guest that is not for another one.
    pub fn without_target(&self) {
        self.0.lock().has_no_target = true;
    }

    /// The session that was opened last.
    pub fn session(&self) -> Arc<SessionState> {
        self.0.lock().sessions.last().cloned().unwrap_or_default()
    }

    fn note(&self, call: String) -> Result<()> {
        let mut inner = self.0.lock();
        inner.calls.push(call);
        inner.outcomes.pop_front().unwrap_or(Ok(()))
    }

    fn bind(&self, call: String, listener: PortListener) -> Result<u32> {
        self.note(call)?;
        let mut inner = self.0.lock();
        inner.last_port += 1;
        let port = inner.last_port;
        inner.listeners.insert(port, listener);
        Ok(port)
    }
}

impl Host for FakeHost {
    fn target(&self) -> Option<u16> {
        (!self.0.lock().has_no_target).then_some(TARGET)
    }

    /// Adds one to each byte of each buffer behind the first.
    fn dm_op(&self, domain: u16, buffers: &mut [Vec<u8>]) -> Result<u64> {
        let lens: Vec<usize> = buffers.iter().map(Vec::len).collect();
        let outcome = self.note(format!("dm_op {domain} {lens:?}"));
        for byte in buffers.iter_mut().skip(1).flatten() {
            *byte = byte.wrapping_add(1);
        }
        outcome.map(|()| 0)
    }

    fn populate_physmap(&self, domain: u16, extents: &mut [u64], order: u32, flags: u32) -> Result<u64> {
        let first = extents.first();
        self.note(format!("populate {domain} {} from {first:?} order {order} flags {flags}", extents.len()))?;
        Ok(extents.iter().take_while(|extent| !self.0.lock().bad_frames.contains_key(extent)).count() as u64)
    }

    fn decrease_reservation(&self, domain: u16, extents: &mut [u64], order: u32) -> Result<u64> {
        self.note(format!("decrease {domain} {} order {order}", extents.len()))?;
        Ok(extents.len() as u64)
    }

    fn add_to_physmap(&self, domain: u16, space: u32, index: u64, gpfn: u64) -> Result<()> {
        self.note(format!("add {domain} {space} {index} {gpfn}"))
    }

    fn remove_from_physmap(&self, domain: u16, gpfn: u64) -> Result<()> {
        self.note(format!("remove {domain} {gpfn}"))
    }

    fn maximum_gpfn(&self, domain: u16) -> Result<u64> {
        self.note(format!("maximum_gpfn {domain}"))?;
        Ok(0x1_0000_0001)
    }

    fn acquire_resource(
        &self,
        domain: u16,
        kind: u16,
        id: u32,
        first: u32,
        frames: &mut [u64],
    ) -> Result<()> {
        self.note(format!("acquire {domain} {kind} {id} {first} {}", frames.len()))?;
        for (frame, number) in frames.iter_mut().zip(900..) {
            *frame = number;
        }
        Ok(())
    }

    fn resource_size(&self, domain: u16, kind: u16, id: u32) -> Result<u64> {
        self.note(format!("size {domain} {kind} {id}"))?;
        Ok(3)
    }

    fn hvm_param(&self, domain: u16, index: u32) -> Result<u64> {
        self.note(format!("get_param {domain} {index}"))?;
        Ok(0xabcd_0000_1234)
    }

    fn set_hvm_param(&self, domain: u16, index: u32, value: u64) -> Result<()> {
        self.note(format!("set_param {domain} {index} {value}"))
    }

    fn settle(&self) {
        self.0.lock().calls.push("settle".into());
    }

    fn remote_shutdown(&self, domain: u16, reason: u32) -> Result<()> {
        self.note(format!("shutdown {domain} {reason}"))
    }

    fn xen_version(&self, operation: u32, buffer: &mut [u8]) -> Result<u64> {
        self.note(format!("version {operation} {}", buffer.len()))?;
        buffer.fill(b'v');
        Ok(0x4_0011)
    }

    fn map_foreign(&self, address: u64, domain: u16, frames: Frames<'_>, errors: &mut [i32]) -> Result<()> {
        let (kind, frames) = match frames {
            Frames::Guest(frames) => ("guest", frames),
            Frames::Machine(frames) => ("machine", frames),
        };
        let (first, count) = (frames.first(), frames.len());
        self.note(format!("map {address:#x} {domain} {kind} {count} from {first:?}"))?;
        for (frame, error) in frames.iter().zip(errors) {
            *error = self.0.lock().bad_frames.get(frame).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn map_grants(&self, address: u64, pages: &[GrantedPage], status: &mut [i16]) -> Result<()> {
        let grefs: Vec<u32> = pages.iter().map(|page| page.gref).collect();
        self.note(format!("map_grants {address:#x} {grefs:?}"))?;
        for (page, status) in pages.iter().zip(status) {
            *status = if self.0.lock().granted.contains_key(&(page.domain, page.gref)) { 0 } else { -3 };
        }
        Ok(())
    }

    fn read_grant(&self, page: GrantedPage, offset: usize, into: &mut [u8]) -> i16 {
        match self.0.lock().granted.get(&(page.domain, page.gref)) {
            Some(bytes) => {
                into.copy_from_slice(&bytes[offset..offset + into.len()]);
                0
            }
            None => -3,
        }
    }

    fn write_grant(&self, page: GrantedPage, offset: usize, bytes: &[u8]) -> i16 {
        match self.0.lock().granted.get_mut(&(page.domain, page.gref)) {
            Some(page) => {
                page[offset..offset + bytes.len()].copy_from_slice(bytes);
                0
            }
            None => -3,
        }
    }

    fn grant(&self, domain: u16, _: &Frame, is_writable: bool) -> Result<u32> {
        self.note(format!("grant {domain} {is_writable}"))?;
        let mut inner = self.0.lock();
        inner.last_gref += 1;
        let gref = 100 + inner.last_gref;
        inner.grants.insert(gref);
        Ok(gref)
    }

    fn revoke(&self, gref: u32) -> bool {
        let mut inner = self.0.lock();
        assert!(inner.grants.contains(&gref), "grant {gref} ends once");
        !inner.held.contains(&gref) && inner.grants.remove(&gref)
    }

    fn bind_interdomain(&self, domain: u16, remote: u32, listener: PortListener) -> Result<u32> {
        self.bind(format!("bind {domain} {remote}"), listener)
    }

    fn bind_unbound(&self, domain: u16, listener: PortListener) -> Result<u32> {
        self.bind(format!("unbound {domain}"), listener)
    }

    fn unmask(&self, port: u32) {
        assert!(self.0.lock().muted.remove(&port), "port {port} is muted");
    }

    fn notify(&self, port: u32) {
        assert!(self.0.lock().listeners.contains_key(&port), "port {port} is open");
        let _ = self.note(format!("notify {port}"));
    }

    fn close(&self, port: u32) {
        let mut inner = self.0.lock();
        inner.muted.remove(&port);
        assert!(inner.listeners.remove(&port).is_some(), "port {port} is closed once");
    }

    fn session(&self, told: WaitQueue) -> Result<Box<dyn Session>> {
        self.note(String::from("session"))?;
        let state = Arc::new(SessionState { told, ..SessionState::default() });
        self.0.lock().sessions.push(state.clone());
        Ok(Box::new(FakeSession(state)))
    }
}

/// A session, as the test sees it: what was sent, and what is to be read.
#[derive(Default)]
pub struct SessionState {
    told: WaitQueue,
    sent: Mutex<Vec<Message>>,
    out: Mutex<VecDeque<Vec<u8>>>,
    /// Requests that still find room; none is any number.
    room: Mutex<Option<usize>>,
    is_broken: Mutex<bool>,
}

impl SessionState {
    /// What was sent since the last time.
    pub fn sent(&self) -> Vec<Message> {
        core::mem::take(&mut *self.sent.lock())
    }

    /// Puts a message where it is read.
    pub fn reply(&self, kind: u32, req_id: u32, payload: &[u8]) {
        let bytes = wire::encode(kind, req_id, 0, &[payload]).unwrap_or_default();
        self.out.lock().push_back(bytes);
        self.wake();
    }

    /// How many requests still find room.
    pub fn set_room(&self, room: Option<usize>) {
        *self.room.lock() = room;
        self.wake();
    }

    /// Ends the connection.
    pub fn end(&self) {
        *self.is_broken.lock() = true;
        self.wake();
    }

    fn wake(&self) {
        self.told.wake(PollEvents::READABLE | PollEvents::WRITABLE);
    }
}

struct FakeSession(Arc<SessionState>);

impl Session for FakeSession {
    fn submit(&self, message: &Message) -> Result<()> {
        if *self.0.is_broken.lock() {
            return Err(Errno::EIO);
        }
        if let Some(room) = &mut *self.0.room.lock() {
            *room = room.checked_sub(1).ok_or(Errno::EAGAIN)?;
        }
        self.0.sent.lock().push(message.clone());
        Ok(())
    }

    fn take(&self) -> Result<Option<Vec<u8>>> {
        let next = self.0.out.lock().pop_front();
        if next.is_none() && *self.0.is_broken.lock() { Err(Errno::EIO) } else { Ok(next) }
    }

    fn is_ready(&self) -> bool {
        !self.0.out.lock().is_empty() || *self.0.is_broken.lock()
    }

    fn has_room(&self) -> bool {
        *self.0.room.lock() != Some(0) || *self.0.is_broken.lock()
    }
}

/// Memory of a program: one range, which begins at [`FakeMemory::BASE`].
pub struct FakeMemory(Mutex<Vec<u8>>);

impl FakeMemory {
    /// Where it begins.
    pub const BASE: u64 = 0x10_0000;

    /// So many bytes of zeroes.
    pub fn new(len: usize) -> Self {
        Self(Mutex::new(alloc::vec![0; len]))
    }

    /// Stores numbers of the given widths in bytes one behind the other, and says where the first is.
    pub fn put(&self, at: u64, fields: &[(u64, usize)]) -> u64 {
        let mut to = at;
        for (value, len) in fields {
            UserMemory::write(self, to, &value.to_le_bytes()[..*len]).expect("it fits");
            to += *len as u64;
        }
        at
    }

    /// A number of 64 bits.
    pub fn u64(&self, at: u64) -> u64 {
        let memory: &dyn UserMemory = self;
        memory.read_u64(at).expect("it is there")
    }

    /// A number of 32 bits.
    pub fn u32(&self, at: u64) -> u32 {
        let memory: &dyn UserMemory = self;
        memory.read_u32(at).expect("it is there")
    }

    fn range(&self, address: u64, len: usize) -> Result<core::ops::Range<usize>> {
        let start = address.checked_sub(Self::BASE).ok_or(Errno::EFAULT)? as usize;
        let end = start.checked_add(len).filter(|end| *end <= self.0.lock().len()).ok_or(Errno::EFAULT)?;
        Ok(start..end)
    }
}

impl UserMemory for FakeMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        let range = self.range(address, into.len())?;
        into.copy_from_slice(&self.0.lock()[range]);
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let range = self.range(address, bytes.len())?;
        self.0.lock()[range].copy_from_slice(bytes);
        Ok(())
    }
}

/// Facts of a node.
pub fn facts() -> Arc<dyn Facts> {
    Arc::new(|| Ok(Stat { rdev: 0xa_2a, ..Stat::default() }))
}
