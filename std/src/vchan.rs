//! Byte streams to other domains, as libvchan makes them: [`Server`] and [`Client`].
//!
//! The two ends meet at a node of XenStore: the server's domain writes it, and it says which domain may come. dom0's end may
//! be `vchan-socket-proxy` of Xen's tools.

use core::fmt;
use core::time::Duration;

use minios::Xen;
use minios::sync::CpuLocal;
use xen::memory::RawPage;
use xen::{Clock, EventSeq, Events, Port};

pub use vchan::{Error as ChannelError, Sizes};
pub use xen::DomId;

use crate::{io, store};

/// How long the end of a connection waits for the other end to read what was written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a channel can not be had, or does not work any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// There is no XenStore.
    NoStore,
    /// No server came in time.
    TimedOut,
    /// The channel.
    Channel(ChannelError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStore => f.write_str("there is no XenStore"),
            Self::TimedOut => f.write_str("no server in time"),
            Self::Channel(error) => write!(f, "vchan: {error}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<ChannelError> for Error {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

/// A place where clients of one domain come, one at a time.
pub struct Server(CpuLocal<vchan::Server<Xen, RawPage>>);

/// A client that has come. Dropped, it is told that this is the end, after it was given time to read all.
pub struct Connection<'a>(&'a Server);

/// A connection to a server. Dropped, it ends.
pub struct Client(CpuLocal<vchan::Client<Xen>>);

impl Server {
    /// Offers a channel to the domain, below a node: absolute, or relative to this guest's own directory, where only
    /// `data/...` and what the toolstack has given can be written.
    pub fn new(client: DomId, path: &str, sizes: Sizes) -> Result<Self, Error> {
        let store = store::store().ok_or(Error::NoStore)?;
        Ok(Self(CpuLocal::new(vchan::Server::new(&Xen, store, client, path, sizes)?)))
    }

    /// Waits for the next client.
    pub fn accept(&mut self) -> Result<Connection<'_>, Error> {
        while !self.0.accept(None)? {}
        Ok(Connection(self))
    }
}

impl Connection<'_> {
    /// Reads some bytes, at most as many as fit; 0 is the end. Blocks until there are some.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, Error> {
        let server = &self.0.0;
        read(into, || server.wait_point(), |into| server.read(into))
    }

    /// Writes some of the bytes; returns how many. Blocks until there is room.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        let server = &self.0.0;
        block(bytes.is_empty(), || server.wait_point(), || server.write(bytes))
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.0.drain(deadline(LAST_WORDS));
        self.0.0.hang_up();
    }
}

impl Client {
    /// Connects to the server in a domain whose nodes are below an absolute path; waits for it, for so long at most.
    pub fn connect(server: DomId, path: &str, patience: Option<Duration>) -> Result<Self, Error> {
        let store = store::store().ok_or(Error::NoStore)?;
        let deadline = patience.and_then(deadline);
        let client = vchan::Client::open(&Xen, store, server, path, deadline)?.ok_or(Error::TimedOut)?;
        Ok(Self(CpuLocal::new(client)))
    }

    /// Reads some bytes, at most as many as fit; 0 is the end. Blocks until there are some.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, Error> {
        read(into, || self.0.wait_point(), |into| self.0.read(into))
    }

    /// Writes some of the bytes; returns how many. Blocks until there is room.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        block(bytes.is_empty(), || self.0.wait_point(), || self.0.write(bytes))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.drain(deadline(LAST_WORDS));
    }
}

fn deadline(after: Duration) -> Option<u64> {
    Some(Xen.now_ns().saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)))
}

fn read(
    into: &mut [u8],
    point: impl Fn() -> Option<(Port, EventSeq)>,
    read: impl Fn(&mut [u8]) -> Result<usize, ChannelError>,
) -> Result<usize, Error> {
    match block(into.is_empty(), point, || read(into)) {
        Err(Error::Channel(ChannelError::Closed)) => Ok(0),
        result => result,
    }
}

/// Tries until something moved.
fn block(
    is_nothing: bool,
    point: impl Fn() -> Option<(Port, EventSeq)>,
    mut act: impl FnMut() -> Result<usize, ChannelError>,
) -> Result<usize, Error> {
    loop {
        let point = point();
        let count = act()?;
        if count > 0 || is_nothing {
            return Ok(count);
        }
        Xen.wait(&[point.ok_or(ChannelError::Closed)?], None);
    }
}

macro_rules! stream {
    ($($stream:ty)*) => {
        $(
            impl io::Read for $stream {
                fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                    Ok((*self).read(buffer)?)
                }
            }

            impl io::Write for $stream {
                fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                    Ok((*self).write(bytes)?)
                }
            }
        )*
    };
}

stream! { &Connection<'_> &Client }
