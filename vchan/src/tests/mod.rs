//! Both ends on FakeXen: the server is the guest under test, the client is dom0.

mod hostile;
mod life;
mod model;
mod rings;

use std::string::String;
use std::vec::Vec;

use xen::fake::{FakeXen, Peer, World};
use xen::{DomId, GrantRef, Port, SharedPage};
use xenstore::fake::{FakeStore, FakeXenstored};

use crate::{Client, Error, Offer, Server, Sizes};

pub type FakeServer = Server<FakeXen, SharedPage<FakeXen>>;
pub type FakeClient = Client<Peer>;

pub const PATH: &str = "data/vchan";

/// The parts of a test; to be dropped from the last to the first.
pub struct Stage {
    pub store: FakeStore,
    pub xenstored: FakeXenstored,
    pub world: World,
}

impl Stage {
    pub fn new() -> Self {
        let world = World::new();
        let (xenstored, store) = FakeXenstored::start(&world);
        xenstored.set("/local/domain/5/domid", "5");
        Self { store, xenstored, world }
    }

    pub fn serve(&self, sizes: Sizes) -> FakeServer {
        Server::new(&*self.world, &self.store, DomId::DOM0, PATH, sizes).expect("nothing refuses")
    }

    pub fn node(&self, key: &str) -> Option<String> {
        node_of(&self.xenstored, key)
    }

    pub fn offer(&self) -> Option<Offer> {
        offer_of(&self.xenstored)
    }

    pub fn connect(&self) -> Result<FakeClient, Error> {
        let offer = self.offer().expect("there is an offer");
        Client::connect(&self.world.peer(DomId::DOM0), xenstore::fake::GUEST, offer)
    }

    /// Both ends of a connection.
    pub fn pair(&self, server: &FakeServer) -> FakeClient {
        let client = self.connect().expect("offered");
        assert_eq!(server.accept(Some(0)), Ok(true));
        client
    }
}

fn node_of(xenstored: &FakeXenstored, key: &str) -> Option<String> {
    xenstored.get(&format!("/local/domain/5/{PATH}/{key}"))
}

pub fn offer_of(xenstored: &FakeXenstored) -> Option<Offer> {
    let number = |key| node_of(xenstored, key)?.parse().ok();
    Some(Offer {
        ring_ref: GrantRef::new(number("ring-ref")?),
        event_channel: Port::new(number("event-channel")?),
    })
}

/// All that can be read now, and how it ended.
pub fn read_all(mut read: impl FnMut(&mut [u8]) -> Result<usize, Error>) -> (Vec<u8>, Result<(), Error>) {
    let (mut all, mut chunk) = (Vec::new(), [0; 300]);
    loop {
        match read(&mut chunk) {
            Ok(0) => return (all, Ok(())),
            Ok(len) => all.extend_from_slice(&chunk[..len]),
            Err(error) => return (all, Err(error)),
        }
    }
}

pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
