//! `/dev/xen/evtchn`
//!
//! A port whose event was told is closed to further ones until the program writes its number back; so each is in the list of pending
//! ports once.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use core::any::Any;

use linux_base::file::{IoFlags, UserMemory};
use linux_base::stat::Facts;
use linux_base::{Errno, File, Mutex, PollEvents, Result, Sink, Source, Stat, WaitQueue, io};

use crate::devices::{MAX_PORTS, PortHold};
use crate::refuse::refused;
use crate::request::{Fields, ioctl};
use crate::{DOM0, Devices, FIRST_RESERVED, PortListener};

const BIND_VIRQ: u32 = ioctl(b'E', 0, 4);
const BIND_INTERDOMAIN: u32 = ioctl(b'E', 1, 8);
const BIND_UNBOUND_PORT: u32 = ioctl(b'E', 2, 4);
const UNBIND: u32 = ioctl(b'E', 3, 4);
const NOTIFY: u32 = ioctl(b'E', 4, 4);
const RESET: u32 = ioctl(b'E', 5, 0);
const RESTRICT_DOMID: u32 = ioctl(b'E', 6, 2);

/// Channels of the 2-level ABI.
const CHANNELS: u32 = 4096;
/// Ports that a read or a write moves at most: a page of them.
const STEP: usize = 1024;

struct Bound {
    hold: PortHold,
    /// Whether it lets events in.
    is_enabled: bool,
}

#[derive(Default)]
struct State {
    ports: BTreeMap<u32, Bound>,
    pending: VecDeque<u32>,
    has_overflowed: bool,
    restricted: Option<u16>,
}

/// The open device.
pub struct Evtchn {
    devices: Arc<Devices>,
    facts: Arc<dyn Facts>,
    state: Mutex<State>,
    queue: WaitQueue,
    this: Weak<Self>,
}

impl Evtchn {
    /// Opens it.
    pub(crate) fn new(devices: Arc<Devices>, facts: Arc<dyn Facts>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            devices,
            facts,
            state: Mutex::new(State::default()),
            queue: WaitQueue::new(),
            this: this.clone(),
        })
    }

    fn listener(&self) -> PortListener {
        let this = self.this.clone();
        Arc::new(move |port| {
            if let Some(this) = this.upgrade() {
                this.event(port);
            }
        })
    }

    /// An event has come. Its port is muted.
    fn event(&self, port: u32) {
        {
            let mut state = self.state.lock();
            match state.ports.get_mut(&port) {
                Some(bound) if bound.is_enabled => bound.is_enabled = false,
                _ => return,
            }
            if state.pending.len() < MAX_PORTS {
                state.pending.push_back(port);
            } else {
                // A port that was unbound may still be there, and its number be used again.
                state.has_overflowed = true;
            }
        }
        self.queue.wake(PollEvents::READABLE);
    }

    fn bind(&self, domain: u16, bind: impl FnOnce(PortListener) -> Result<u32>) -> Result<i64> {
        {
            let mut state = self.state.lock();
            if state.restricted.is_some_and(|only| only != domain) {
                return Err(Errno::EACCES);
            }
            // So that an event needs no memory.
            let missing = MAX_PORTS - state.pending.len().min(MAX_PORTS);
            state.pending.try_reserve(missing)?;
        }
        let hold = self.devices.bind_port(|| bind(self.listener()))?;
        let port = hold.port();
        self.state.lock().ports.insert(port, Bound { hold, is_enabled: true });
        Ok(i64::from(port))
    }

    fn bind_interdomain(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<8>::read(memory, argument)?;
        let (domain, remote) = (domain(request.u32(0))?, request.u32(4));
        if !self.devices.may_ask(domain) {
            return Err(refused(
                format_args!("an event channel to port {remote} of domain {domain}"),
                Errno::EACCES,
            ));
        }
        self.bind(domain, |listener| self.devices.host().bind_interdomain(domain, remote, listener))
    }

    /// One that another domain binds to.
    fn bind_unbound(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let domain = domain(Fields::<4>::read(memory, argument)?.u32(0))?;
        if !self.devices.may_offer(domain) {
            return Err(refused(format_args!("an event channel for domain {domain}"), Errno::EACCES));
        }
        self.bind(domain, |listener| self.devices.host().bind_unbound(domain, listener))
    }

    fn unbind(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let port = Fields::<4>::read(memory, argument)?.u32(0);
        if port >= CHANNELS {
            return Err(Errno::EINVAL);
        }
        let bound = self.state.lock().ports.remove(&port);
        bound.map(drop).ok_or(Errno::ENOTCONN)?;
        Ok(0)
    }

    fn notify(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let port = Fields::<4>::read(memory, argument)?.u32(0);
        self.state.lock().ports.get(&port).ok_or(Errno::ENOTCONN)?.hold.notify();
        Ok(0)
    }

    /// What is pending is forgotten; the ports stay as they are.
    fn reset(&self) -> Result<i64> {
        let mut state = self.state.lock();
        state.pending.clear();
        state.has_overflowed = false;
        Ok(0)
    }

    fn restrict(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if self.state.lock().restricted.is_some() {
            return Err(Errno::EACCES);
        }
        let domain = Fields::<2>::read(memory, argument)?.u16(0);
        if domain == DOM0 || domain >= FIRST_RESERVED {
            return Err(Errno::EINVAL);
        }
        self.state.lock().restricted = Some(domain);
        Ok(0)
    }
}

/// A domain's number, which comes in 32 bits. `ESRCH` for what none can have.
fn domain(number: u32) -> Result<u16> {
    u16::try_from(number).map_err(|_| Errno::ESRCH)
}

impl File for Evtchn {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        let room = (into.room() / 4).min(STEP);
        if room == 0 {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if state.has_overflowed {
            return Err(Errno::EFBIG);
        }
        if state.pending.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let mut done = 0;
        while done < room * 4 {
            let Some(port) = state.pending.front() else { break };
            match into.push(&port.to_le_bytes()) {
                Ok(4) => {
                    state.pending.pop_front();
                    done += 4;
                }
                // It is told again, whole.
                Ok(_) | Err(_) if done > 0 => break,
                Ok(_) => return Err(Errno::EFAULT),
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        let count = (from.left() / 4).min(STEP);
        for _ in 0..count {
            let mut bytes = [0; 4];
            io::pull_exact(from, &mut bytes)?;
            let port = u32::from_le_bytes(bytes);
            let was_muted = match self.state.lock().ports.get_mut(&port) {
                Some(bound) => !core::mem::replace(&mut bound.is_enabled, true),
                None => false,
            };
            if was_muted {
                self.devices.host().unmask(port);
            }
        }
        Ok(count * 4)
    }

    fn stat(&self) -> Result<Stat> {
        self.facts.stat()
    }

    fn poll(&self) -> PollEvents {
        let state = self.state.lock();
        if state.has_overflowed {
            return PollEvents::ERR;
        }
        let mut events = PollEvents::WRITABLE;
        events.set(PollEvents::READABLE, !state.pending.is_empty());
        events
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        match command {
            // Xen's own interrupts are the kernel's.
            BIND_VIRQ => {
                let virq = Fields::<4>::read(memory, argument)?.u32(0);
                Err(refused(format_args!("an event channel for VIRQ {virq}"), Errno::EACCES))
            }
            BIND_INTERDOMAIN => self.bind_interdomain(argument, memory),
            BIND_UNBOUND_PORT => self.bind_unbound(argument, memory),
            UNBIND => self.unbind(argument, memory),
            NOTIFY => self.notify(argument, memory),
            RESET => self.reset(),
            RESTRICT_DOMID => self.restrict(argument, memory),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for Evtchn {
    fn drop(&mut self) {
        // Without the lock, which a listener of another port may want.
        let ports = core::mem::take(&mut self.state.lock().ports);
        drop(ports);
    }
}
