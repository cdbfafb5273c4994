//! A value that only the threads of one vCPU touch.

use core::ops::{Deref, DerefMut};

/// Makes a value that is not `Sync` (a `RefCell`, an `Rc`, a driver) shareable between the threads of a vCPU.
///
/// Those threads are cooperative: none is interrupted while it uses the value. A borrow that is held across a wait is a
/// bug that `RefCell` reports. With several vCPUs this type would note the vCPU that made it and refuse others.
pub struct CpuLocal<T>(T);

// SAFETY: a guest has one vCPU, and threads change on it only where one of them waits or yields.
unsafe impl<T> Send for CpuLocal<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for CpuLocal<T> {}

impl<T> CpuLocal<T> {
    /// A value of this vCPU.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for CpuLocal<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CpuLocal<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
