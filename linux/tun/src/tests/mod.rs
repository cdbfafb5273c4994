//! Taps over a device that keeps what it is sent.

use alloc::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linux_base::file::{IoFlags, UserMemory};
use linux_base::io::{SliceSink, SliceSource};
use linux_base::{Errno, File, Mutex, OpenFlags, PollEvents, Result, Watcher};

use crate::abi::*;
use crate::port::{Outcome, Port, Ports};
use crate::{Received, Tap, TunFile, Tuns};

mod control;
mod frames;
mod offloads;

/// A device.
#[derive(Default)]
pub struct FakePort {
    pub sent: Mutex<Vec<(Vec<u8>, Option<u16>)>>,
    pub tap: Mutex<Option<Arc<Tap>>>,
    pub is_full: AtomicBool,
    pub divides: AtomicBool,
    pub flushes: AtomicUsize,
    pub reads: AtomicUsize,
}

impl Port for FakePort {
    fn attach(&self, tap: &Arc<Tap>) -> Result<()> {
        let mut mine = self.tap.lock();
        if mine.is_some() {
            return Err(Errno::EBUSY);
        }
        *mine = Some(tap.clone());
        Ok(())
    }

    fn detach(&self) {
        *self.tap.lock() = None;
    }

    fn mac(&self) -> Option<[u8; 6]> {
        Some([0, 0x16, 0x3e, 1, 2, 3])
    }

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::Relaxed)
    }

    fn divides(&self, _: bool) -> bool {
        self.divides.load(Ordering::Relaxed)
    }

    fn send(&self, frame: &[u8], segment_len: Option<u16>) -> Outcome {
        self.sent.lock().push((frame.to_vec(), segment_len));
        Outcome::Sent
    }

    fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }

    fn has_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }
}

struct OnePort(Arc<FakePort>);

impl Ports for OnePort {
    fn find(&self, name: &str) -> Result<Arc<dyn Port>> {
        match crate::vif_of(name) {
            Some(0) => Ok(self.0.clone()),
            _ => Err(Errno::ENODEV),
        }
    }
}

/// Memory of a program: all of it at address 0.
pub struct Memory(pub Mutex<[u8; 64]>);

impl UserMemory for Memory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        let memory = self.0.lock();
        let from = memory.get(address as usize..address as usize + into.len()).ok_or(Errno::EFAULT)?;
        into.copy_from_slice(from);
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let mut memory = self.0.lock();
        let to = memory.get_mut(address as usize..address as usize + bytes.len()).ok_or(Errno::EFAULT)?;
        to.copy_from_slice(bytes);
        Ok(())
    }
}

pub fn memory(bytes: &[u8]) -> Memory {
    let mut all = [0; 64];
    all[..bytes.len()].copy_from_slice(bytes);
    Memory(Mutex::new(all))
}

pub fn ifreq(name: &str, flags: u16) -> Memory {
    let memory = memory(name.as_bytes());
    memory.0.lock()[16..18].copy_from_slice(&flags.to_le_bytes());
    memory
}

/// A device, and `/dev/net/tun` twice.
pub struct Rig {
    pub port: Arc<FakePort>,
    pub tuns: Arc<Tuns>,
    pub file: Arc<TunFile>,
}

impl Rig {
    pub fn new() -> Self {
        let port = Arc::new(FakePort::default());
        let tuns = Tuns::new(Arc::new(OnePort(port.clone())));
        let file = tuns.open(None);
        Self { port, tuns, file }
    }

    /// A tap with those flags, beside the usual ones.
    pub fn with_tap(flags: u16) -> Self {
        let rig = Self::new();
        let request = ifreq("vif7.0-emu", IFF_TAP | IFF_NO_PI | flags);
        assert_eq!(rig.file.ioctl(TUNSETIFF, 0, &request), Ok(0));
        rig
    }

    pub fn deliver(&self, bytes: &[u8], is_blank: bool, segment_len: Option<u16>) {
        let tap = self.port.tap.lock().clone().unwrap();
        tap.deliver(Received { bytes, is_blank, segment_len });
        tap.delivered();
    }

    pub fn read(&self, room: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let len = self.file.read(0, &mut SliceSink::new(&mut bytes), FLAGS)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        self.file.write(0, &mut SliceSource::new(bytes), FLAGS)
    }

    pub fn stats(&self) -> crate::Stats {
        self.file.tap().unwrap().stats()
    }
}

const FLAGS: IoFlags = IoFlags { status: OpenFlags::RDWR, rwf: 0 };

#[derive(Default)]
pub struct Count(AtomicUsize);

impl Watcher for Count {
    fn notify(&self, _: PollEvents) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A TCP segment over IPv4 or IPv6 with so much data, whose checksum field holds nonsense.
pub fn tcp(is_ipv6: bool, data: usize) -> Vec<u8> {
    let mut frame = vec![2; 12];
    let tcp_len = 20 + data;
    if is_ipv6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((tcp_len as u16).to_be_bytes());
        frame.extend([6, 64]);
        frame.extend((0..32).map(|byte| byte * 3));
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + tcp_len as u16).to_be_bytes());
        frame.extend([0xff, 0xfe, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let sum = !plain_sum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    frame.extend([0x30, 0x39, 0, 80]);
    frame.extend(0xffff_ff00_u32.to_be_bytes());
    // FIN, PSH, ACK, CWR.
    frame.extend([1, 2, 3, 4, 0x50, 0x99, 1, 0, 0xde, 0xad, 0, 0]);
    frame.extend((0..data).map(|at| (at * 7) as u8));
    frame
}

/// The sum of RFC 1071, word by word.
pub fn plain_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What is summed up of a TCP segment: pseudo-header and segment.
pub fn summed(frame: &[u8]) -> Vec<u8> {
    let (addresses, tcp) = if frame[12] == 8 { (26..34, 34) } else { (22..54, 54) };
    let mut bytes = frame[addresses].to_vec();
    bytes.extend(((frame.len() - tcp) as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 6]);
    bytes.extend(&frame[tcp..]);
    bytes
}

/// Whether a TCP segment's checksum, and over IPv4 the header's, are right.
pub fn is_right(frame: &[u8]) -> bool {
    let header_is_right = frame[12] != 8 || plain_sum(&frame[14..34]) == 0xffff;
    header_is_right && plain_sum(&summed(frame)) == 0xffff
}
