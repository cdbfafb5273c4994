//! The client against the fake xenstored.

mod client;
mod follow;
mod hostile;
mod session;
mod sessions;
mod transaction;
mod watch;
mod wire;
mod xenbus;

use xen::fake::World;

use crate::fake::{FakeStore, FakeXenstored};

/// Numbers that look random and are the same at each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }
}

fn start(world: &World) -> (FakeXenstored, FakeStore) {
    FakeXenstored::start(world)
}
