//! `/dev/net/tun` as a program has it open.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::{IoFlags, UserMemory};
use linux_base::{Errno, Facts, File, Mutex, PollEvents, Result, Sink, Source, Stat, WaitQueue};

use crate::abi::*;
use crate::port::Ports;
use crate::tap::Tap;

/// What of `IFF_*` is understood beside the kind of device.
const FEATURES: u16 = IFF_TAP | IFF_NO_PI | IFF_ONE_QUEUE | IFF_VNET_HDR;

/// The taps that there are.
pub struct Tuns {
    ports: Arc<dyn Ports>,
    names: Mutex<BTreeSet<String>>,
}

impl Tuns {
    /// None yet, to be joined to these devices.
    pub fn new(ports: Arc<dyn Ports>) -> Arc<Self> {
        Arc::new(Self { ports, names: Mutex::default() })
    }

    /// Opens `/dev/net/tun`.
    pub fn open(self: &Arc<Self>, facts: Option<Arc<dyn Facts>>) -> Arc<TunFile> {
        Arc::new(TunFile { tuns: self.clone(), tap: Mutex::new(None), queue: WaitQueue::new(), facts })
    }
}

/// An open `/dev/net/tun`: nothing until `TUNSETIFF` makes it a tap.
pub struct TunFile {
    tuns: Arc<Tuns>,
    tap: Mutex<Option<Arc<Tap>>>,
    queue: WaitQueue,
    facts: Option<Arc<dyn Facts>>,
}

impl TunFile {
    /// The tap, once it is one.
    pub fn tap(&self) -> Option<Arc<Tap>> {
        self.tap.lock().clone()
    }

    fn attached(&self) -> Result<Arc<Tap>> {
        self.tap().ok_or(Errno::EBADFD)
    }

    /// `TUNSETIFF`
    fn attach(&self, argument: u64, memory: &dyn UserMemory) -> Result<()> {
        let mut request = [0; REQUEST];
        memory.read(argument, &mut request)?;
        if self.tap().is_some() {
            return Err(Errno::EEXIST);
        }
        let name = request.iter().take(NAME).copied().take_while(|byte| *byte != 0).collect();
        let name = String::from_utf8(name).map_err(|_| Errno::EINVAL)?;
        let flags = flags_of(&request);
        if name.len() >= NAME || flags & IFF_TUN != 0 || flags & IFF_TAP == 0 {
            return Err(Errno::EINVAL);
        }
        if flags & !(FEATURES | IFF_TUN_EXCL) != 0 {
            return Err(Errno::EINVAL);
        }
        let port = self.tuns.ports.find(&name)?;
        // That may have waited, and another thread have been here.
        if self.tap().is_some() {
            return Err(Errno::EEXIST);
        }
        if !self.tuns.names.lock().insert(name.clone()) {
            return Err(Errno::EBUSY);
        }
        let tap = Tap::new(&name, flags & FEATURES, port.clone(), self.queue.clone());
        if let Err(errno) = port.attach(&tap) {
            self.tuns.names.lock().remove(&name);
            return Err(errno);
        }
        *self.tap.lock() = Some(tap.clone());
        self.queue.wake(PollEvents::WRITABLE);
        memory.write(argument, &describe(&tap))
    }

    fn control(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<()> {
        let value = argument as u32;
        match command {
            TUNGETFEATURES => memory.write_u32(argument, FEATURES.into())?,
            TUNSETIFF => self.attach(argument, memory)?,
            TUNGETIFF => memory.write(argument, &describe(&*self.attached()?))?,
            TUNSETOFFLOAD => self.attached()?.set_takes(value)?,
            TUNGETSNDBUF => memory.write_u32(argument, self.attached()?.send_buffer().cast_unsigned())?,
            TUNSETSNDBUF => self.attached()?.set_send_buffer(memory.read_u32(argument)?.cast_signed())?,
            TUNGETVNETHDRSZ => memory.write_u32(argument, self.attached()?.header_len() as u32)?,
            TUNSETVNETHDRSZ => self.attached()?.set_header_len(memory.read_u32(argument)?)?,
            // As this processor is.
            TUNGETVNETLE => memory.write_u32(argument, 1)?,
            TUNGETVNETBE => memory.write_u32(argument, 0)?,
            TUNSETVNETLE => {
                memory.read_u32(argument)?;
            }
            TUNSETVNETBE => match memory.read_u32(argument)? {
                0 => {}
                _ => return Err(Errno::EINVAL),
            },
            // The device outlives the tap anyway, and belongs to root.
            TUNSETPERSIST | TUNSETOWNER | TUNSETGROUP | TUNSETNOCSUM => drop(self.attached()?),
            SIOCGIFHWADDR => self.hardware_address(argument, memory)?,
            _ => {
                self.attached()?;
                return Err(Errno::EINVAL);
            }
        }
        Ok(())
    }

    fn hardware_address(&self, argument: u64, memory: &dyn UserMemory) -> Result<()> {
        let tap = self.attached()?;
        let mac = tap.port().mac().ok_or(Errno::ENETDOWN)?;
        let mut request = [0; REQUEST];
        put(&mut request, 0, tap.name().as_bytes());
        put(&mut request, NAME, &ETHER.to_le_bytes());
        put(&mut request, NAME + 2, &mac);
        memory.write(argument, &request)
    }
}

fn flags_of(request: &[u8; REQUEST]) -> u16 {
    request.get(NAME..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// `struct ifreq` of a tap.
fn describe(tap: &Tap) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    put(&mut request, 0, tap.name().as_bytes());
    put(&mut request, NAME, &tap.flags().to_le_bytes());
    request
}

fn put(into: &mut [u8; REQUEST], at: usize, bytes: &[u8]) {
    for (place, byte) in into.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

impl Drop for TunFile {
    fn drop(&mut self) {
        if let Some(tap) = self.tap.lock().take() {
            tap.port().detach();
            self.tuns.names.lock().remove(tap.name());
        }
    }
}

impl File for TunFile {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        self.attached()?.read(into)
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        self.attached()?.write(from)
    }

    fn stat(&self) -> Result<Stat> {
        match &self.facts {
            Some(facts) => facts.stat(),
            None => Ok(Stat::default()),
        }
    }

    fn poll(&self) -> PollEvents {
        self.tap().map_or(PollEvents::ERR, |tap| tap.poll())
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        self.control(command, argument, memory).map(|()| 0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
