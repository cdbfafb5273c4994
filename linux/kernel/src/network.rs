//! The way from sockets to the guest's network stack, which the native runtime owns and polls.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_base::{Errno, Result};
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

    fn ready(&self) -> Result<()> {
        ensure_up()
    }

    fn sender(&self) -> Option<(u32, u32, u32)> {
        let thread = crate::host::current()?;
        let credentials = thread.credentials();
        Some((thread.process().pid(), credentials.uid.real, credentials.gid.real))
    }
}

/// A stack with the loopback interface alone, where the runtime's cannot be.
fn without_network(f: &mut dyn FnMut(&mut dyn Net)) {
    let mut stack = minios_std::net::Stack::new(minios::entropy::random_u64());
    f(&mut stack);
}

/// Of a thread that connects interfaces: smoltcp makes one, 17 KiB, on the stack, and copies it; 40 KiB were not enough with little
/// optimization.
pub const STACK_LEN: usize = 80 * 1024;

/// Brings the network up, if it is not yet; waits for it. A socket's call must not find it down: making an interface takes
/// more stack than a task's thread has, and connecting it waits. `ENOMEM` without memory for a thread that does it.
pub fn ensure_up() -> Result<()> {
    static IS_UP: AtomicBool = AtomicBool::new(false);
    if IS_UP.load(Ordering::Relaxed) {
        return Ok(());
    }
    let bring_up = || {
        if let Err(error) = minios_std::net::up() {
            log::error!("network: {error}");
        }
    };
    match minios::thread::Builder::new("network").stack_len(STACK_LEN).spawn(bring_up) {
        Ok(thread) => {
            thread.join();
            IS_UP.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => {
            log::error!("network: {error}");
            Err(Errno::ENOMEM)
        }
    }
}

static SOCKETS: Once<Arc<Sockets>> = Once::new();

/// What makes sockets.
pub fn sockets() -> &'static Arc<Sockets> {
    SOCKETS.call_once(|| Sockets::new(Arc::new(Guest)))
}

/// Has programs that listen told of interfaces that come and go (`xl network-attach`).
pub fn follow() {
    minios_std::net::on_change(|status, presence| {
        // Before the first socket nobody listens.
        if let Some(sockets) = SOCKETS.get() {
            sockets.link_changed(status, presence == minios_std::net::Presence::Here);
        }
    });
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
    /// Whether its device is there.
    pub is_up: bool,
    /// What its device has carried; loopback counts nothing.
    pub counters: minios_std::net::DeviceStats,
}

/// The interfaces.
pub fn interfaces() -> Vec<Interface> {
    if ensure_up().is_err() {
        return Vec::new();
    }
    let found = minios_std::net::interfaces().unwrap_or_default();
    // The numbers of those that were removed are free.
    let named = found.into_iter().map(|status| Interface {
        number: status.index.get() as u32 + 1,
        name: status.index.get().checked_sub(1).map_or("lo".into(), |number| format!("eth{number}")),
        mac: status.mac.unwrap_or_default(),
        addresses: status.addresses,
        mtu: if status.mac.is_none() { 65536 } else { status.mtu },
        is_up: status.up,
        counters: minios_std::net::device_stats_of(status.index).unwrap_or_default(),
    });
    named.collect()
}
