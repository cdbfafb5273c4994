//! What threads wait on: [`WaitQueue`], and built from it [`Mutex`], [`Condvar`] and [`channel`].
//!
//! [`SpinLock`] is for data that nobody holds across a wait; with one vCPU it is never contended.

pub mod channel;
mod condvar;
mod mutex;
mod wait;

pub use condvar::Condvar;
pub use mutex::{Mutex, MutexGuard};
pub use wait::WaitQueue;

/// A lock that spins. Never hold it across anything that may wait.
pub type SpinLock<T> = spin::Mutex<T>;

mod cpu_local;
pub use cpu_local::CpuLocal;
