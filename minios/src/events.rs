//! Event channels (2-level ABI), and the rest of `shared_info`.
//!
//! Delivery stays masked: `dispatch` looks at the pending bits whenever a thread yields or idles. Each port counts its
//! events, tells its listener and wakes the threads that wait for it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use xen::{DomId, EventError, EventSeq, Port, Wake};
use xen_sys::event_channel::EVTCHN_2L_NR_CHANNELS;
use xen_sys::sched::POLL_MAX_PORTS;
use xen_sys::xen::{SharedInfo, VcpuTimeInfo};

use crate::hypercall::{self, Errno};
use crate::memory::address::{Entry, Mfn, Protection};
use crate::sync::SpinLock;
use crate::thread::{self, Thread};

/// A page of the image over which Xen's `shared_info` is mapped.
#[repr(align(4096))]
struct SharedInfoPage(core::cell::UnsafeCell<[u8; 4096]>);
// SAFETY: accessed through raw pointers and atomics only.
unsafe impl Sync for SharedInfoPage {}
static SHARED_INFO: SharedInfoPage = SharedInfoPage(core::cell::UnsafeCell::new([0; 4096]));

fn shared_info() -> *mut SharedInfo {
    SHARED_INFO.0.get().cast()
}

/// A 64-bit word of `shared_info` that Xen changes as well.
macro_rules! word {
    ($($field:tt)*) => {
        // SAFETY: inside the mapped page, aligned; Xen changes it atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*shared_info()).$($field)*) }
    };
}

/// Something Xen may be in the middle of changing.
pub(crate) enum Versioned<T> {
    /// Read whole.
    Stable(T),
    /// Changed meanwhile; read again.
    Changing,
}

/// What is to follow when a listener has been told of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterEvent {
    /// The next one is told as well.
    Listen,
    /// No more events of the port are let in until it is unmuted.
    Mute,
}

/// Is told of each event of a port, by whichever thread dispatches it: it must not wait. It may wake threads, notify ports and
/// allocate; no lock is held around it.
pub type Listener = Arc<dyn Fn() -> AfterEvent + Send + Sync>;

#[derive(Default)]
struct PortState {
    open: bool,
    listener: Option<Listener>,
    muted: bool,
    seq: u32,
    waiters: Vec<Arc<Thread>>,
}

#[derive(Default)]
struct Ports {
    /// By number.
    states: Vec<PortState>,
    /// The open ones, for `SCHEDOP_poll`, but for the muted.
    open: Vec<u32>,
    muted: usize,
}

static PORTS: SpinLock<Ports> = SpinLock::new(Ports { states: Vec::new(), open: Vec::new(), muted: 0 });
static EVENTS: AtomicU64 = AtomicU64::new(0);

/// Maps `shared_info` and masks every channel.
pub(crate) fn init(machine_address: u64) -> Result<(), Errno> {
    let entry = Entry::page(Mfn(machine_address >> 12), Protection::ReadWrite);
    // SAFETY: the page under it is reserved for this.
    unsafe { hypercall::update_va_mapping(shared_info() as u64, entry.0)? };
    upcall_mask().store(1, Ordering::Relaxed);
    for group in 0..64 {
        word!(evtchn_mask[group]).store(u64::MAX, Ordering::Relaxed);
    }
    Ok(())
}

fn upcall_pending() -> &'static AtomicU8 {
    // SAFETY: inside the mapped page; a byte that Xen sets and we clear.
    unsafe { AtomicU8::from_ptr(&raw mut (*shared_info()).vcpu_info[0].evtchn_upcall_pending) }
}

fn upcall_mask() -> &'static AtomicU8 {
    // SAFETY: inside the mapped page; Xen reads it.
    unsafe { AtomicU8::from_ptr(&raw mut (*shared_info()).vcpu_info[0].evtchn_upcall_mask) }
}

/// CR2 at the last page fault.
pub(crate) fn fault_address() -> u64 {
    word!(vcpu_info[0].arch.cr2).load(Ordering::Relaxed)
}

/// Reads something guarded by a version that is odd while it changes.
fn versioned<T>(version: &AtomicU32, read: impl FnOnce() -> T) -> Versioned<T> {
    let before = version.load(Ordering::Acquire);
    let value = read();
    fence(Ordering::Acquire);
    if before & 1 == 0 && version.load(Ordering::Relaxed) == before {
        Versioned::Stable(value)
    } else {
        Versioned::Changing
    }
}

pub(crate) fn time_info() -> Versioned<VcpuTimeInfo> {
    // SAFETY: inside the mapped page.
    let info = unsafe { &raw mut (*shared_info()).vcpu_info[0].time };
    // SAFETY: as above; an aligned word that Xen writes.
    let version = unsafe { AtomicU32::from_ptr(&raw mut (*info).version) };
    // SAFETY: as above.
    versioned(version, || unsafe { info.read_volatile() })
}

/// Wall clock at system time 0, in nanoseconds since 1970.
pub(crate) fn wall_clock_base() -> Versioned<u64> {
    let info = shared_info();
    // SAFETY: inside the mapped page; an aligned word that Xen writes.
    let version = unsafe { AtomicU32::from_ptr(&raw mut (*info).wc_version) };
    versioned(version, || {
        // SAFETY: as above.
        let [low, high, nanos] = unsafe {
            [
                (&raw const (*info).wc_sec).read_volatile(),
                (&raw const (*info).wc_sec_hi).read_volatile(),
                (&raw const (*info).wc_nsec).read_volatile(),
            ]
        };
        (u64::from(high) << 32 | u64::from(low)).wrapping_mul(1_000_000_000).wrapping_add(nanos.into())
    })
}

/// Takes note of a channel that exists, and lets its events in.
pub(crate) fn open(port: u32) -> Result<(), EventError> {
    let mut ports = PORTS.lock();
    if ports.open.len() + ports.muted >= POLL_MAX_PORTS {
        // One SCHEDOP_poll names every port a guest sleeps on.
        return Err(EventError { operation: "waiting for more than 128 event channels", errno: 28 });
    }
    let index = port as usize;
    if index >= EVTCHN_2L_NR_CHANNELS {
        return Err(EventError { operation: "using an event channel beyond 4095", errno: 22 });
    }
    if ports.states.len() <= index {
        ports.states.resize_with(index + 1, PortState::default);
    }
    let state = &mut ports.states[index];
    if !state.open {
        state.open = true;
        ports.open.push(port);
    }
    unmask(index);
    Ok(())
}

fn unmask(index: usize) {
    word!(evtchn_mask[index / 64]).fetch_and(!(1 << (index % 64)), Ordering::SeqCst);
    if word!(evtchn_pending[index / 64]).load(Ordering::SeqCst) >> (index % 64) & 1 == 0 {
        return;
    }
    // What was pending before it was unmasked brings no upcall: look again at the next safe point.
    word!(vcpu_info[0].evtchn_pending_sel).fetch_or(1 << (index / 64), Ordering::SeqCst);
    upcall_pending().store(1, Ordering::SeqCst);
}

/// Has the events of an open port told to a listener from now on; `None` ends it, and so does closing the port.
pub fn listen(port: Port, listener: Option<Listener>) {
    let mut ports = PORTS.lock();
    let state = ports.states.get_mut(port.raw() as usize).filter(|state| state.open);
    let old = state.and_then(|state| core::mem::replace(&mut state.listener, listener));
    drop(ports);
    drop(old);
}

/// Lets no more events of the port in. It must leave the list of those that a sleep names, too: Xen does not look at masks there.
pub(crate) fn mute(port: Port) {
    let mut ports = PORTS.lock();
    let index = port.raw() as usize;
    let Some(state) = ports.states.get_mut(index).filter(|state| state.open && !state.muted) else { return };
    state.muted = true;
    ports.muted += 1;
    ports.open.retain(|open| *open != port.raw());
    word!(evtchn_mask[index / 64]).fetch_or(1 << (index % 64), Ordering::SeqCst);
}

/// Lets them in again; what came meanwhile is pending still.
pub(crate) fn unmute(port: Port) {
    let mut ports = PORTS.lock();
    let index = port.raw() as usize;
    let Some(state) = ports.states.get_mut(index).filter(|state| state.muted) else { return };
    state.muted = false;
    ports.muted -= 1;
    ports.open.push(port.raw());
    unmask(index);
}

fn refused(operation: &'static str) -> impl Fn(Errno) -> EventError {
    move |errno| EventError { operation, errno: errno.0 }
}

pub(crate) fn alloc_unbound(peer: DomId) -> Result<Port, EventError> {
    let port = hypercall::alloc_unbound(peer.raw()).map_err(refused("EVTCHNOP_alloc_unbound"))?;
    open_or_close(port)
}

pub(crate) fn bind_interdomain(peer: DomId, remote: Port) -> Result<Port, EventError> {
    let port = hypercall::bind_interdomain(peer.raw(), remote.raw())
        .map_err(refused("EVTCHNOP_bind_interdomain"))?;
    open_or_close(port)
}

fn open_or_close(port: u32) -> Result<Port, EventError> {
    if let Err(error) = open(port) {
        let _ = hypercall::close(port);
        return Err(error);
    }
    Ok(Port::new(port))
}

pub(crate) fn close(port: Port) {
    let index = port.raw() as usize;
    word!(evtchn_mask[index / 64]).fetch_or(1 << (index % 64), Ordering::SeqCst);
    let _ = hypercall::close(port.raw());
    word!(evtchn_pending[index / 64]).fetch_and(!(1 << (index % 64)), Ordering::SeqCst);
    let mut ports = PORTS.lock();
    ports.open.retain(|open| *open != port.raw());
    if ports.states.get(index).is_some_and(|state| state.muted) {
        ports.muted -= 1;
    }
    if let Some(state) = ports.states.get_mut(index) {
        (state.open, state.muted) = (false, false);
        // Who still waits is told to look again.
        state.seq = state.seq.wrapping_add(1);
        let waiters = core::mem::take(&mut state.waiters);
        let listener = state.listener.take();
        drop(ports);
        drop(listener);
        waiters.iter().for_each(|waiter| waiter.unpark());
    }
}

pub(crate) fn notify(port: Port) {
    let _ = hypercall::send(port.raw());
}

pub(crate) fn seq(port: Port) -> EventSeq {
    dispatch();
    EventSeq(PORTS.lock().states.get(port.raw() as usize).map_or(0, |state| state.seq))
}

/// Blocks the thread until a port has moved past its count, until it is unparked, or until the deadline.
pub(crate) fn wait(wanted: &[(Port, EventSeq)], deadline_ns: Option<u64>) -> Wake {
    dispatch();
    let current = thread::current();
    {
        let mut ports = PORTS.lock();
        let moved = |ports: &Ports| {
            wanted.iter().any(|(port, seen)| {
                ports.states.get(port.raw() as usize).is_none_or(|state| EventSeq(state.seq) != *seen)
            })
        };
        if moved(&ports) {
            drop(ports);
            // A peer that raises events without end must not keep the other threads from running (XSA-391).
            thread::yield_now();
            return Wake::Event;
        }
        for (port, _) in wanted {
            if let Some(state) = ports.states.get_mut(port.raw() as usize) {
                state.waiters.push(current.clone());
            }
        }
    }
    let wake = thread::park_until(deadline_ns);
    let mut ports = PORTS.lock();
    for (port, _) in wanted {
        if let Some(state) = ports.states.get_mut(port.raw() as usize) {
            state.waiters.retain(|waiter| !Arc::ptr_eq(waiter, &current));
        }
    }
    wake
}

/// Whether there is something to dispatch.
pub(crate) fn pending() -> bool {
    upcall_pending().load(Ordering::Relaxed) != 0
}

/// Counts the events that are pending and wakes who waits for them.
pub(crate) fn dispatch() {
    if !pending() {
        return;
    }
    upcall_pending().store(0, Ordering::SeqCst);
    let mut groups = word!(vcpu_info[0].evtchn_pending_sel).swap(0, Ordering::SeqCst);
    while groups != 0 {
        let group = groups.trailing_zeros() as usize;
        groups &= groups - 1;
        let mask = word!(evtchn_mask[group]).load(Ordering::SeqCst);
        let mut pending = word!(evtchn_pending[group]).load(Ordering::SeqCst) & !mask;
        word!(evtchn_pending[group]).fetch_and(!pending, Ordering::SeqCst);
        while pending != 0 {
            let bit = pending.trailing_zeros() as usize;
            pending &= pending - 1;
            deliver(group * 64 + bit);
        }
    }
}

fn deliver(port: usize) {
    EVENTS.store(EVENTS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    crate::user::note_event(port);
    let listener = {
        let mut ports = PORTS.lock();
        let Some(state) = ports.states.get_mut(port) else { return };
        state.seq = state.seq.wrapping_add(1);
        for waiter in &state.waiters {
            waiter.unpark();
        }
        state.listener.clone()
    };
    // Muted after the call, the port may have been closed in it: then there is nothing to mute.
    if let Some(listener) = listener
        && listener() == AfterEvent::Mute
    {
        mute(Port::new(port as u32));
    }
}

/// Events delivered since boot.
pub fn count() -> u64 {
    EVENTS.load(Ordering::Relaxed)
}

/// Ports that are open.
pub fn open_count() -> usize {
    let ports = PORTS.lock();
    ports.open.len() + ports.muted
}

/// Sleeps until an event is pending on an open port, or until the deadline.
pub(crate) fn idle(deadline_ns: Option<u64>) {
    let ports = PORTS.lock();
    // A deadline of 0 means none to Xen.
    let _ = hypercall::poll(&ports.open, deadline_ns.map_or(0, |deadline| deadline.max(1)));
    if upcall_pending().load(Ordering::Relaxed) != 0 {
        return;
    }
    // A pending bit without its selector bit would end every later poll at once, and never be looked at.
    for port in &ports.open {
        let (group, bit) = (*port as usize / 64, *port as usize % 64);
        if word!(evtchn_pending[group]).load(Ordering::SeqCst) >> bit & 1 == 1 {
            word!(vcpu_info[0].evtchn_pending_sel).fetch_or(1 << group, Ordering::SeqCst);
            upcall_pending().store(1, Ordering::SeqCst);
        }
    }
}
