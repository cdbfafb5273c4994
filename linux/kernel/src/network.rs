//! The way from sockets to the guest's network stack, which the native runtime owns and polls.

use alloc::sync::Arc;

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
