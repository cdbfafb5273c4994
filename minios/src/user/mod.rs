//! User mode: programs that run beside the kernel, behind page tables of their own.
//!
//! | type | what it is |
//! |---|---|
//! | [`Context`] | the registers of a user thread, FPU and segments included; [`Context::run`] enters user mode |
//! | [`Exit`] | why it came back |
//! | [`UserTables`] | a process's page tables, without any kernel mapping |
//!
//! A user thread is a kernel thread that runs a context in a loop. Event delivery is unmasked in user mode alone: a pending
//! event, the timer's among them, ends a run with [`Exit::Event`]. `run` itself lets other threads run when an event made one
//! ready, and comes back. [`clock`] has the page from which user code tells the time.
//!
//! User code cannot set its segment bases itself (CR4.FSGSBASE is off): they are the kernel's to set and to remember. Bad
//! selectors, a bad RIP and the like fault in Xen's return to user mode, and come back as [`Exit::Exception`].

pub mod clock;
mod context;
mod cut;
pub(crate) mod entry;
mod foreign;
mod fpu;
mod loaded;
mod release;
mod tables;
mod timer;
mod update;
mod walk;

pub use clock::time_page;
pub use context::{Context, Exit};
pub use entry::Registers;
pub use foreign::{Counting, ForeignLeaf, Grant};
pub use fpu::{FpuError, components as fpu_components, len as fpu_len};
pub use tables::{Fork, Leaf, Mapped, Prot, USER_END, UserTables, table_pages};
pub(crate) use timer::note_event;
pub use timer::preempt;

use crate::{crash, events, hypercall};

static READY: spin::Once<()> = spin::Once::new();

/// Makes the processor and Xen ready for user mode; the first context does.
fn init() {
    READY.call_once(|| {
        fpu::init();
        // SAFETY: that stack is the entry stubs' own.
        if let Err(errno) = unsafe { hypercall::stack_switch(entry::entry_stack_top()) } {
            crash::give_up(format_args!("Xen refused the stack for entries from user mode: {errno}"));
        }
        timer::init();
        if let Err(error) = cut::init() {
            crash::give_up(format_args!("memory= is too small for user mode: {error}"));
        }
    });
}

/// Looks at events and lets a thread run that they made ready, if any are pending; whether any were. For who cannot let others run
/// in [`Context::run`], and enters by [`Context::enter`].
pub fn settle() -> bool {
    let pending = events::pending();
    if pending {
        preempt();
    }
    pending
}
