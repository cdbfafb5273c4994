//! Who is told of every change of a socket, as `poll` and epoll need it: wakers tell once, an observer tells always.

use alloc::sync::Arc;

/// What may have become possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is more to read, or a caller to accept.
    Readable,
    /// There is room to write again.
    Writable,
    /// The connection is established, ended or broken: look at everything.
    State,
}

/// Is told of changes of a socket, while the stack does something: it must not call the stack.
pub trait Observer: Send + Sync {
    /// Something changed.
    fn changed(&self, change: Change);
}

/// An observer, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Observed(pub(crate) Option<Arc<dyn Observer>>);

impl Observed {
    pub(crate) fn tell(&self, change: Change) {
        if let Some(observer) = &self.0 {
            observer.changed(change);
        }
    }
}
