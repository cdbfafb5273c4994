//! Another domain to test with: paused, with some memory and no vCPU. Only the initial domain can make one.

use alloc::format;
use alloc::string::String;
use core::arch::asm;

use minios::foreign::{self, Domain};
use minios::hypercall;

const CREATE: u32 = 1;
const DESTROY: u32 = 2;
const MAX_MEM: u32 = 11;

/// `struct xen_domctl`, whose interface is another for each Xen.
#[repr(C)]
struct Domctl {
    cmd: u32,
    version: u32,
    domain: u16,
    pad: [u16; 3],
    arguments: [u32; 32],
}

/// A domain. It is destroyed when it is dropped.
pub struct Other(pub Domain);

impl Other {
    /// Frames that it has, from 0 on.
    pub const FRAMES: u64 = 600;

    pub fn new() -> Result<Self, String> {
        const HVM_WITH_HAP: u32 = 3;
        const LOCAL_APIC: u32 = 1;
        let is_old = hypercall::xen_version() < (4 << 16 | 20);
        let mut create = Domctl::new(CREATE, 0);
        let arguments = &mut create.arguments;
        // After the security label and the handle: flags, no IOMMU, a vCPU at most, event channels, frames of grants and of maptrack.
        arguments[5..11].copy_from_slice(&[HVM_WITH_HAP, 0, 1, 64, 4, 4]);
        arguments[11] = 1;
        // The newer one has a field for altp2m in between.
        arguments[if is_old { 14 } else { 15 }] = LOCAL_APIC;
        create.issue().map_err(|errno| format!("no domain: errno {errno}"))?;
        let number = create.domain;
        let mut max_mem = Domctl::new(MAX_MEM, number);
        max_mem.arguments[0] = 8 << 10;
        let other =
            Domain::new(number).map(Self).map_err(|errno| format!("the new domain {number}: {errno}"))?;
        max_mem.issue().map_err(|errno| format!("max_mem: errno {errno}"))?;
        let mut frames: alloc::vec::Vec<u64> = (0..Self::FRAMES).collect();
        let populated = foreign::populate_physmap(other.0, &mut frames, 0, 0);
        if populated != Ok(Self::FRAMES) {
            return Err(format!("populate_physmap: {populated:?}"));
        }
        Ok(other)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Err(errno) = Domctl::new(DESTROY, self.0.number()).issue() {
            log::error!("destroydomain: errno {errno}");
        }
    }
}

impl Domctl {
    fn new(cmd: u32, domain: u16) -> Self {
        let version = if hypercall::xen_version() < (4 << 16 | 20) { 0x15 } else { 0x17 };
        Self { cmd, version, domain, pad: [0; 3], arguments: [0; 32] }
    }

    fn issue(&mut self) -> Result<(), i64> {
        const HYPERVISOR_DOMCTL: i64 = 36;
        let result: i64;
        // SAFETY: a hypercall with the structure of the operation, which has no pointers and is about another domain.
        unsafe {
            asm!("syscall", inlateout("rax") HYPERVISOR_DOMCTL => result, inlateout("rdi") &raw mut *self => _, lateout("rcx") _, lateout("r11") _, options(nostack))
        };
        if result < 0 { Err(-result) } else { Ok(()) }
    }
}
