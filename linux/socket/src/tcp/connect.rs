//! How a connection is made, and how an attempt ends.

use core::net::SocketAddr;

use linux_base::{Errno, Result};
use net::{Error, TcpState};

use super::options::tcp_options;
use super::{Phase, State, Tcp};
use crate::address::{family, parse_inet};
use crate::caller::Caller;
use crate::inet::{destination, unspecified};
use crate::network::errno;
use crate::numbers::AF_UNSPEC;
use crate::ports::Claim;
use crate::socket::Socket;

impl Tcp {
    pub(crate) fn connect(&self, socket: &Socket, _caller: &dyn Caller, address: &[u8]) -> Result<()> {
        if family(address)? == AF_UNSPEC {
            return self.disconnect(socket);
        }
        let to = destination(socket, parse_inet(socket.domain(), address)?)?;
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        match state.phase {
            Phase::Idle => {}
            Phase::Opening(_) => return Err(Errno::EALREADY),
            Phase::Open(_) if state.connect_told => return Err(Errno::EISCONN),
            Phase::Open(_) => {
                state.connect_told = true;
                return Ok(());
            }
            Phase::Listening(_) => return Err(Errno::EISCONN),
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if to.port() == 0 {
            return Err(Errno::ECONNREFUSED);
        }
        let from = match state.local {
            Some(local) => SocketAddr::new(local.ip(), state.claim.as_ref().map_or(0, Claim::port)),
            None => SocketAddr::new(unspecified(to.is_ipv4()), 0),
        };
        let from = if from.ip().is_unspecified() {
            SocketAddr::new(unspecified(to.is_ipv4()), from.port())
        } else {
            from
        };
        let options = tcp_options(socket);
        let begun = socket.sockets().host().call(|net| net.connect(from, to, options, socket.told()));
        let (id, local) = begun.map_err(|error| connect_errno(&error))?;
        state.phase = Phase::Opening(id);
        (state.local, state.peer) = (Some(local), Some(to));
        (state.is_over, state.failure_told, state.connect_told) = (false, false, false);
        (state.shut_read, state.shut_write) = (false, false);
        Err(Errno::EINPROGRESS)
    }

    fn disconnect(&self, socket: &Socket) -> Result<()> {
        let mut state = self.0.lock();
        if let Phase::Opening(id) | Phase::Open(id) = state.phase {
            let _ = socket.sockets().host().call(|net| net.tcp_abort(id));
            state.phase = Phase::Idle;
            (state.peer, state.is_over, state.error) = (None, false, None);
            if state.claim.is_none() {
                state.local = None;
            }
        }
        Ok(())
    }

    pub(crate) fn connected(&self, socket: &Socket) -> Option<Result<()>> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        match state.phase {
            Phase::Opening(_) => None,
            Phase::Open(_) => {
                state.connect_told = true;
                Some(Ok(()))
            }
            _ => Some(Err(state.error.take().unwrap_or(Errno::ECONNABORTED))),
        }
    }

    /// Notices that an attempt to connect has ended.
    pub(super) fn look(&self, socket: &Socket, state: &mut State) {
        let Phase::Opening(id) = state.phase else { return };
        let host = socket.sockets().host();
        let now = host.call(|net| {
            let now = net.tcp_state(id);
            if matches!(now, Ok(TcpState { connecting: true, .. })) {
                return None;
            }
            let error = net.tcp_error(id).ok().flatten();
            let has_failed = now.is_err() || error.is_some();
            if has_failed {
                let _ = net.tcp_abort(id);
            }
            Some((has_failed, error))
        });
        match now {
            None => {}
            Some((false, _)) => state.phase = Phase::Open(id),
            Some((true, error)) => {
                state.phase = Phase::Idle;
                state.error = Some(error.map_or(Errno::ETIMEDOUT, |error| connect_errno(&error)));
                (state.peer, state.is_over) = (None, true);
            }
        }
    }
}

fn connect_errno(error: &Error) -> Errno {
    match error {
        // A group or the like.
        Error::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        error => errno(error),
    }
}
