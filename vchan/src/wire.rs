//! The page that the two ends share (`io/libxenvchan.h`), and the sizes of its rings.

use xen::{PAGE_SIZE, PeerMisbehaved, SharedMemory};
use xen_sys::io::libxenvchan as abi;

use crate::Error;

/// What is asked for in a notification word.
pub const WRITTEN: u8 = abi::VCHAN_NOTIFY_WRITE;
pub const READ: u8 = abi::VCHAN_NOTIFY_READ;
/// What the client's byte holds before the first one has come, and while one is there.
pub const NOT_YET: u8 = 2;
pub const LIVE: u8 = 1;

/// `cli_live`, `srv_live`, `cli_notify` and `srv_notify` are one word for us: both ends change it, so we change it
/// atomically, a byte at a time.
const FLAGS: usize = abi::CLI_LIVE;

/// Rings of these orders lie in the shared page.
const SMALL: u32 = 10;
const LARGE: u32 = 11;
/// Rings from here on have pages of their own.
const PAGE: u32 = 12;
/// More grants than for two of this order do not fit in the page.
const LARGEST: u32 = 20;

/// The longest ring, in bytes.
pub const RING_MAX: usize = 1 << LARGEST;

/// Which end of the channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    fn live(self) -> u32 {
        match self {
            Self::Client => 0,
            Self::Server => 8 * (abi::SRV_LIVE - FLAGS) as u32,
        }
    }

    /// The bits that this side sets when it wants to hear of what the other does.
    fn wishes(self) -> u32 {
        match self {
            // `cli_notify` says when the client shall notify.
            Self::Server => 8 * (abi::CLI_NOTIFY - FLAGS) as u32,
            Self::Client => 8 * (abi::SRV_NOTIFY - FLAGS) as u32,
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// What the side's byte says: 0 is gone.
pub fn live<M: SharedMemory>(page: &M, side: Side) -> u8 {
    (page.load_u32(FLAGS) >> side.live()) as u8
}

/// The side is there from now on. The byte is never 0 meanwhile.
pub fn arrive<M: SharedMemory>(page: &M, side: Side) {
    page.fetch_or_u32(FLAGS, u32::from(LIVE) << side.live());
    page.fetch_and_u32(FLAGS, !(u32::from(!LIVE) << side.live()));
}

/// The side is gone.
pub fn leave<M: SharedMemory>(page: &M, side: Side) {
    page.fetch_and_u32(FLAGS, !(0xff << side.live()));
}

/// The side wants to be notified once. A full fence: look at the ring again after it.
pub fn ask<M: SharedMemory>(page: &M, side: Side, wish: u8) {
    page.fetch_or_u32(FLAGS, u32::from(wish) << side.wishes());
}

/// Whether the side wants to be notified; the wish is granted by that. A full fence before it.
pub fn take_wish<M: SharedMemory>(page: &M, side: Side, wish: u8) -> bool {
    let bit = u32::from(wish) << side.wishes();
    page.fetch_and_u32(FLAGS, !bit) & bit != 0
}

/// The sizes of the two rings, by their powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Orders {
    /// What the client writes.
    pub left: u32,
    /// What the server writes.
    pub right: u32,
}

impl Orders {
    /// The smallest rings for so many bytes each: inside of the page, where that is possible.
    pub fn of(left: usize, right: usize) -> Result<Self, Error> {
        if let Some(len) = [left, right].into_iter().find(|len| *len > RING_MAX) {
            return Err(Error::TooLong(len));
        }
        let whole = |len: usize| len.max(PAGE_SIZE).next_power_of_two().trailing_zeros();
        let fits = |len: usize, order: u32| len <= 1 << order;
        let (left, right) = match () {
            () if fits(left, SMALL) && fits(right, LARGE) => (SMALL, LARGE),
            () if fits(left, LARGE) && fits(right, SMALL) => (LARGE, SMALL),
            () if fits(left, LARGE) => (LARGE, whole(right)),
            () if fits(right, LARGE) => (whole(left), LARGE),
            () => (whole(left), whole(right)),
        };
        Ok(Self { left, right })
    }

    /// What the server has written.
    pub fn read<M: SharedMemory>(page: &M) -> Result<Self, PeerMisbehaved> {
        let word = page.load_u32(abi::LEFT_ORDER);
        let orders = Self { left: word & 0xffff, right: word >> 16 };
        let lie = |what, value: u32| Err(PeerMisbehaved { what, value: value.into() });
        for order in [orders.left, orders.right] {
            if !(SMALL..=LARGEST).contains(&order) {
                return lie("ring order", order);
            }
        }
        if orders.left == orders.right && orders.left < PAGE {
            return lie("two rings at one place, of order", orders.left);
        }
        // The list of grants ends before the first ring in the page.
        let first = if orders.left == SMALL || orders.right == SMALL { 1 << SMALL } else { 1 << LARGE };
        let room = if orders.left.min(orders.right) < PAGE { first } else { PAGE_SIZE };
        let pages = pages(orders.left) + pages(orders.right);
        if abi::GRANTS + 4 * pages > room {
            return lie("list of grants that reaches into a ring, pages", pages as u32);
        }
        Ok(orders)
    }
}

/// Makes a server's zeroed page ready for a client.
pub fn prepare<M: SharedMemory>(page: &M, orders: Orders) {
    page.store_u32(abi::LEFT_ORDER, orders.left | orders.right << 16);
    page.fetch_or_u32(
        FLAGS,
        u32::from(NOT_YET) << Side::Client.live() | u32::from(LIVE) << Side::Server.live(),
    );
    ask(page, Side::Server, WRITTEN);
}

/// Pages of its own that a ring has.
pub fn pages(order: u32) -> usize {
    if order < PAGE { 0 } else { 1 << (order - PAGE) }
}

/// Where a reference is in the list of grants.
pub fn grant(index: usize) -> usize {
    abi::GRANTS + 4 * index
}

/// Where a ring in the page begins.
pub fn place(order: u32) -> usize {
    1 << order
}
