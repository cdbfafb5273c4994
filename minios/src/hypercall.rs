//! Hypercalls: an inline `syscall`, and a typed function per operation that the runtime uses.
//!
//! Number in RAX, arguments in RDI RSI RDX R10 R8; Xen clobbers RCX and R11. No hypercall page (XSA-466).

use core::arch::asm;

use xen_sys::{event_channel as evtchn, grant_table, sched, vcpu, x86, xen};

/// Xen's errno of a failed hypercall, positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "errno {}", self.0)
    }
}

/// Hypercalls made since boot, for statistics.
static COUNT: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

/// Hypercalls made since boot.
pub fn count() -> u64 {
    COUNT.load(core::sync::atomic::Ordering::Relaxed)
}

/// Issues a hypercall.
///
/// # Safety
/// The operation and its arguments must be ones that keep Rust's memory and this kernel's state intact.
pub(crate) unsafe fn raw(number: usize, args: [u64; 4]) -> i64 {
    COUNT.store(count() + 1, core::sync::atomic::Ordering::Relaxed);
    let result: i64;
    // SAFETY: the ABI of a PV hypercall; what it does to memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as i64 => result,
            inlateout("rdi") args[0] => _,
            inlateout("rsi") args[1] => _,
            inlateout("rdx") args[2] => _,
            inlateout("r10") args[3] => _,
            lateout("rcx") _, lateout("r11") _, lateout("r8") _,
            options(nostack),
        );
    }
    result
}

pub(crate) fn check(result: i64) -> Result<u64, Errno> {
    if result < 0 { Err(Errno(-(result as i32))) } else { Ok(result as u64) }
}

pub(crate) fn address<T: ?Sized>(value: &T) -> u64 {
    core::ptr::from_ref(value).cast::<u8>() as u64
}

pub(crate) fn address_mut<T: ?Sized>(value: &mut T) -> u64 {
    core::ptr::from_mut(value).cast::<u8>() as u64
}

/// Writes to Xen's own console; a release Xen shows it for the initial domain only.
pub fn console_write(bytes: &[u8]) {
    // SAFETY: Xen reads the bytes.
    let _ = unsafe {
        raw(xen::HYPERVISOR_CONSOLE_IO, [xen::CONSOLEIO_WRITE.into(), bytes.len() as u64, address(bytes), 0])
    };
}

/// Ends the domain; returns only if Xen refuses.
pub fn shutdown(reason: u32) {
    let argument = sched::Shutdown { reason };
    // SAFETY: nothing runs afterwards.
    let _ =
        unsafe { raw(xen::HYPERVISOR_SCHED_OP, [sched::SCHEDOP_SHUTDOWN.into(), address(&argument), 0, 0]) };
}

/// Gives the physical CPU to another vCPU for a moment.
pub fn yield_cpu() {
    // SAFETY: no memory is touched.
    let _ = unsafe { raw(xen::HYPERVISOR_SCHED_OP, [sched::SCHEDOP_YIELD.into(), 0, 0, 0]) };
}

/// Blocks until an event is pending on one of the ports, or until the system time `timeout_ns` (0: for ever).
pub fn poll(ports: &[u32], timeout_ns: u64) -> Result<(), Errno> {
    let argument =
        sched::Poll { ports: address(ports), nr_ports: ports.len() as u32, pad: 0, timeout: timeout_ns };
    // SAFETY: Xen reads the argument and the ports.
    check(unsafe { raw(xen::HYPERVISOR_SCHED_OP, [sched::SCHEDOP_POLL.into(), address(&argument), 0, 0]) })
        .map(drop)
}

/// `EVTCHNOP_bind_virq` of this vCPU.
pub fn bind_virq(virq: u32) -> Result<u32, Errno> {
    let mut argument = evtchn::BindVirq { virq, vcpu: 0, port: 0 };
    // SAFETY: the structure of the operation; a new channel disturbs none.
    unsafe { event_channel(evtchn::EVTCHNOP_BIND_VIRQ, &mut argument)? };
    Ok(argument.port)
}

/// An event channel operation with its argument structure.
///
/// # Safety
/// `argument` is the structure of `operation`, which has no pointers; the operation leaves no channel in use dangling.
unsafe fn event_channel<T>(operation: u32, argument: &mut T) -> Result<(), Errno> {
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_EVENT_CHANNEL_OP, [operation.into(), address_mut(argument), 0, 0]) })
        .map(drop)
}

/// `EVTCHNOP_alloc_unbound`
pub fn alloc_unbound(remote_dom: u16) -> Result<u32, Errno> {
    let mut argument = evtchn::AllocUnbound { dom: xen::DOMID_SELF, remote_dom, port: 0 };
    // SAFETY: the structure of the operation; a new channel disturbs none.
    unsafe { event_channel(evtchn::EVTCHNOP_ALLOC_UNBOUND, &mut argument)? };
    Ok(argument.port)
}

/// `EVTCHNOP_bind_interdomain`
pub fn bind_interdomain(remote_dom: u16, remote_port: u32) -> Result<u32, Errno> {
    let mut argument = evtchn::BindInterdomain { remote_dom, pad: 0, remote_port, local_port: 0 };
    // SAFETY: as above.
    unsafe { event_channel(evtchn::EVTCHNOP_BIND_INTERDOMAIN, &mut argument)? };
    Ok(argument.local_port)
}

/// `EVTCHNOP_close`
pub fn close(port: u32) -> Result<(), Errno> {
    // SAFETY: the structure of the operation; events on a closed port just stop.
    unsafe { event_channel(evtchn::EVTCHNOP_CLOSE, &mut evtchn::Close { port }) }
}

/// `EVTCHNOP_send`
pub fn send(port: u32) -> Result<(), Errno> {
    // SAFETY: the structure of the operation; it only raises an event.
    unsafe { event_channel(evtchn::EVTCHNOP_SEND, &mut evtchn::Send { port }) }
}

/// Changes page-table entries; all or an error.
///
/// # Safety
/// No live Rust reference loses its memory or its permissions by it.
pub unsafe fn mmu_update(updates: &[xen::MmuUpdate]) -> Result<(), Errno> {
    if updates.is_empty() {
        return Ok(());
    }
    let mut done = 0u32;
    let args = [address(updates), updates.len() as u64, address_mut(&mut done), xen::DOMID_SELF.into()];
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_MMU_UPDATE, args) })?;
    if done as usize == updates.len() { Ok(()) } else { Err(Errno(22)) }
}

/// Changes last-level entries to lead to frames of the domain `owner`, in order. Where Xen refuses one it ends: how many came before.
///
/// # Safety
/// As for [`mmu_update`].
pub unsafe fn mmu_update_foreign(updates: &[xen::MmuUpdate], owner: u16) -> Result<(), (usize, Errno)> {
    let mut done = 0u32;
    let args = [address(updates), updates.len() as u64, address_mut(&mut done), owner.into()];
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_MMU_UPDATE, args) }).map(drop).map_err(|errno| (done as usize, errno))
}

/// Changes the entry that maps `address` and flushes it from the TLB.
///
/// # Safety
/// As for [`mmu_update`].
pub unsafe fn update_va_mapping(address: u64, entry: u64) -> Result<(), Errno> {
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_UPDATE_VA_MAPPING, [address, entry, xen::UVMF_INVLPG, 0]) }).map(drop)
}

/// Flushes the whole local TLB.
pub fn flush_tlb() -> Result<(), Errno> {
    let operation = xen::MmuextOp { cmd: xen::MMUEXT_TLB_FLUSH_LOCAL, ..Default::default() };
    // SAFETY: a flush changes no mapping.
    check(unsafe { raw(xen::HYPERVISOR_MMUEXT_OP, [address(&operation), 1, 0, xen::DOMID_SELF.into()]) })
        .map(drop)
}

/// `MMUEXT_SET_LDT`: `entries` descriptors at `address`; none at 0.
///
/// # Safety
/// No segment register that is still needed refers to a descriptor that goes away.
pub unsafe fn set_ldt(address: u64, entries: u64) -> Result<(), Errno> {
    let operation = xen::MmuextOp { cmd: xen::MMUEXT_SET_LDT, pad: 0, arg1: address, arg2: entries };
    let args = [self::address(&operation), 1, 0, xen::DOMID_SELF.into()];
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_MMUEXT_OP, args) }).map(drop)
}

/// Registers the exception handlers; the table ends with an entry of zeroes.
///
/// # Safety
/// The addresses are entry stubs for Xen's exception frames.
pub unsafe fn set_trap_table(table: &[x86::TrapInfo]) -> Result<(), Errno> {
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_SET_TRAP_TABLE, [address(table), 0, 0, 0]) }).map(drop)
}

/// Registers a callback (`CALLBACKTYPE_*`).
///
/// # Safety
/// `entry` is a stub for the frame of that callback.
pub unsafe fn register_callback(kind: u16, entry: u64) -> Result<(), Errno> {
    // Xen masks events itself when it delivers one, and knows no such flag there.
    let flags = if kind == x86::CALLBACKTYPE_EVENT { 0 } else { x86::CALLBACKF_MASK_EVENTS };
    let argument = x86::CallbackRegister { kind, flags, pad: 0, address: entry };
    let args = [x86::CALLBACKOP_REGISTER.into(), address(&argument), 0, 0];
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_CALLBACK_OP, args) }).map(drop)
}

/// `GNTTABOP_query_size`: (frames now, frames at most).
pub fn grant_table_size() -> Result<(u32, u32), Errno> {
    let mut argument = grant_table::QuerySize { dom: xen::DOMID_SELF, ..Default::default() };
    let args = [grant_table::GNTTABOP_QUERY_SIZE.into(), address_mut(&mut argument), 1, 0];
    // SAFETY: Xen fills the structure.
    check(unsafe { raw(xen::HYPERVISOR_GRANT_TABLE_OP, args) })?;
    if argument.status != 0 { Err(Errno(22)) } else { Ok((argument.nr_frames, argument.max_nr_frames)) }
}

/// `GNTTABOP_setup_table`: grows the table to `frames.len()` frames and fills in their machine frame numbers.
pub fn grant_table_setup(frames: &mut [u64]) -> Result<(), Errno> {
    let mut argument = grant_table::SetupTable {
        dom: xen::DOMID_SELF,
        pad: 0,
        nr_frames: frames.len() as u32,
        status: 0,
        pad2: [0; 3],
        frame_list: address_mut(frames),
    };
    let args = [grant_table::GNTTABOP_SETUP_TABLE.into(), address_mut(&mut argument), 1, 0];
    // SAFETY: Xen fills the structure and `nr_frames` numbers.
    check(unsafe { raw(xen::HYPERVISOR_GRANT_TABLE_OP, args) })?;
    if argument.status != 0 { Err(Errno(22)) } else { Ok(()) }
}

/// `GNTTABOP_set_version`
pub fn grant_table_set_version(version: u32) -> Result<(), Errno> {
    let mut argument = grant_table::SetVersion { version };
    let args = [grant_table::GNTTABOP_SET_VERSION.into(), address_mut(&mut argument), 1, 0];
    // SAFETY: done before any grant is in use.
    check(unsafe { raw(xen::HYPERVISOR_GRANT_TABLE_OP, args) }).map(drop)
}

/// `GNTTABOP_map_grant_ref`; each operation has a status of its own.
///
/// # Safety
/// Each `host_addr` is reserved for the page, and nothing is mapped there.
pub unsafe fn grant_map(operations: &mut [grant_table::MapGrantRef]) -> Result<(), Errno> {
    let count = operations.len() as u64;
    let args = [grant_table::GNTTABOP_MAP_GRANT_REF.into(), address_mut(operations), count, 0];
    // SAFETY: promised by the caller; Xen fills the structure.
    check(unsafe { raw(xen::HYPERVISOR_GRANT_TABLE_OP, args) }).map(drop)
}

/// `GNTTABOP_unmap_grant_ref`; each operation has a status of its own.
///
/// # Safety
/// Nobody uses the mappings any more.
pub unsafe fn grant_unmap(operations: &mut [grant_table::UnmapGrantRef]) -> Result<(), Errno> {
    let count = operations.len() as u64;
    let args = [grant_table::GNTTABOP_UNMAP_GRANT_REF.into(), address_mut(operations), count, 0];
    // SAFETY: promised by the caller; Xen fills the structure.
    check(unsafe { raw(xen::HYPERVISOR_GRANT_TABLE_OP, args) }).map(drop)
}

/// `XENVER_version`: major << 16 | minor.
pub fn xen_version() -> u32 {
    // SAFETY: no memory is touched.
    unsafe { raw(xen::HYPERVISOR_XEN_VERSION, [xen_sys::version::XENVER_VERSION.into(), 0, 0, 0]) as u32 }
}

/// `XENVER_get_features`, the first 32 bits of `XENFEAT_*`.
pub fn xen_features() -> u32 {
    let mut argument = xen_sys::version::FeatureInfo::default();
    let args = [xen_sys::version::XENVER_GET_FEATURES.into(), address_mut(&mut argument), 0, 0];
    // SAFETY: Xen fills the structure.
    match check(unsafe { raw(xen::HYPERVISOR_XEN_VERSION, args) }) {
        Ok(_) => argument.submap,
        Err(_) => 0,
    }
}

/// What Xen says of itself (`XENVER_*`); the buffer is as long as the answer of that operation, empty where the result is all.
/// `ENOSYS` for another length or operation.
pub fn version_info(operation: u32, buffer: &mut [u8]) -> Result<u64, Errno> {
    use xen_sys::version as abi;
    let len = match operation {
        abi::XENVER_VERSION | abi::XENVER_PAGESIZE => 0,
        abi::XENVER_EXTRAVERSION | abi::XENVER_GUEST_HANDLE => 16,
        abi::XENVER_COMPILE_INFO => 144,
        abi::XENVER_CAPABILITIES => 1024,
        abi::XENVER_CHANGESET => 64,
        abi::XENVER_PLATFORM_PARAMETERS | abi::XENVER_GET_FEATURES => 8,
        _ => return Err(Errno(38)),
    };
    if buffer.len() != len {
        return Err(Errno(38));
    }
    // Where there is nothing to fill, there is no pointer either.
    let argument = if len == 0 { 0 } else { address_mut(buffer) };
    // SAFETY: Xen fills as many bytes as the buffer has.
    check(unsafe { raw(xen::HYPERVISOR_XEN_VERSION, [operation.into(), argument, 0, 0]) })
}

/// How long this vCPU has been running, runnable, blocked and offline, in nanoseconds.
pub fn runstate() -> Option<[u64; 4]> {
    let mut info = vcpu::RunstateInfo::default();
    let args = [vcpu::VCPUOP_GET_RUNSTATE_INFO.into(), 0, address_mut(&mut info), 0];
    // SAFETY: Xen fills the structure.
    check(unsafe { raw(xen::HYPERVISOR_VCPU_OP, args) }).ok().map(|_| info.time)
}

/// Stops the periodic tick that a new vCPU has.
pub fn stop_periodic_timer() {
    // SAFETY: no memory is touched.
    let _ = unsafe { raw(xen::HYPERVISOR_VCPU_OP, [vcpu::VCPUOP_STOP_PERIODIC_TIMER.into(), 0, 0, 0]) };
}

/// Has the timer event of this vCPU raised at a system time.
pub fn set_singleshot_timer(timeout_abs_ns: u64) -> Result<(), Errno> {
    let argument = vcpu::SetSingleshotTimer { timeout_abs_ns, flags: 0, pad: 0 };
    let args = [vcpu::VCPUOP_SET_SINGLESHOT_TIMER.into(), 0, address(&argument), 0];
    // SAFETY: Xen reads the structure.
    check(unsafe { raw(xen::HYPERVISOR_VCPU_OP, args) }).map(drop)
}

/// Has Xen keep a copy of `vcpu_time_info` at a virtual address.
///
/// # Safety
/// The address stays mapped writable, and nobody else uses the structure's memory.
pub unsafe fn register_time_area(addr: u64) -> Result<(), Errno> {
    let argument = vcpu::RegisterTimeMemoryArea { addr };
    let args = [vcpu::VCPUOP_REGISTER_VCPU_TIME_MEMORY_AREA.into(), 0, address(&argument), 0];
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_VCPU_OP, args) }).map(drop)
}

/// Names the stack that entries from user mode begin on.
///
/// # Safety
/// The memory below `top` is the entry stubs' own.
pub unsafe fn stack_switch(top: u64) -> Result<(), Errno> {
    // SAFETY: promised by the caller.
    check(unsafe { raw(xen::HYPERVISOR_STACK_SWITCH, [x86::FLAT_KERNEL_SS.into(), top, 0, 0]) }).map(drop)
}

/// Clears the task-switched flag: no use of the FPU traps to this kernel.
pub fn allow_fpu() {
    // SAFETY: no memory is touched.
    let _ = unsafe { raw(xen::HYPERVISOR_FPU_TASKSWITCH, [0; 4]) };
}

/// Hypercalls that travel together. Arguments that are pointers must live until [`Multicall::issue`].
pub struct Multicall<const N: usize> {
    entries: [xen::MulticallEntry; N],
    len: usize,
}

impl<const N: usize> Multicall<N> {
    /// None yet.
    pub fn new() -> Self {
        Self { entries: [xen::MulticallEntry::default(); N], len: 0 }
    }

    fn push(&mut self, op: usize, args: [u64; 4]) {
        let [a, b, c, d] = args;
        self.entries[self.len] = xen::MulticallEntry { op: op as u64, result: 0, args: [a, b, c, d, 0, 0] };
        self.len += 1;
    }

    /// Adds updates of page tables.
    pub fn mmu_update(&mut self, updates: &[xen::MmuUpdate]) {
        let args = [address(updates), updates.len() as u64, 0, xen::DOMID_SELF.into()];
        self.push(xen::HYPERVISOR_MMU_UPDATE, args);
    }

    /// Adds updates of last-level entries that are to lead to frames of the domain `owner`; `done` gets how many were made.
    pub fn mmu_update_foreign(&mut self, updates: &[xen::MmuUpdate], done: &mut u32, owner: u16) {
        let args = [address(updates), updates.len() as u64, address_mut(done), owner.into()];
        self.push(xen::HYPERVISOR_MMU_UPDATE, args);
    }

    /// Adds operations on page tables and the TLB.
    pub fn mmuext(&mut self, operations: &[xen::MmuextOp]) {
        let args = [address(operations), operations.len() as u64, 0, xen::DOMID_SELF.into()];
        self.push(xen::HYPERVISOR_MMUEXT_OP, args);
    }

    /// Adds a segment base of user mode (`SEGBASE_*`).
    pub fn set_segment_base(&mut self, which: u32, base: u64) {
        self.push(xen::HYPERVISOR_SET_SEGMENT_BASE, [which.into(), base, 0, 0]);
    }

    /// Issues them, one alone without the detour; the first error of any.
    ///
    /// # Safety
    /// As for each of the operations, in their order.
    pub unsafe fn issue(&mut self) -> Result<(), Errno> {
        let entries = &mut self.entries[..core::mem::take(&mut self.len)];
        match entries {
            [] => return Ok(()),
            [only] => {
                let [a, b, c, d, ..] = only.args;
                // SAFETY: promised by the caller.
                return check(unsafe { raw(only.op as usize, [a, b, c, d]) }).map(drop);
            }
            _ => {}
        }
        let args = [address_mut(entries), entries.len() as u64, 0, 0];
        // SAFETY: promised by the caller.
        check(unsafe { raw(xen::HYPERVISOR_MULTICALL, args) })?;
        entries.iter().try_for_each(|entry| check(entry.result as i64).map(drop))
    }
}

impl<const N: usize> Default for Multicall<N> {
    fn default() -> Self {
        Self::new()
    }
}
