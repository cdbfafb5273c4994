//! The way from sockets to the guest's network stack, which the native runtime owns and polls.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_socket::{Net, NetHost, Sockets};
use spin::Once;

struct Guest;

impl NetHost for Guest {
    fn with(&self, f: &mut dyn FnMut(&mut dyn Net)) {
        // Without an interface the stack still has its loopback; an error is a guest without memory for its threads.
        if minios_std::net::with(|stack| f(stack)).is_err() {
            without_network(f);
        }
    }
}

/// A stack with the loopback interface alone, where the runtime's cannot be.
fn without_network(f: &mut dyn FnMut(&mut dyn Net)) {
    let mut stack = minios_std::net::Stack::new(minios::entropy::random_u64());
    f(&mut stack);
}

static SOCKETS: Once<Arc<Sockets>> = Once::new();

/// What makes sockets.
pub fn sockets() -> &'static Arc<Sockets> {
    SOCKETS.call_once(|| Sockets::new(Arc::new(Guest)))
}

/// An interface, as programs know it.
pub struct Interface {
    /// Its number, from 1.
    pub number: u32,
    /// `lo`, `eth0` and so on.
    pub name: String,
    /// Hardware address; zeroes for loopback.
    pub mac: [u8; 6],
    /// Its addresses.
    pub addresses: Vec<minios_std::net::Cidr>,
    /// The longest IP packet.
    pub mtu: usize,
}

/// The interfaces; none as long as nobody has used the network.
pub fn interfaces() -> Vec<Interface> {
    let found = minios_std::net::interfaces().unwrap_or_default();
    let named = found.into_iter().enumerate().map(|(place, status)| Interface {
        number: place as u32 + 1,
        name: if place == 0 { "lo".into() } else { format!("eth{}", place - 1) },
        mac: status.mac.unwrap_or_default(),
        addresses: status.addresses,
        mtu: if place == 0 { 65536 } else { status.mtu },
    });
    named.collect()
}
