//! Both ends of a shared ring (`io/ring.h`).
//!
//! Requests and responses share one array of slots. Each side keeps its own indices privately and publishes copies; the
//! other side's published index is a claim and is checked. Indices wrap at 2^32; the ring's size is a power of two.

use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use xen_sys::io::ring::{HEADER_LEN, REQ_EVENT, REQ_PROD, RSP_EVENT, RSP_PROD};

use crate::memory::Slot;
use crate::{PeerMisbehaved, RingMemory};

/// Whether the peer asked to be told about what was published.
#[must_use = "a peer that is not notified may sleep for ever"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doorbell {
    /// Notify the event channel.
    Ring,
    /// The peer is awake.
    Silent,
}

/// The ring has no free slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingFull;

const fn slot_len<Req, Rsp>() -> usize {
    if size_of::<Req>() > size_of::<Rsp>() { size_of::<Req>() } else { size_of::<Rsp>() }
}

/// Slots of a ring of `memory_len` bytes: the largest power of two that fits.
pub const fn capacity<Req, Rsp>(memory_len: usize) -> u32 {
    let slots = (memory_len - HEADER_LEN) / slot_len::<Req, Rsp>();
    1 << slots.ilog2()
}

/// Must the peer be told, given that the producer index moved from `old` to `new` and it asked for `event`?
fn doorbell(old: u32, new: u32, event: u32) -> Doorbell {
    if new.wrapping_sub(event) < new.wrapping_sub(old) { Doorbell::Ring } else { Doorbell::Silent }
}

fn slot_offset<Req, Rsp>(index: u32, size: u32) -> usize {
    HEADER_LEN + (index & (size - 1)) as usize * slot_len::<Req, Rsp>()
}

/// The front end's side: it puts requests and takes responses.
pub struct Front<M, Req, Rsp> {
    memory: M,
    size: u32,
    req_prod: u32,
    req_published: u32,
    rsp_cons: u32,
    slots: PhantomData<(Req, Rsp)>,
}

impl<M: RingMemory, Req: Slot, Rsp: Slot> Front<M, Req, Rsp> {
    /// Initialises the shared indices. The peer must not have mapped the memory yet.
    pub fn new(memory: M) -> Self {
        Self::starting_at(memory, 0)
    }

    /// As [`Front::new`], with indices that start elsewhere; for tests of the wrap.
    pub fn starting_at(memory: M, index: u32) -> Self {
        memory.store_u32(REQ_PROD, index);
        memory.store_u32(RSP_PROD, index);
        memory.store_u32(REQ_EVENT, index.wrapping_add(1));
        memory.store_u32(RSP_EVENT, index.wrapping_add(1));
        let size = capacity::<Req, Rsp>(memory.len());
        Self { memory, size, req_prod: index, req_published: index, rsp_cons: index, slots: PhantomData }
    }

    /// Slots in all.
    pub fn capacity(&self) -> u32 {
        self.size
    }

    /// Requests whose responses are not taken yet.
    pub fn in_flight(&self) -> u32 {
        self.req_prod.wrapping_sub(self.rsp_cons)
    }

    /// Requests that may be pushed now.
    pub fn free(&self) -> u32 {
        self.size - self.in_flight()
    }

    /// Writes a request; the peer sees it after [`Front::publish`].
    pub fn push(&mut self, request: Req) -> Result<(), RingFull> {
        self.push_slot(request)
    }

    /// Writes another structure in a request's place (netif's extra info).
    pub fn push_slot<T: Slot>(&mut self, slot: T) -> Result<(), RingFull> {
        const { assert!(size_of::<T>() <= slot_len::<Req, Rsp>()) };
        if self.free() == 0 {
            return Err(RingFull);
        }
        self.memory.write_slot(slot_offset::<Req, Rsp>(self.req_prod, self.size), slot);
        self.req_prod = self.req_prod.wrapping_add(1);
        Ok(())
    }

    /// Shows the peer all that was pushed.
    pub fn publish(&mut self) -> Doorbell {
        let old = core::mem::replace(&mut self.req_published, self.req_prod);
        if old == self.req_prod {
            return Doorbell::Silent;
        }
        self.memory.store_u32(REQ_PROD, self.req_prod);
        fence(Ordering::SeqCst);
        doorbell(old, self.req_prod, self.memory.load_u32(REQ_EVENT))
    }

    /// Takes the next response. `None` when the peer has not answered.
    pub fn pop(&mut self) -> Result<Option<Rsp>, PeerMisbehaved> {
        self.pop_slot()
    }

    /// Takes the next response slot as another structure (netif's extra info).
    pub fn pop_slot<T: Slot>(&mut self) -> Result<Option<T>, PeerMisbehaved> {
        const { assert!(size_of::<T>() <= slot_len::<Req, Rsp>()) };
        let claimed = self.memory.load_u32(RSP_PROD);
        let answered = claimed.wrapping_sub(self.rsp_cons);
        if answered == 0 {
            return Ok(None);
        }
        if answered > self.req_published.wrapping_sub(self.rsp_cons) {
            return Err(PeerMisbehaved { what: "response producer index", value: claimed.into() });
        }
        let slot = self.memory.read_slot(slot_offset::<Req, Rsp>(self.rsp_cons, self.size));
        self.rsp_cons = self.rsp_cons.wrapping_add(1);
        Ok(Some(slot))
    }

    /// Whether there are responses to take. Nothing is asked for.
    pub fn has_responses(&self) -> bool {
        self.memory.load_u32(RSP_PROD) != self.rsp_cons
    }

    /// Asks for an event at the next response. `true`: one is there already, look again before sleeping.
    #[must_use = "responses that came meanwhile bring no event"]
    pub fn arm(&mut self) -> bool {
        self.arm_after(1)
    }

    /// Asks for an event when `count` more responses are there: 1 at least, and what was published at most. `true`: they are
    /// there already.
    #[must_use = "responses that came meanwhile bring no event"]
    pub fn arm_after(&mut self, count: u32) -> bool {
        let coming = self.req_published.wrapping_sub(self.rsp_cons);
        let count = count.clamp(1, coming.max(1));
        self.memory.store_u32(RSP_EVENT, self.rsp_cons.wrapping_add(count));
        fence(Ordering::SeqCst);
        self.memory.load_u32(RSP_PROD).wrapping_sub(self.rsp_cons) >= count
    }

    /// The memory it lives in.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Gives the memory back.
    pub fn into_memory(self) -> M {
        self.memory
    }
}

/// The back end's side: it takes requests and puts responses.
pub struct Back<M, Req, Rsp> {
    memory: M,
    size: u32,
    req_cons: u32,
    rsp_prod: u32,
    rsp_published: u32,
    slots: PhantomData<(Req, Rsp)>,
}

impl<M: RingMemory, Req: Slot, Rsp: Slot> Back<M, Req, Rsp> {
    /// Attaches to a ring that its front end has initialised.
    pub fn new(memory: M) -> Self {
        let index = memory.load_u32(RSP_PROD);
        let size = capacity::<Req, Rsp>(memory.len());
        Self { memory, size, req_cons: index, rsp_prod: index, rsp_published: index, slots: PhantomData }
    }

    /// Takes the next request.
    pub fn pop(&mut self) -> Result<Option<Req>, PeerMisbehaved> {
        self.pop_slot()
    }

    /// Takes the next request slot as another structure (netif's extra info).
    pub fn pop_slot<T: Slot>(&mut self) -> Result<Option<T>, PeerMisbehaved> {
        const { assert!(size_of::<T>() <= slot_len::<Req, Rsp>()) };
        let claimed = self.memory.load_u32(REQ_PROD);
        if claimed == self.req_cons {
            return Ok(None);
        }
        if claimed.wrapping_sub(self.rsp_prod) > self.size || claimed.wrapping_sub(self.req_cons) > self.size
        {
            return Err(PeerMisbehaved { what: "request producer index", value: claimed.into() });
        }
        let slot = self.memory.read_slot(slot_offset::<Req, Rsp>(self.req_cons, self.size));
        self.req_cons = self.req_cons.wrapping_add(1);
        Ok(Some(slot))
    }

    /// Writes a response; the front end sees it after [`Back::publish`].
    pub fn push(&mut self, response: Rsp) -> Result<(), RingFull> {
        self.push_slot(response)
    }

    /// Writes another structure in a response's place.
    pub fn push_slot<T: Slot>(&mut self, slot: T) -> Result<(), RingFull> {
        const { assert!(size_of::<T>() <= slot_len::<Req, Rsp>()) };
        if self.rsp_prod == self.req_cons {
            return Err(RingFull);
        }
        self.memory.write_slot(slot_offset::<Req, Rsp>(self.rsp_prod, self.size), slot);
        self.rsp_prod = self.rsp_prod.wrapping_add(1);
        Ok(())
    }

    /// Shows the front end all that was pushed.
    pub fn publish(&mut self) -> Doorbell {
        let old = core::mem::replace(&mut self.rsp_published, self.rsp_prod);
        if old == self.rsp_prod {
            return Doorbell::Silent;
        }
        self.memory.store_u32(RSP_PROD, self.rsp_prod);
        fence(Ordering::SeqCst);
        doorbell(old, self.rsp_prod, self.memory.load_u32(RSP_EVENT))
    }

    /// Asks for an event at the next request. `true`: one is there already.
    #[must_use = "requests that came meanwhile bring no event"]
    pub fn arm(&mut self) -> bool {
        self.memory.store_u32(REQ_EVENT, self.req_cons.wrapping_add(1));
        fence(Ordering::SeqCst);
        self.memory.load_u32(REQ_PROD) != self.req_cons
    }

    /// The memory it lives in; a hostile test peer writes to it directly.
    pub fn memory(&self) -> &M {
        &self.memory
    }
}

#[cfg(test)]
mod tests;
