//! Another domain, which this one may look after: the hypercalls of a device model, typed.
//!
//! | item | what it is |
//! |---|---|
//! | [`Domain`] | another domain, which is there |
//! | [`dm_op`], [`hvm_param`], [`remote_shutdown`] and others | hypercalls on it |
//! | [`Window`] | addresses of the kernel at which its frames are mapped for copies |
//!
//! All arguments are in the kernel's memory: Xen cannot reach user memory through the kernel's page tables. What a domain may
//! do to another Xen decides (it must be its target); each function says what Xen answers. Mappings for programs are in
//! [`crate::user`].

mod window;

use alloc::vec::Vec;

use xen_sys::hvm::{DmOpBuf, HVMOP_GET_PARAM, HVMOP_SET_PARAM, Param};
use xen_sys::memory::{self, AcquireResource, AddToPhysmap, RemoveFromPhysmap, Reservation};
use xen_sys::sched::{RemoteShutdown, SCHEDOP_REMOTE_SHUTDOWN};
use xen_sys::xen::{
    DOMID_FIRST_RESERVED, HYPERVISOR_DM_OP, HYPERVISOR_HVM_OP, HYPERVISOR_MEMORY_OP, HYPERVISOR_SCHED_OP,
};

use crate::hypercall::{self, Errno, address, address_mut, check, raw};
pub use window::{Rights, Window};

const E2BIG: Errno = Errno(7);
const EINVAL: Errno = Errno(22);
const ESRCH: Errno = Errno(3);

/// Buffers of a [`dm_op`] at most, as in Xen.
const DM_OP_BUFFERS: usize = 3;

/// Another domain. Not this one: what is done to it cannot take memory away from this kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domain(u16);

impl Domain {
    /// The domain of a number. `ESRCH` if there is none, if it is this one, or if the number stands for something else.
    pub fn new(number: u16) -> Result<Self, Errno> {
        if number >= DOMID_FIRST_RESERVED {
            return Err(ESRCH);
        }
        // Xen looks for the domain first, and does not take the caller's own for a foreign one.
        // SAFETY: nothing is changed.
        let looked = unsafe { hypercall::mmu_update_foreign(&[], number) };
        looked.map(|()| Self(number)).map_err(|(_, errno)| errno)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// `HYPERVISOR_dm_op`: the first buffer says what to do. Xen reads and writes the buffers. `E2BIG` for more than three, `EFAULT`
/// for one that is too short, `ESRCH`, `EPERM`, and what the operation itself answers.
pub fn dm_op(domain: Domain, buffers: &mut [Vec<u8>]) -> Result<u64, Errno> {
    let mut list = [DmOpBuf::default(); DM_OP_BUFFERS];
    for (at, buffer) in buffers.iter_mut().enumerate() {
        let slot = list.get_mut(at).ok_or(E2BIG)?;
        *slot = DmOpBuf { h: address_mut(buffer.as_mut_slice()), size: buffer.len() as u64 };
    }
    let args = [domain.0.into(), buffers.len() as u64, address(&list), 0];
    // SAFETY: each entry of the list is a buffer of that length, lent for writing.
    check(unsafe { raw(HYPERVISOR_DM_OP, args) })
}

/// An operation of `HYPERVISOR_memory_op`.
///
/// # Safety
/// `argument` is the structure of `operation`; pointers in it lead to arrays that may be read and written as it says.
unsafe fn memory_op<T>(operation: u32, argument: &mut T) -> Result<u64, Errno> {
    // SAFETY: promised by the caller.
    check(unsafe { raw(HYPERVISOR_MEMORY_OP, [operation.into(), address_mut(argument), 0, 0]) })
}

fn reservation(domain: Domain, extents: &mut [u64], order: u32, flags: u32) -> Reservation {
    Reservation {
        extent_start: address_mut(extents),
        nr_extents: extents.len() as u64,
        extent_order: order,
        mem_flags: flags,
        domid: domain.0,
        pad: [0; 3],
    }
}

/// `XENMEM_populate_physmap`: gives a domain memory at guest frame numbers, `1 << order` pages each. Returns how many it got:
/// fewer than were asked for when there is no memory, or it may not have more.
pub fn populate_physmap(domain: Domain, extents: &mut [u64], order: u32, flags: u32) -> Result<u64, Errno> {
    let mut argument = reservation(domain, extents, order, flags);
    // SAFETY: the structure of the operation; the array has `nr_extents` numbers.
    unsafe { memory_op(memory::XENMEM_POPULATE_PHYSMAP, &mut argument) }
}

/// `XENMEM_decrease_reservation`: takes memory at guest frame numbers away from a domain. Returns how many extents went.
pub fn decrease_reservation(domain: Domain, extents: &mut [u64], order: u32) -> Result<u64, Errno> {
    let mut argument = reservation(domain, extents, order, 0);
    // SAFETY: as above; the memory is another domain's.
    unsafe { memory_op(memory::XENMEM_DECREASE_RESERVATION, &mut argument) }
}

/// `XENMEM_add_to_physmap`: has the page `idx` of a space of the domain (`XENMAPSPACE_*`) appear at a guest frame number of it.
pub fn add_to_physmap(domain: Domain, space: u32, idx: u64, gpfn: u64) -> Result<(), Errno> {
    let mut argument = AddToPhysmap { domid: domain.0, size: 0, space, idx, gpfn };
    // SAFETY: the structure of the operation, without pointers.
    unsafe { memory_op(memory::XENMEM_ADD_TO_PHYSMAP, &mut argument) }.map(drop)
}

/// `XENMEM_remove_from_physmap`: a guest frame number leads nowhere any more.
pub fn remove_from_physmap(domain: Domain, gpfn: u64) -> Result<(), Errno> {
    let mut argument = RemoveFromPhysmap { domid: domain.0, pad: [0; 3], gpfn };
    // SAFETY: as above.
    unsafe { memory_op(memory::XENMEM_REMOVE_FROM_PHYSMAP, &mut argument) }.map(drop)
}

/// `XENMEM_maximum_gpfn`: the highest guest frame number in use.
pub fn maximum_gpfn(domain: Domain) -> Result<u64, Errno> {
    // SAFETY: the argument of the operation.
    unsafe { memory_op(memory::XENMEM_MAXIMUM_GPFN, &mut domain.number()) }
}

/// `XENMEM_acquire_resource`: the machine frames of a resource of the domain (`XENMEM_RESOURCE_*`) from the frame `first` on.
/// `EINVAL` beyond its end, `ENOENT` or `EINVAL` if there is no such resource.
pub fn acquire_resource(
    domain: Domain,
    kind: u16,
    id: u32,
    first: u64,
    frames: &mut [u64],
) -> Result<(), Errno> {
    if frames.is_empty() {
        return Err(EINVAL);
    }
    let nr_frames = u32::try_from(frames.len()).map_err(|_| E2BIG)?;
    let frame_list = address_mut(frames);
    let mut argument =
        AcquireResource { domid: domain.0, kind, id, nr_frames, pad: 0, frame: first, frame_list };
    // SAFETY: the structure of the operation; the array has `nr_frames` numbers.
    unsafe { memory_op(memory::XENMEM_ACQUIRE_RESOURCE, &mut argument) }.map(drop)
}

/// How many frames a resource has; as [`acquire_resource`].
pub fn resource_size(domain: Domain, kind: u16, id: u32) -> Result<u32, Errno> {
    let mut argument = AcquireResource { domid: domain.0, kind, id, ..AcquireResource::default() };
    // SAFETY: the structure of the operation, without an array.
    unsafe { memory_op(memory::XENMEM_ACQUIRE_RESOURCE, &mut argument)? };
    Ok(argument.nr_frames)
}

fn param(operation: u32, argument: &mut Param) -> Result<(), Errno> {
    // SAFETY: the structure of the operation, without pointers.
    check(unsafe { raw(HYPERVISOR_HVM_OP, [operation.into(), address_mut(argument), 0, 0]) }).map(drop)
}

/// `HVMOP_get_param`
pub fn hvm_param(domain: Domain, index: u32) -> Result<u64, Errno> {
    let mut argument = Param { domid: domain.0, pad: 0, index, value: 0 };
    param(HVMOP_GET_PARAM, &mut argument)?;
    Ok(argument.value)
}

/// `HVMOP_set_param`
pub fn set_hvm_param(domain: Domain, index: u32, value: u64) -> Result<(), Errno> {
    param(HVMOP_SET_PARAM, &mut Param { domid: domain.0, pad: 0, index, value })
}

/// `SCHEDOP_remote_shutdown`: the domain ends for that reason (`SHUTDOWN_*`).
pub fn remote_shutdown(domain: Domain, reason: u32) -> Result<(), Errno> {
    let mut argument = RemoteShutdown { domain_id: domain.0, pad: 0, reason };
    let args = [SCHEDOP_REMOTE_SHUTDOWN.into(), address_mut(&mut argument), 0, 0];
    // SAFETY: the structure of the operation, without pointers.
    check(unsafe { raw(HYPERVISOR_SCHED_OP, args) }).map(drop)
}
