//! TCP, UDP, names. The interfaces come up at the first use, by the options of the command line (see `options.rs`).
//!
//! A socket belongs to the guest's one [`net::Stack`]. Calls that wait park the thread with a waker that the stack calls;
//! a thread of its own polls the stack when a back end has news, when a timer is due, or when a call left something to send.

mod address;
mod options;
pub mod raw;
mod start;
mod tcp;
mod udp;
mod vifs;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::{Context, Poll};

use minios::Xen;
use minios::thread;

use crate::store::XenbusDevice;
use crate::time::{Duration, Instant};

pub use crate::hotplug::Presence;
pub use address::ToSocketAddrs;
pub use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
pub use net::{Cidr, Error, IfIndex, IfStatus, PingReply, Result, TcpOptions, TcpState, UdpOptions};
pub use netfront::Stats as DeviceStats;
pub use start::{device_stats, device_stats_of, up};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;

/// The driver of an interface.
pub type Device = netfront::NetFront<Xen, XenbusDevice>;
/// The guest's network stack.
pub type Stack = net::Stack<Device>;

/// The moment after so much time, as deadlines are given.
fn deadline(timeout: Option<Duration>) -> Option<u64> {
    timeout.map(|timeout| (Instant::recent() + timeout).as_nanos())
}

/// Does something with the stack, and has it polled if that left something to send. For who builds sockets of another kind on it;
/// `f` must not wait.
pub fn with<R>(f: impl FnOnce(&mut Stack) -> R) -> Result<R> {
    let network = start::network()?;
    let mut stack = network.stack.lock();
    let result = f(&mut stack);
    // What goes to this machine itself arrives at once.
    let next = stack.poll_loopback(minios::time::now_ns());
    if stack.needs_poll() || next.is_some_and(|next| network.comes_too_late(next)) {
        network.kick();
    }
    Ok(result)
}

/// Parks until an operation is done, or fails with [`Error::TimedOut`].
fn wait_for<R>(
    timeout: Option<Duration>,
    mut operation: impl FnMut(&mut Stack, &mut Context<'_>) -> Poll<Result<R>>,
) -> Result<R> {
    let outcome = thread::block_on(deadline(timeout), |cx| match with(|stack| operation(stack, cx)) {
        Ok(poll) => poll,
        Err(error) => Poll::Ready(Err(error)),
    });
    outcome.unwrap_or(Err(Error::TimedOut))
}

static ON_CHANGE: spin::Once<fn(&IfStatus, Presence)> = spin::Once::new();

/// Has `tell` called for each interface that comes or goes while the guest runs (`xl network-attach`). The first call counts.
pub fn on_change(tell: fn(&IfStatus, Presence)) {
    ON_CHANGE.call_once(|| tell);
}

/// What the interfaces look like now; the loopback interface is the first.
pub fn interfaces() -> Result<Vec<IfStatus>> {
    with(Stack::interfaces)
}

/// Waits until an interface besides loopback has an address, and says what it looks like.
pub fn wait_configured(timeout: Option<Duration>) -> Result<IfStatus> {
    let first = with(Stack::interfaces)?.into_iter().nth(1).ok_or(Error::NoSuchInterface(1))?;
    wait_for(timeout, |stack, cx| stack.poll_configured(first.index, cx))
}

/// The addresses of a name, by DNS; an address in text form is itself.
pub fn lookup_host(name: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(alloc::vec![address]);
    }
    let query = with(|stack| stack.dns_query(name))??;
    wait_for(None, |stack, cx| stack.dns_poll(query, cx))
}

/// Sends an ICMP echo request and waits for the answer.
pub fn ping(to: IpAddr, payload: &[u8], timeout: Duration) -> Result<PingReply> {
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let ping = with(|stack| stack.ping(to, payload, nanos))??;
    wait_for(None, |stack, cx| stack.ping_poll(ping, cx))
}

/// The name for messages of the n-th vif.
fn interface_name(id: u32) -> String {
    alloc::format!("vif{id}")
}
