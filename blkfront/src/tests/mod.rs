//! The driver on FakeXen, against `fake::FakeDisk`.

mod ahead;
mod asynchronous;
mod basic;
mod discard;
mod durable;
mod flush;
mod hostile;
mod life;
mod merging;
mod plug;
mod refusal;
mod transport;

use xen::DomId;
use xen::fake::{FakeDevice, FakeXen, World};

use crate::fake::FakeDisk;
use crate::{BlkFront, Config, Error};

type Front = BlkFront<FakeXen, FakeDevice>;

/// A world with one disk in it. Drop the front end before it.
struct Bench {
    disk: FakeDisk,
    device: FakeDevice,
    world: World,
}

impl Bench {
    fn new(size: usize, sector_size: usize) -> Self {
        let world = World::new();
        let device = FakeDevice::new(&world, "vbd/51712", 51712, DomId::DOM0);
        let disk = FakeDisk::attach(&world, &device, size, sector_size);
        Self { disk, device, world }
    }

    fn try_connect(&self, config: Config) -> Result<Front, Error> {
        BlkFront::connect(self.world.clone(), self.device.clone(), config)
    }

    fn connect_with(&self, config: Config) -> Front {
        self.try_connect(config).expect("the back end is there")
    }

    fn connect(&self) -> Front {
        self.connect_with(config())
    }

    fn is_durable(&self) -> bool {
        let disk = self.disk.get();
        disk.durable == disk.content
    }

    /// Closes, and checks that nothing was out of order.
    fn finish(self, front: Front) {
        front.close().expect("the back end closes");
        assert_eq!(front.stats().patrols, 0, "a wake-up was lost");
        drop(front);
        assert_eq!(self.disk.get().complaints, Vec::<String>::new());
        assert_eq!(self.world.pages_in_use(), 0, "pages are quarantined");
    }
}

/// A lost wake-up ends in an error, not in a test that hangs. Nothing is accepted that can not go out.
fn config() -> Config {
    Config { answer_timeout_ns: Some(60_000_000_000), backlog: 0, ..Config::default() }
}

/// Bytes that differ everywhere.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|at| (at as u32).wrapping_mul(2_654_435_761).rotate_left(9) as u8 ^ seed).collect()
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
