//! Operations of a device model on its target, by their own ioctl or as a hypercall.

use alloc::vec::Vec;

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use super::Privcmd;
use crate::request::{self, Fields, element};

/// As Linux's `dm_op_max_nr_bufs` and `dm_op_buf_max_size`.
const MAX_BUFFERS: u32 = 16;
const MAX_LEN: u64 = 4096;
/// `XEN_DMOP_remote_shutdown` (hvm/dm_op.h); an operation's number is the first word of the first buffer.
const REMOTE_SHUTDOWN: u32 = 16;

impl Privcmd {
    pub(super) fn dm_op(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<16>::read(memory, argument)?;
        let (domain, count) = (request.u16(0), request.u16(2));
        self.check_restriction(domain)?;
        // How libxendevicemodel finds out that there is this ioctl; it names no domain.
        if count == 0 {
            return Ok(0);
        }
        self.dm_op_with(domain, count.into(), request.u64(8), memory)
    }

    /// `buffers` is an array of pointer and length.
    pub(super) fn dm_op_with(
        &self,
        domain: u16,
        count: u32,
        buffers: u64,
        memory: &dyn UserMemory,
    ) -> Result<i64> {
        self.check_target(domain, "dm_op")?;
        if count > MAX_BUFFERS {
            return Err(Errno::E2BIG);
        }
        let (mut places, mut before, mut contents) = (Vec::new(), Vec::new(), Vec::new());
        places.try_reserve_exact(count as usize)?;
        before.try_reserve_exact(count as usize)?;
        contents.try_reserve_exact(count as usize)?;
        for index in 0..count as usize {
            let place = Fields::<16>::read(memory, element(buffers, index, 16)?)?;
            let (address, len) = (place.u64(0), place.u64(8));
            if len > MAX_LEN {
                return Err(Errno::E2BIG);
            }
            let mut bytes: Vec<u8> = request::buffer(len as usize)?;
            memory.read(address, &mut bytes)?;
            let mut copy: Vec<u8> = request::buffer(len as usize)?;
            copy.copy_from_slice(&bytes);
            places.push(address);
            before.push(copy);
            contents.push(bytes);
        }
        // How libxendevicemodel says that the guest has ended.
        if contents.first().is_some_and(|operation| operation.starts_with(&REMOTE_SHUTDOWN.to_le_bytes())) {
            self.host().settle();
        }
        let result = self.host().dm_op(domain, &mut contents);
        // What failed may have filled something in as well.
        for ((address, old), new) in places.iter().zip(&before).zip(&contents) {
            if old != new {
                memory.write(*address, new.get(..old.len()).unwrap_or(new))?;
            }
        }
        result.map(|value| value as i64)
    }
}
