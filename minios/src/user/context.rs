//! A user thread's registers, and the run of user mode on them.

use alloc::alloc::{Layout, alloc, dealloc};
use core::ptr::NonNull;

use xen_sys::x86::{FLAT_USER_CS, FLAT_USER_SS, VGCF_IN_SYSCALL};

use super::entry::{self, Registers};
use super::fpu::{FpuError, Image};
use super::loaded::{self, Selectors};
use super::{UserTables, timer};
use crate::memory::paging::MapError;
use crate::{crash, events};

/// Flags that user code may set itself, but for IF: CF PF AF ZF SF TF DF OF AC ID.
const USER_FLAGS: u64 = 0x24_0dd5;
const TRAP_FLAG: u64 = 0x100;
/// IF, and the bit that is always set.
const FIXED_FLAGS: u64 = 0x202;

/// Why user mode came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A `syscall` instruction: number and arguments are in the registers, RIP is behind it.
    Syscall,
    /// A system call of 32-bit code (`syscall` there, or `sysenter`), which this kernel does not have.
    /// After `sysenter` RIP and RSP are lost.
    Compat,
    /// An exception.
    Exception {
        /// Which; 13 for software interrupts, privileged instructions, and registers that cannot be loaded.
        vector: u8,
        /// Its error code; 0 for one that has none.
        error: u32,
        /// CR2, for a page fault.
        address: u64,
    },
    /// An event is pending, maybe the timer's; the next run looks at it first. Or other threads have run: user mode is not
    /// entered then before the caller has looked for signals.
    Event,
}

/// What a context has in memory. Another context's run may save the FPU and the selectors here while the thread of this one
/// waits, so those are reached by pointer, never by a reference that is held.
pub(super) struct State {
    pub registers: Registers,
    pub selectors: Selectors,
    pub image: Image,
}

/// What the processor holds of a user thread.
pub struct Context(NonNull<State>);

// SAFETY: it owns its state.
unsafe impl Send for Context {}
// SAFETY: shared references only read registers, which nobody else writes.
unsafe impl Sync for Context {}

impl Context {
    /// All registers 0, but for the segments and flags; the FPU as after power-on.
    pub fn new() -> Result<Self, MapError> {
        super::init();
        let image = Image::new()?;
        Self::with(State { registers: fresh_registers(), selectors: Selectors::default(), image })
    }

    fn with(state: State) -> Result<Self, MapError> {
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc(Layout::new::<State>()) };
        let place = NonNull::new(memory.cast::<State>()).ok_or(MapError::OutOfMemory)?;
        // SAFETY: allocated just now, for this.
        unsafe { place.write(state) };
        Ok(Self(place))
    }

    /// A copy, FPU state included: the registers of a forked thread.
    pub fn duplicate(&mut self) -> Result<Self, MapError> {
        self.save();
        let image = Image::new()?;
        image.copy_from(self.image());
        // SAFETY: ours, and nobody runs meanwhile.
        let selectors = unsafe { (*self.0.as_ptr()).selectors };
        Self::with(State { registers: *self.registers(), selectors, image })
    }

    /// From the processor, if it has what is newer.
    fn save(&mut self) {
        // SAFETY: alive as long as this context.
        unsafe { loaded::save(self.0) };
    }

    fn image(&self) -> &Image {
        // SAFETY: alive as long as this context; its bytes change through pointers only.
        unsafe { &(*self.0.as_ptr()).image }
    }

    /// As a new one: for a new program in the same thread.
    pub fn reset(&mut self) {
        loaded::disown(self.0);
        self.image().reset();
        *self.registers_mut() = fresh_registers();
        // SAFETY: ours, and nobody saves to a context that is not in the processor.
        unsafe { (*self.0.as_ptr()).selectors = Selectors::default() };
    }

    /// The registers.
    pub fn registers(&self) -> &Registers {
        // SAFETY: written by this context's run alone, which borrows it mutably.
        unsafe { &(*self.0.as_ptr()).registers }
    }

    /// The registers, to change.
    pub fn registers_mut(&mut self) -> &mut Registers {
        // SAFETY: as above, and borrowed mutably.
        unsafe { &mut (*self.0.as_ptr()).registers }
    }

    /// The FPU's image (the standard format of XSAVE, or FXSAVE's 512 bytes), for a signal frame.
    pub fn fpu(&mut self) -> &[u8] {
        self.save();
        self.image().bytes()
    }

    /// Sets the FPU from an image that user code had its hands on; what the processor would refuse is put right.
    pub fn set_fpu(&mut self, image: &[u8]) -> Result<(), FpuError> {
        self.save();
        self.image().set(image)?;
        loaded::disown(self.0);
        Ok(())
    }

    /// The FPU as after power-on: for a signal handler.
    pub fn reset_fpu(&mut self) {
        self.save();
        self.image().reset();
        loaded::disown(self.0);
    }

    /// Runs user code until it comes back. Looks at pending events before, and lets a thread run that they made ready; then it
    /// comes back without having entered user mode.
    pub fn run(&mut self, tables: &UserTables) -> Exit {
        if events::pending() && timer::preempt() {
            // Others ran: there may be a signal for this thread now.
            return Exit::Event;
        }
        self.enter(tables)
    }

    /// Runs user code until it comes back, at once: no other thread runs before, so a lock of the tables may be held. A pending
    /// event makes it come back with [`Exit::Event`].
    pub fn enter(&mut self, tables: &UserTables) -> Exit {
        timer::arm();
        let Some(top) = tables.top_frame() else {
            // Nothing was ever mapped: what user mode would do first is fault on its first instruction.
            return Exit::Exception { vector: 14, error: 0x14, address: self.registers().rip };
        };
        // SAFETY: alive; tables that are committed are pinned.
        if let Err(errno) = unsafe { loaded::load(self.0, top) } {
            crash::give_up(format_args!("Xen refused to load page tables of user mode: {errno}"));
        }
        let registers = self.registers_mut();
        sanitise(registers);
        // SAFETY: the tables are loaded; the registers are this context's, borrowed mutably.
        let (reason, error) = unsafe { entry::enter(registers) };
        match reason {
            entry::SYSCALL => Exit::Syscall,
            entry::EVENT => Exit::Event,
            entry::COMPAT => Exit::Compat,
            vector => {
                let address = if vector == 14 { events::fault_address() } else { 0 };
                Exit::Exception { vector: vector as u8, error: error as u32, address }
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        loaded::disown(self.0);
        // SAFETY: made by `with`, and nobody refers to it any more.
        unsafe { self.0.drop_in_place() };
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.0.as_ptr().cast(), Layout::new::<State>()) };
    }
}

fn fresh_registers() -> Registers {
    Registers {
        cs: FLAT_USER_CS.into(),
        ss: FLAT_USER_SS.into(),
        rflags: FIXED_FLAGS,
        ..Registers::default()
    }
}

/// Lets nothing into the frame that would be more than user code can do itself, and chooses how to return: by SYSRET where
/// the registers are as `syscall` left them.
fn sanitise(registers: &mut Registers) {
    registers.rflags = registers.rflags & USER_FLAGS | FIXED_FLAGS;
    registers.cs = registers.cs & 0xffff | 3;
    registers.ss = registers.ss & 0xffff | 3;
    let as_after_syscall = registers.rcx == registers.rip
        && registers.r11 == registers.rflags
        && registers.rflags & TRAP_FLAG == 0
        && registers.cs == u64::from(FLAT_USER_CS)
        && registers.ss == u64::from(FLAT_USER_SS)
        && registers.rip < super::USER_END;
    registers.flags = if as_after_syscall { VGCF_IN_SYSCALL } else { 0 };
}
