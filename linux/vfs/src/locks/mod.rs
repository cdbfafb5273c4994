//! Locks (stub).
#[derive(Default)]
pub struct Locks;
