//! The target's pages and resources, mapped.

use alloc::vec::Vec;

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};
use linux_mm::Frames;

use super::Privcmd;
use crate::refuse::refused;
use crate::request::{self, Fields, element};

/// Pages are mapped by so many.
const STEP: usize = 512;
const PAGE: u64 = 4096;

/// What the old ioctl marks a frame's number with: it could not be mapped, or it is paged out.
const MFN_ERROR: u64 = 0xf000_0000;
const PAGED_ERROR: u64 = 0x8000_0000;

/// `XENMEM_resource_ioreq_server`
const IOREQ_SERVER: u16 = 0;
/// Frames of a resource at a time: an ioreq server has three, and more with more than 128 vCPUs.
const MAX_RESOURCE: u64 = 256;

struct Batch {
    domain: u16,
    count: usize,
    address: u64,
    frames: u64,
}

impl Privcmd {
    pub(super) fn mmap_batch(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<24>::read(memory, argument)?;
        let batch = self.batch(request.u32(0), request.u16(4), request.u64(8), request.u64(16))?;
        self.map_batch(&batch, memory, &mut |index, frame, error| {
            let mark = match error {
                0 => return Ok(()),
                -2 => PAGED_ERROR,
                _ => MFN_ERROR,
            };
            memory.write_u64(element(batch.frames, index, 8)?, frame | mark)
        })
    }

    pub(super) fn mmap_batch_v2(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<32>::read(memory, argument)?;
        let batch = self.batch(request.u32(0), request.u16(4), request.u64(8), request.u64(16))?;
        let errors = request.u64(24);
        self.map_batch(&batch, memory, &mut |index, _, error| {
            memory.write_u32(element(errors, index, 4)?, error as u32)
        })
    }

    fn batch(&self, count: u32, domain: u16, address: u64, frames: u64) -> Result<Batch> {
        self.check_restriction(domain)?;
        if i32::try_from(count).is_err() || count == 0 || !address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        self.check_target(domain, "mapping memory")?;
        Ok(Batch { domain, count: count as usize, address, frames })
    }

    /// Tells of each page the frame and 0 or a negative errno. A page that cannot be mapped is no error of the call, but for one
    /// that is paged out, `ENOENT`.
    fn map_batch(
        &self,
        batch: &Batch,
        memory: &dyn UserMemory,
        tell: &mut dyn FnMut(usize, u64, i32) -> Result<()>,
    ) -> Result<i64> {
        let mut frames: Vec<u64> = request::buffer(batch.count.min(STEP))?;
        let mut errors: Vec<i32> = request::buffer(batch.count.min(STEP))?;
        let (mut done, mut is_paged) = (0, false);
        while done < batch.count {
            let step = (batch.count - done).min(STEP);
            let (Some(frames), Some(errors)) = (frames.get_mut(..step), errors.get_mut(..step)) else {
                break;
            };
            request::read_words(memory, batch.frames, done, frames)?;
            errors.fill(0);
            let address = element(batch.address, done, PAGE)?;
            self.host().map_foreign(address, batch.domain, Frames::Guest(frames), errors)?;
            for (index, (frame, error)) in frames.iter().zip(errors.iter()).enumerate() {
                let error = -error.saturating_abs();
                is_paged |= error == Errno::ENOENT.as_return_value() as i32;
                tell(done + index, *frame, error)?;
            }
            done += step;
            // The count is the program's: others run meanwhile.
            linux_base::host::host().yield_now();
        }
        if is_paged { Err(Errno::ENOENT) } else { Ok(0) }
    }

    pub(super) fn mmap_resource(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<32>::read(memory, argument)?;
        let (domain, kind, id, first) = (request.u16(0), request.u32(4), request.u32(8), request.u32(12));
        let (count, address) = (request.u64(16), request.u64(24));
        self.check_restriction(domain)?;
        if (address == 0) != (count == 0) || !address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        self.check_target(domain, "mapping a resource")?;
        if kind != u32::from(IOREQ_SERVER) {
            return Err(refused(format_args!("mapping a resource of type {kind}"), Errno::EPERM));
        }
        if count == 0 {
            let size = self.host().resource_size(domain, IOREQ_SERVER, id)?;
            memory.write_u64(argument.checked_add(16).ok_or(Errno::EFAULT)?, size)?;
            return Ok(0);
        }
        if count > MAX_RESOURCE {
            return Err(Errno::E2BIG);
        }
        let mut frames: Vec<u64> = request::buffer(count as usize)?;
        let mut errors: Vec<i32> = request::buffer(count as usize)?;
        self.host().acquire_resource(domain, IOREQ_SERVER, id, first, &mut frames)?;
        self.host().map_foreign(address, domain, Frames::Machine(&frames), &mut errors)?;
        match errors.iter().find(|error| **error != 0) {
            None => Ok(0),
            Some(error) => Err(Errno::from_number(error.unsigned_abs().min(4095) as u16)),
        }
    }
}
