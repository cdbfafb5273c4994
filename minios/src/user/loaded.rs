//! What of user mode is in the processor: page tables, and the context whose FPU and segments are live.

use core::arch::asm;
use core::cell::Cell;
use core::ptr::{NonNull, null_mut};

use xen_sys::x86::{SEGBASE_FS, SEGBASE_GS_USER, SEGBASE_GS_USER_SEL};
use xen_sys::xen::{MMUEXT_NEW_USER_BASEPTR, MMUEXT_TLB_FLUSH_LOCAL, MmuextOp};

use super::context::State;
use crate::hypercall::{Errno, Multicall};
use crate::memory::Mfn;
use crate::sync::CpuLocal;

struct Loaded {
    /// Machine frame of the top table that user mode runs on; 0: none.
    tables: Cell<u64>,
    /// The context that ran last. What it has in the registers is newer than what it has in memory.
    owner: Cell<*mut State>,
    fs_base: Cell<u64>,
    gs_base: Cell<u64>,
}

static LOADED: CpuLocal<Loaded> = CpuLocal::new(Loaded {
    tables: Cell::new(0),
    owner: Cell::new(null_mut()),
    fs_base: Cell::new(0),
    gs_base: Cell::new(0),
});

/// The selectors that user code may load; it needs none of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Selectors {
    ds: u16,
    es: u16,
    fs: u16,
    gs: u16,
}

impl Selectors {
    fn read() -> Self {
        let (ds, es, fs, gs): (u16, u16, u16, u16);
        // SAFETY: reads four registers.
        unsafe {
            asm!("mov {:x}, ds", "mov {:x}, es", "mov {:x}, fs", "mov {:x}, gs", out(reg) ds, out(reg) es, out(reg) fs, out(reg) gs, options(nomem, nostack, preserves_flags))
        };
        Self { ds, es, fs, gs }
    }
}

/// Whether user mode would run on the table in this frame.
pub(super) fn is_loaded(top: Mfn) -> bool {
    LOADED.tables.get() == top.0
}

/// The table goes away, and the caller makes Xen forget it.
pub(super) fn forget_tables() {
    LOADED.tables.set(0);
}

/// Whether the registers hold this context's state.
fn is_owner(context: NonNull<State>) -> bool {
    core::ptr::eq(LOADED.owner.get(), context.as_ptr())
}

/// What the registers hold is no longer wanted.
pub(super) fn disown(context: NonNull<State>) {
    if is_owner(context) {
        LOADED.owner.set(null_mut());
    }
}

/// Copies what is in the registers to the context, if it is its own; it stays live.
///
/// # Safety
/// The context is alive.
pub(super) unsafe fn save(context: NonNull<State>) {
    if is_owner(context) {
        let state = context.as_ptr();
        // SAFETY: alive; nobody holds a reference to the image's bytes while others run.
        unsafe { (*state).image.save() };
        // SAFETY: alive; reached by pointers only.
        unsafe { (&raw mut (*state).selectors).write(Selectors::read()) };
    }
}

/// Makes user mode run with this context on these tables: one hypercall at most, none if both ran last.
///
/// # Safety
/// The context is alive; `top` is a pinned top-level table for user mode.
pub(super) unsafe fn load(context: NonNull<State>, top: Mfn) -> Result<(), Errno> {
    let state = context.as_ptr();
    let mut calls = Multicall::<4>::new();
    let tables = [
        MmuextOp { cmd: MMUEXT_NEW_USER_BASEPTR, pad: 0, arg1: top.0, arg2: 0 },
        // Mappings of user mode are global: they outlive a change of tables.
        MmuextOp { cmd: MMUEXT_TLB_FLUSH_LOCAL, ..Default::default() },
    ];
    if !is_loaded(top) {
        calls.mmuext(&tables);
    }
    let mut known = true;
    if !is_owner(context) {
        if let Some(last) = NonNull::new(LOADED.owner.get()) {
            // SAFETY: a context disowns when it is dropped.
            unsafe { save(last) };
        }
        // SAFETY: promised by the caller.
        unsafe { (*state).image.restore() };
        LOADED.owner.set(state);
        // SAFETY: as above.
        load_selectors(unsafe { (*state).selectors }, &mut calls);
        // By loading a selector user code may have made a base 0 (and no other: the GDT's segments are flat).
        known = false;
    }
    // SAFETY: promised by the caller.
    let (fs_base, gs_base) = unsafe { ((*state).registers.fs_base, (*state).registers.gs_base) };
    for (which, base, loaded) in
        [(SEGBASE_FS, fs_base, &LOADED.fs_base), (SEGBASE_GS_USER, gs_base, &LOADED.gs_base)]
    {
        // Xen refuses a base that is not canonical.
        let base = if base < super::USER_END { base } else { 0 };
        if base != loaded.get() || !known && base != 0 {
            calls.set_segment_base(which, base);
            loaded.set(base);
        }
    }
    // SAFETY: a table of user mode holds no kernel mapping; the bases are user mode's.
    unsafe { calls.issue()? };
    LOADED.tables.set(top.0);
    Ok(())
}

/// Loads the selectors that are not there already. Those of a context were loaded by its own code before, so they are valid.
fn load_selectors(wanted: Selectors, calls: &mut Multicall<4>) {
    let live = Selectors::read();
    if wanted == live {
        return;
    }
    // SAFETY: valid selectors; in 64-bit mode the kernel depends on none of these.
    unsafe {
        asm!("mov ds, {:x}", "mov es, {:x}", "mov fs, {:x}", in(reg) wanted.ds, in(reg) wanted.es, in(reg) wanted.fs, options(nomem, nostack, preserves_flags))
    };
    LOADED.fs_base.set(0);
    if wanted.gs != live.gs {
        calls.set_segment_base(SEGBASE_GS_USER_SEL, wanted.gs.into());
        LOADED.gs_base.set(0);
    }
}
