//! From Xen's entry to the application's main thread.

use core::arch::global_asm;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use alloc::string::String;
use xen_sys::xen::StartInfo;

use crate::{console, crash, entropy, events, grants, hypercall, memory, power, thread, time, trap};

// The notes by which the domain builder knows how to load the image (elfnote.h), and the entry: Xen jumps there with
// RSI = start_info and RSP in a stack of one page.
global_asm!(
    r#"
    .macro xen_note kind, size, value:vararg
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long 4, \size, \kind
        .asciz "Xen"
        .balign 4
        \value
        .balign 4
        .popsection
    .endm

    xen_note {ENTRY}, 8, .quad _start
    xen_note {VIRT_BASE}, 8, .quad {virt_base}
    xen_note {PADDR_OFFSET}, 8, .quad {virt_base}
    xen_note {XEN_VERSION}, 8, .asciz "xen-3.0"
    xen_note {GUEST_OS}, 7, .asciz "minios"
    xen_note {GUEST_VERSION}, 4, .asciz "0.1"
    xen_note {LOADER}, 8, .asciz "generic"
    xen_note {PAE_MODE}, 4, .asciz "yes"
    xen_note {L1_MFN_VALID}, 16, .quad 1, 1
    xen_note {FEATURES}, 1, .asciz ""
    xen_note {SUSPEND_CANCEL}, 4, .long 0

    .pushsection .text.start, "ax", @progbits
    .globl _start
_start:
    cld
    mov rdi, rsi
    mov rsi, rsp
    lea rsp, [rip + {stack} + {stack_len}]
    xor ebp, ebp
    call {start}
    ud2
    .popsection
    "#,
    ENTRY = const xen_sys::elfnote::ENTRY,
    VIRT_BASE = const xen_sys::elfnote::VIRT_BASE,
    PADDR_OFFSET = const xen_sys::elfnote::PADDR_OFFSET,
    XEN_VERSION = const xen_sys::elfnote::XEN_VERSION,
    GUEST_OS = const xen_sys::elfnote::GUEST_OS,
    GUEST_VERSION = const xen_sys::elfnote::GUEST_VERSION,
    LOADER = const xen_sys::elfnote::LOADER,
    PAE_MODE = const xen_sys::elfnote::PAE_MODE,
    L1_MFN_VALID = const xen_sys::elfnote::L1_MFN_VALID,
    FEATURES = const xen_sys::elfnote::FEATURES,
    SUSPEND_CANCEL = const xen_sys::elfnote::SUSPEND_CANCEL,
    virt_base = const memory::address::VIRT_BASE,
    stack = sym STACK,
    stack_len = const STACK_LEN,
    start = sym start,
);

const STACK_LEN: usize = 16 * 1024;

#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "the processor uses it")] core::cell::UnsafeCell<[u8; STACK_LEN]>);
// SAFETY: used by the boot code only, before there are threads.
unsafe impl Sync for Stack {}
static STACK: Stack = Stack(core::cell::UnsafeCell::new([0; STACK_LEN]));

static START_INFO: AtomicPtr<StartInfo> = AtomicPtr::new(core::ptr::null_mut());
static ENTERED_AT: AtomicU64 = AtomicU64::new(0);
static MAIN_AT: AtomicU64 = AtomicU64::new(0);

unsafe extern "Rust" {
    /// The application's main thread, made by [`entry!`](crate::entry).
    safe fn __minios_main();
}

/// Names the function that the main thread runs. When it returns, the guest powers off.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[allow(unsafe_code, reason = "the runtime finds the application by this name")]
        #[unsafe(no_mangle)]
        fn __minios_main() {
            let main: fn() = $main;
            main()
        }
    };
}

/// What Xen told this guest at boot.
pub fn info() -> &'static StartInfo {
    // SAFETY: set first thing in `start` to a page that stays mapped and that nobody writes after boot.
    unsafe { &*START_INFO.load(Ordering::Relaxed) }
}

/// Whether this guest is the initial domain (the smoke boot): no toolstack, no XenStore, no back ends.
pub fn is_initial_domain() -> bool {
    info().flags & xen_sys::xen::SIF_INITDOMAIN != 0
}

/// The kernel command line.
pub fn command_line() -> String {
    let line = &info().cmd_line;
    let len = line.iter().position(|byte| *byte == 0).unwrap_or(line.len());
    String::from_utf8_lossy(&line[..len]).into_owned()
}

/// The ramdisk of the xl.cfg, if there is one.
pub fn ramdisk() -> Option<&'static [u8]> {
    let info = info();
    if info.mod_start == 0 || info.mod_len == 0 || info.flags & xen_sys::xen::SIF_MOD_START_PFN != 0 {
        return None;
    }
    // SAFETY: the domain builder mapped it there; nothing else uses or changes those pages.
    Some(unsafe { core::slice::from_raw_parts(info.mod_start as *const u8, info.mod_len as usize) })
}

/// Nanoseconds between Xen's entry and the call of `main`.
pub fn entry_to_main_ns() -> u64 {
    MAIN_AT.load(Ordering::Relaxed).saturating_sub(ENTERED_AT.load(Ordering::Relaxed))
}

extern "C" fn start(start_info: *mut StartInfo, boot_rsp: u64) -> ! {
    START_INFO.store(start_info, Ordering::Relaxed);
    console::init_emergency(info());
    trap::init();
    if let Err(errno) = events::init(info().shared_info) {
        crash::give_up(format_args!("Xen refused to map shared_info: {errno}"));
    }
    ENTERED_AT.store(time::now_ns(), Ordering::Relaxed);
    hypercall::stop_periodic_timer();
    // SAFETY: once, here, with what Xen handed over.
    if let Err(error) = unsafe { memory::layout::init(info(), boot_rsp) } {
        crash::give_up(format_args!("{error}"));
    }
    entropy::init();
    grants::init();
    console::init_log();
    // The closure runs on a stack with a guard page; this one is never used again.
    thread::run_first(main_thread)
}

fn main_thread() {
    MAIN_AT.store(time::now_ns(), Ordering::Relaxed);
    __minios_main();
    power::shutdown(power::Reason::Poweroff)
}

/// What Xen offers to this guest, found at boot.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Version of Xen, major and minor.
    pub xen_version: (u32, u32),
    /// `XENFEAT_*` bits.
    pub features: u32,
    /// Grant table frames at most.
    pub max_grant_frames: u32,
    /// Whether the processor has RDRAND.
    pub rdrand: bool,
}

/// Asks Xen and the processor.
pub fn capabilities() -> Capabilities {
    let version = hypercall::xen_version();
    Capabilities {
        xen_version: (version >> 16, version & 0xffff),
        features: hypercall::xen_features(),
        max_grant_frames: hypercall::grant_table_size().map_or(0, |(_, max)| max),
        rdrand: entropy::has_rdrand(),
    }
}
