//! Hypercalls: which ones a device model may make, and their arguments.

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use super::Privcmd;
use crate::refuse::refused;
use crate::request::{self, Fields, element};

const MEMORY_OP: u64 = 12;
const MULTICALL: u64 = 13;
const XEN_VERSION: u64 = 17;
const SCHED_OP: u64 = 29;
const HVM_OP: u64 = 34;
const DM_OP: u64 = 41;

const SCHEDOP_REMOTE_SHUTDOWN: u64 = 4;
const HVMOP_SET_PARAM: u64 = 0;
const HVMOP_GET_PARAM: u64 = 1;

/// Hypercalls in a multicall; the libraries put one in.
const MAX_CALLS: u64 = 64;

impl Privcmd {
    pub(super) fn hypercall(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if self.restricted.lock().is_some() {
            return Err(Errno::EPERM);
        }
        let request = Fields::<48>::read(memory, argument)?;
        let (number, arguments) = (request.u64(0), [request.u64(8), request.u64(16), request.u64(24)]);
        match number {
            MULTICALL => self.multicall(arguments, memory),
            _ => self.single(number, arguments, memory),
        }
    }

    fn single(&self, number: u64, arguments: [u64; 3], memory: &dyn UserMemory) -> Result<i64> {
        let [first, second, third] = arguments;
        match number {
            MEMORY_OP => self.memory_op(first, second, memory),
            XEN_VERSION => self.xen_version(first, second, memory),
            SCHED_OP => self.sched_op(first, second, memory),
            HVM_OP => self.hvm_op(first, second, memory),
            DM_OP => {
                // Wider numbers than the hypercall's are not those of any domain or count.
                let domain = u16::try_from(first).map_err(|_| Errno::ESRCH)?;
                let count = u32::try_from(second).map_err(|_| Errno::E2BIG)?;
                self.dm_op_with(domain, count, third, memory)
            }
            _ => Err(refused(format_args!("hypercall {number}, operation {first}"), Errno::EPERM)),
        }
    }

    /// How the libraries wrap memory operations, for their wide results. Each call's result is stored with it.
    fn multicall(&self, [list, count, _]: [u64; 3], memory: &dyn UserMemory) -> Result<i64> {
        if count > MAX_CALLS {
            return Err(Errno::E2BIG);
        }
        for index in 0..count as usize {
            let entry = element(list, index, 64)?;
            let call = Fields::<64>::read(memory, entry)?;
            let arguments = [call.u64(16), call.u64(24), call.u64(32)];
            let result = match self.single(call.u64(0), arguments, memory) {
                Ok(value) => value,
                Err(errno) => errno.as_return_value(),
            };
            memory.write_u64(entry.checked_add(8).ok_or(Errno::EFAULT)?, result as u64)?;
            linux_base::host::host().yield_now();
        }
        Ok(0)
    }

    fn xen_version(&self, operation: u64, buffer: u64, memory: &dyn UserMemory) -> Result<i64> {
        // What each of them copies: strings of fixed length, or a structure.
        let len = match operation {
            // Version and page size are the result.
            0 | 7 => 0,
            // Extra version; guest handle.
            1 | 8 => 16,
            // Compile information: compiler, by whom, domain, date.
            2 => 144,
            // Capabilities.
            3 => 1024,
            // Changeset.
            4 => 64,
            // Platform parameters; features, whose first word is which of them.
            5 | 6 => 8,
            _ => return Err(refused(format_args!("xen_version, operation {operation}"), Errno::EPERM)),
        };
        let mut bytes = request::buffer::<u8>(len)?;
        if operation == 6 {
            memory.read(buffer, &mut bytes)?;
        }
        let value = self.host().xen_version(operation as u32, &mut bytes)?;
        if len > 0 {
            memory.write(buffer, &bytes)?;
        }
        Ok(value as i64)
    }

    fn sched_op(&self, operation: u64, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if operation != SCHEDOP_REMOTE_SHUTDOWN {
            return Err(refused(format_args!("sched_op, operation {operation}"), Errno::EPERM));
        }
        let request = Fields::<8>::read(memory, argument)?;
        let domain = request.u16(0);
        self.check_target(domain, "remote shutdown")?;
        self.host().settle();
        self.host().remote_shutdown(domain, request.u32(4)).map(|()| 0)
    }

    fn hvm_op(&self, operation: u64, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if operation != HVMOP_GET_PARAM && operation != HVMOP_SET_PARAM {
            return Err(refused(format_args!("hvm_op, operation {operation}"), Errno::EPERM));
        }
        let request = Fields::<16>::read(memory, argument)?;
        let (domain, index) = (request.u16(0), request.u32(4));
        self.check_target(domain, "hvm_op")?;
        if operation == HVMOP_SET_PARAM {
            return self.host().set_hvm_param(domain, index, request.u64(8)).map(|()| 0);
        }
        let value = self.host().hvm_param(domain, index)?;
        memory.write_u64(argument.checked_add(8).ok_or(Errno::EFAULT)?, value)?;
        Ok(0)
    }
}
