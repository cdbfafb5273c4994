//! What a server does: an address, a backlog, callers.

use alloc::sync::Arc;

use linux_base::abi::net as abi;
use linux_base::{Errno, Result, WaitQueue};
use net::Local;

use super::options::tcp_options;
use super::{Phase, Tcp};
use crate::address::{Address, parse_inet};
use crate::caller::Caller;
use crate::inet::{any, claim, scope};
use crate::network::errno;
use crate::options::table::SOCKET;
use crate::ports::Protocol;
use crate::socket::{Inner, Socket, Told};

/// The most callers that wait to be accepted (`net.core.somaxconn`).
const MOST_CALLERS: i32 = 4096;

impl Tcp {
    pub(crate) fn bind(&self, socket: &Socket, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let address = parse_inet(socket.domain(), address)?;
        let mut state = self.0.lock();
        if state.claim.is_some() || !matches!(state.phase, Phase::Idle) {
            return Err(Errno::EINVAL);
        }
        let (claim, local) = claim(socket, caller, Protocol::Tcp, address)?;
        (state.claim, state.local) = (Some(claim), Some(local));
        Ok(())
    }

    pub(crate) fn listen(&self, socket: &Socket, caller: &dyn Caller, backlog: i32) -> Result<()> {
        // As many as the backlog says and one more wait with Linux.
        let callers = if (0..MOST_CALLERS).contains(&backlog) { backlog } else { MOST_CALLERS } as usize + 1;
        let host = socket.sockets().host();
        let mut state = self.0.lock();
        match state.phase {
            Phase::Listening(id) => {
                return host.call(|net| net.set_backlog(id, callers)).map_err(|error| errno(&error));
            }
            Phase::Idle => {}
            _ => return Err(Errno::EINVAL),
        }
        if state.claim.is_none() {
            let (claim, local) = claim(socket, caller, Protocol::Tcp, any(socket))?;
            (state.claim, state.local) = (Some(claim), Some(local));
        }
        let (Some(local), Some(claim)) = (state.local, &state.claim) else { return Err(Errno::EINVAL) };
        let at = Local {
            addr: Some(local.ip()).filter(|ip| !ip.is_unspecified()),
            port: claim.port(),
            scope: scope(socket),
            shared: socket.options().is_set(SOCKET, abi::SO_REUSEPORT),
        };
        let options = tcp_options(socket);
        let id = host
            .call(|net| net.listen(at, callers, options, socket.told()))
            .map_err(|error| errno(&error))?;
        claim.set_listening();
        state.phase = Phase::Listening(id);
        Ok(())
    }

    pub(crate) fn accept(&self, socket: &Socket) -> Result<(Arc<Socket>, Address)> {
        let Phase::Listening(id) = self.0.lock().phase else { return Err(Errno::EINVAL) };
        let queue = WaitQueue::new();
        let told = || -> Arc<dyn net::Observer> { Arc::new(Told(queue.clone())) };
        let accepted = socket.sockets().host().call(|net| net.accept(id, &told));
        let (id, local, peer) = accepted.map_err(|error| errno(&error))?;
        let tcp = Self::in_phase(Phase::Open(id), Some(local), Some(peer));
        let address = Address::inet(socket.domain(), peer);
        let accepted = socket.accepted(Inner::Tcp(tcp), queue);
        Ok((accepted, address))
    }
}
