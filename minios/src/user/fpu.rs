//! The FPU state of user code: an image in the processor's own format, XSAVE where there is one.
//!
//! The kernel uses no FPU, so the state of who ran last stays in the registers until another context runs.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::memory::paging::MapError;

/// Bytes of the part that FXSAVE writes.
const LEGACY_LEN: usize = 512;
/// Where the header of XSAVE begins, and how long it is.
const HEADER: usize = 512;
const HEADER_LEN: usize = 64;
const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
const MXCSR_DEFAULT: u32 = 0x1f80;
const CONTROL_DEFAULT: u16 = 0x37f;

/// Components of XCR0 that user code gets: x87, SSE, AVX, and the three of AVX-512.
const WANTED: u64 = 0b1110_0111;
const X87_SSE: u64 = 0b11;
const AVX: u64 = 0b100;
const AVX512: u64 = 0b1110_0000;

/// What this processor has: bytes of an image, components (0: no XSAVE), and the bits that MXCSR may have.
static LEN: AtomicU64 = AtomicU64::new(LEGACY_LEN as u64);
static COMPONENTS: AtomicU64 = AtomicU64::new(0);
static MXCSR_BITS: AtomicU32 = AtomicU32::new(0xffbf);

/// No image of the FPU, that of a signal frame, say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FpuError {
    /// It has so many bytes, too few for an image.
    Length(usize),
}

impl core::fmt::Display for FpuError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self::Length(len) = self;
        write!(f, "an FPU image of {len} bytes is too short")
    }
}

/// Bytes of an image of the FPU: 512 without XSAVE.
pub fn len() -> usize {
    LEN.load(Ordering::Relaxed) as usize
}

/// The components in an image, as in XCR0; 0 without XSAVE.
pub fn components() -> u64 {
    COMPONENTS.load(Ordering::Relaxed)
}

/// Asks the processor through Xen, whose answers are those for this guest.
pub(super) fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let (a, b, c, d);
    // SAFETY: `ud2a`, "xen", CPUID: Xen's forced emulation of CPUID; it touches no memory.
    unsafe {
        asm!(
            "mov {saved:r}, rbx",
            ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2",
            "xchg {saved:r}, rbx",
            saved = out(reg) b,
            inlateout("eax") leaf => a,
            inlateout("ecx") subleaf => c,
            lateout("edx") d,
            options(nomem, nostack),
        )
    };
    [a, b, c, d]
}

/// Finds out what there is and turns it on.
pub(super) fn init() {
    crate::hypercall::allow_fpu();
    let has_xsave = cpuid(1, 0)[2] >> 26 & 1 == 1;
    control(has_xsave);
    if has_xsave {
        let [low, _, _, high] = cpuid(0xd, 0);
        let offered = u64::from(high) << 32 | u64::from(low);
        let mut components = offered & WANTED;
        if components & AVX == 0 || components & AVX512 != AVX512 {
            components &= !AVX512;
        }
        if components & X87_SSE == X87_SSE {
            // SAFETY: Xen offers these components, and they are consistent.
            unsafe {
                asm!("xsetbv", in("ecx") 0, in("eax") components as u32, in("edx") (components >> 32) as u32, options(nomem, nostack))
            };
            let len = cpuid(0xd, 0)[1] as usize;
            if (HEADER + HEADER_LEN..=16 * 1024).contains(&len) {
                LEN.store(len as u64, Ordering::Relaxed);
                COMPONENTS.store(components, Ordering::Relaxed);
            }
        }
    }
    #[repr(align(16))]
    struct Legacy([u8; LEGACY_LEN]);
    let mut image = Legacy([0; LEGACY_LEN]);
    // SAFETY: 512 writable bytes, aligned to 16.
    unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut image, options(nostack)) };
    let mask = image.0[MXCSR_MASK..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    if mask != 0 {
        MXCSR_BITS.store(mask, Ordering::Relaxed);
    }
}

/// CR4 as user code is to see it: XSAVE on; its own changes of segment bases and a trapping TSC off.
fn control(has_xsave: bool) {
    const TSD: u64 = 1 << 2;
    const FSGSBASE: u64 = 1 << 16;
    const OSXSAVE: u64 = 1 << 18;
    let mut cr4: u64;
    // SAFETY: Xen emulates the instruction.
    unsafe { asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack)) };
    cr4 &= !(TSD | FSGSBASE | OSXSAVE);
    if has_xsave {
        cr4 |= OSXSAVE;
    }
    // SAFETY: Xen emulates the instruction and takes only bits that a guest may choose.
    unsafe { asm!("mov cr4, {}", in(reg) cr4, options(nomem, nostack)) };
}

/// An image of the FPU, always one that the processor can load.
pub(super) struct Image(NonNull<u8>);

// SAFETY: it owns its memory.
unsafe impl Send for Image {}
// SAFETY: shared references only read it.
unsafe impl Sync for Image {}

impl Image {
    fn layout() -> Layout {
        Layout::from_size_align(len(), 64).expect("a few KiB, aligned to 64")
    }

    /// The state after power-on, as a new program finds it.
    pub fn new() -> Result<Self, MapError> {
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc_zeroed(Self::layout()) };
        let image = Self(NonNull::new(memory).ok_or(MapError::OutOfMemory)?);
        image.reset();
        Ok(image)
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: allocated with this length, initialised.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr(), len()) }
    }

    #[expect(clippy::mut_from_ref, reason = "private; no two at a time, and none beside `bytes`")]
    fn bytes_mut(&self) -> &mut [u8] {
        // SAFETY: as above; the callers hold no other reference, and nobody else runs.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_ptr(), len()) }
    }

    pub fn reset(&self) {
        let bytes = self.bytes_mut();
        bytes.fill(0);
        bytes[..2].copy_from_slice(&CONTROL_DEFAULT.to_le_bytes());
        bytes[MXCSR..MXCSR + 4].copy_from_slice(&MXCSR_DEFAULT.to_le_bytes());
    }

    pub fn copy_from(&self, other: &Self) {
        self.bytes_mut().copy_from_slice(other.bytes());
    }

    /// Takes an image that user code made: what the processor would refuse is put right. One that ends after the part of
    /// FXSAVE leaves the rest as after power-on.
    pub fn set(&self, from: &[u8]) -> Result<(), FpuError> {
        if from.len() < LEGACY_LEN {
            return Err(FpuError::Length(from.len()));
        }
        let components = components();
        let bytes = self.bytes_mut();
        let whole = from.len() >= bytes.len();
        let taken = if whole { bytes.len() } else { LEGACY_LEN };
        bytes[taken..].fill(0);
        bytes[..taken].copy_from_slice(&from[..taken]);
        let bits = MXCSR_BITS.load(Ordering::Relaxed).to_le_bytes();
        for (byte, bits) in bytes[MXCSR..MXCSR + 4].iter_mut().zip(bits) {
            *byte &= bits;
        }
        if components != 0 {
            let state = bytes[HEADER..].first_chunk().map_or(0, |state| u64::from_le_bytes(*state));
            let state = if whole { state & components } else { X87_SSE };
            bytes[HEADER..HEADER + 8].copy_from_slice(&state.to_le_bytes());
            bytes[HEADER + 8..HEADER + HEADER_LEN].fill(0);
        }
        Ok(())
    }

    /// From the registers.
    pub fn save(&self) {
        let at = self.0.as_ptr();
        if components() == 0 {
            // SAFETY: 512 bytes of ours, aligned.
            unsafe { asm!("fxsave64 [{}]", in(reg) at, options(nostack)) };
        } else {
            // SAFETY: as long as the processor said, aligned to 64.
            unsafe {
                asm!("xsave64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack))
            };
        }
    }

    /// To the registers.
    pub fn restore(&self) {
        let at = self.0.as_ptr();
        if components() == 0 {
            // SAFETY: an image that is valid by construction.
            unsafe { asm!("fxrstor64 [{}]", in(reg) at, options(nostack, readonly)) };
        } else {
            // SAFETY: an image that is valid by construction.
            unsafe {
                asm!("xrstor64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack, readonly))
            };
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.0.as_ptr(), Self::layout()) }
    }
}
