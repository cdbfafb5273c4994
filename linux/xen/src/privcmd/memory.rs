//! Operations on the target's memory.

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use super::Privcmd;
use crate::refuse::refused;
use crate::request::{self, Fields, element};

const DECREASE_RESERVATION: u64 = 1;
const POPULATE_PHYSMAP: u64 = 6;
const ADD_TO_PHYSMAP: u64 = 7;
const MAXIMUM_GPFN: u64 = 14;
const REMOVE_FROM_PHYSMAP: u64 = 15;
const ADD_TO_PHYSMAP_BATCH: u64 = 23;

/// `XENMAPSPACE_gmfn`: a page of the domain's own gets another number. The other spaces are for who builds domains.
const SPACE_GMFN: u32 = 2;

/// Extents are handed on by so many.
const STEP: usize = 1024;
/// Extents of one call: 64 GiB of pages.
const MAX_EXTENTS: u64 = 1 << 24;

impl Privcmd {
    pub(super) fn memory_op(&self, operation: u64, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        match operation {
            POPULATE_PHYSMAP | DECREASE_RESERVATION => self.reservation(operation, argument, memory),
            ADD_TO_PHYSMAP => {
                let request = Fields::<24>::read(memory, argument)?;
                let (domain, space) = (request.u16(0), request.u32(4));
                self.check_space(domain, space)?;
                self.host().add_to_physmap(domain, space, request.u64(8), request.u64(16)).map(|()| 0)
            }
            ADD_TO_PHYSMAP_BATCH => self.add_batch(argument, memory),
            REMOVE_FROM_PHYSMAP => {
                let request = Fields::<16>::read(memory, argument)?;
                let domain = request.u16(0);
                self.check_target(domain, "remove_from_physmap")?;
                self.host().remove_from_physmap(domain, request.u64(8)).map(|()| 0)
            }
            MAXIMUM_GPFN => {
                let domain = Fields::<2>::read(memory, argument)?.u16(0);
                self.check_target(domain, "maximum_gpfn")?;
                self.host().maximum_gpfn(domain).map(|value| value as i64)
            }
            _ => Err(refused(format_args!("memory_op, operation {operation}"), Errno::EPERM)),
        }
    }

    /// How many extents were done, as Xen says it: less than asked for is no error.
    fn reservation(&self, operation: u64, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<32>::read(memory, argument)?;
        let (list, count) = (request.u64(0), request.u64(8));
        let (order, flags, domain) = (request.u32(16), request.u32(20), request.u16(24));
        self.check_target(domain, "a change of memory")?;
        if count > MAX_EXTENTS {
            return Err(Errno::E2BIG);
        }
        // The address bits alone; a page that is populated on demand would cost nothing, and so never end.
        if flags & !0xff != 0 {
            return Err(refused(format_args!("a change of memory with flags {flags:#x}"), Errno::EPERM));
        }
        let count = count as usize;
        let mut extents = request::buffer::<u64>(count.min(STEP))?;
        let mut done = 0;
        while done < count {
            let step = extents.get_mut(..(count - done).min(STEP)).unwrap_or_default();
            // What was done before the fault counts.
            if let Err(errno) = request::read_words(memory, list, done, step) {
                return if done > 0 { Ok(done as i64) } else { Err(errno) };
            }
            let result = if operation == POPULATE_PHYSMAP {
                self.host().populate_physmap(domain, step, order, flags)
            } else {
                self.host().decrease_reservation(domain, step, order)
            };
            match result {
                Ok(some) => {
                    done += (some as usize).min(step.len());
                    if (some as usize) < step.len() {
                        break;
                    }
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
            linux_base::host::host().yield_now();
        }
        Ok(done as i64)
    }

    fn check_space(&self, domain: u16, space: u32) -> Result<()> {
        self.check_target(domain, "add_to_physmap")?;
        if space == SPACE_GMFN {
            return Ok(());
        }
        Err(refused(format_args!("add_to_physmap, space {space}"), Errno::EPERM))
    }

    fn add_batch(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<32>::read(memory, argument)?;
        let (domain, space, count) = (request.u16(0), request.u16(2), request.u16(4));
        let (indices, gpfns, errors) = (request.u64(8), request.u64(16), request.u64(24));
        self.check_space(domain, space.into())?;
        for at in 0..usize::from(count) {
            let index = memory.read_u64(element(indices, at, 8)?)?;
            let gpfn = memory.read_u64(element(gpfns, at, 8)?)?;
            let error = match self.host().add_to_physmap(domain, space.into(), index, gpfn) {
                Ok(()) => 0,
                Err(errno) => -i32::from(errno.number()),
            };
            memory.write_u32(element(errors, at, 4)?, error as u32)?;
            if at % STEP == STEP - 1 {
                linux_base::host::host().yield_now();
            }
        }
        Ok(0)
    }
}
