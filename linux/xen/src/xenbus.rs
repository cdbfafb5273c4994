//! `/dev/xen/xenbus`: the XenStore protocol, cut into reads and writes as the program likes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::stat::Facts;
use linux_base::{Errno, File, Mutex, PollEvents, Result, Sink, Source, Stat, WaitQueue};
use xen_sys::io::xs_wire::PAYLOAD_MAX;
use xenstore::wire::{HEADER_LEN, Message};

use crate::request::array;
use crate::{Host, Session};

/// The message that a program is writing.
#[derive(Default)]
struct Partial(Vec<u8>);

impl Partial {
    /// Bytes that are missing: of the header, then of the whole. `E2BIG` for a message that is longer than any may be.
    fn missing(&self) -> Result<usize> {
        let wanted = match self.0.len() {
            0..HEADER_LEN => HEADER_LEN,
            _ if self.payload_len() > PAYLOAD_MAX => return Err(Errno::E2BIG),
            _ => HEADER_LEN + self.payload_len(),
        };
        Ok(wanted.saturating_sub(self.0.len()))
    }

    fn payload_len(&self) -> usize {
        u32::from_le_bytes(array(&self.0, 12)) as usize
    }

    /// The message, if it is whole.
    fn take(&mut self) -> Result<Option<Message>> {
        if self.missing()? > 0 {
            return Ok(None);
        }
        let word = |at| u32::from_le_bytes(array(&self.0, at));
        let (kind, req_id, tx_id) = (word(0), word(4), word(8));
        let payload = self.0.split_off(HEADER_LEN);
        self.0.clear();
        Ok(Some(Message { kind, req_id, tx_id, payload }))
    }
}

/// A message that a program is reading, and how much it has.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    done: usize,
}

/// The open device.
pub struct Xenbus {
    facts: Arc<dyn Facts>,
    session: Box<dyn Session>,
    partial: Mutex<Partial>,
    reading: Mutex<Reading>,
    queue: WaitQueue,
}

impl Xenbus {
    /// Opens it.
    pub(crate) fn new(host: &dyn Host, facts: Arc<dyn Facts>) -> Result<Arc<Self>> {
        let queue = WaitQueue::new();
        let session = host.session(queue.clone())?;
        let (partial, reading) = (Mutex::new(Partial::default()), Mutex::new(Reading::default()));
        Ok(Arc::new(Self { facts, session, partial, reading, queue }))
    }

    /// Takes bytes of one message, and sends it if it is whole. 0 if nothing is left, or there is no room for more.
    fn write_some(&self, partial: &mut Partial, from: &mut dyn Source) -> Result<usize> {
        let missing = match partial.missing() {
            Ok(missing) => missing.min(from.left()),
            Err(errno) => {
                partial.0.clear();
                return Err(errno);
            }
        };
        let at = partial.0.len();
        partial.0.try_reserve(missing)?;
        partial.0.resize(at + missing, 0);
        let pulled = from.pull(partial.0.get_mut(at..).unwrap_or_default());
        partial.0.truncate(at + *pulled.as_ref().unwrap_or(&0));
        let pulled = pulled?;
        match partial.take() {
            // There was room when the bytes were taken, and nobody else has run.
            Ok(Some(message)) => self.session.submit(&message)?,
            Ok(None) => {}
            Err(errno) => {
                partial.0.clear();
                return Err(errno);
            }
        }
        Ok(pulled)
    }
}

impl File for Xenbus {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        if into.room() == 0 {
            return Ok(0);
        }
        let mut reading = self.reading.lock();
        let mut done = 0;
        while into.room() > 0 {
            if reading.done >= reading.bytes.len() {
                match self.session.take() {
                    Ok(Some(bytes)) => *reading = Reading { bytes, done: 0 },
                    Ok(None) if done == 0 => return Err(Errno::EAGAIN),
                    Err(errno) if done == 0 => return Err(errno),
                    Ok(None) | Err(_) => break,
                }
            }
            match into.push(reading.bytes.get(reading.done..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(len) => {
                    reading.done += len;
                    done += len;
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        drop(reading);
        // A reply that was taken makes room for a request.
        self.queue.wake(PollEvents::WRITABLE);
        Ok(done)
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        let mut done = 0;
        while from.left() > 0 {
            if !self.session.has_room() {
                if done == 0 {
                    return Err(Errno::EAGAIN);
                }
                break;
            }
            let mut partial = self.partial.lock();
            match self.write_some(&mut partial, from) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(errno) if done == 0 || errno == Errno::E2BIG => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn stat(&self) -> Result<Stat> {
        self.facts.stat()
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        let is_reading = {
            let reading = self.reading.lock();
            reading.done < reading.bytes.len()
        };
        events.set(PollEvents::READABLE, is_reading || self.session.is_ready());
        events.set(PollEvents::WRITABLE, self.session.has_room());
        events
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
