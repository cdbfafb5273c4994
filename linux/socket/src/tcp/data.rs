//! Bytes: sent, received, looked at, and the end of them.

use alloc::vec::Vec;

use linux_base::abi::net as abi;
use linux_base::{Errno, Result, Sink, Source};
use net::Error;

use super::{Phase, Tcp, failure, is_over};
use crate::network::errno;
use crate::numbers::*;
use crate::options::table::TCP;
use crate::socket::{ANYTHING, Socket};

impl Tcp {
    pub(crate) fn send(&self, socket: &Socket, from: &mut dyn Source, flags: u32) -> Result<usize> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let id = match state.phase {
            Phase::Open(id) if !state.shut_write => id,
            Phase::Opening(_) => return Err(Errno::EAGAIN),
            Phase::Open(id) => return Err(failure(socket, &mut state, id).unwrap_or(Errno::EPIPE)),
            _ => return Err(state.error.take().unwrap_or(Errno::EPIPE)),
        };
        if from.left() == 0 {
            return Ok(0);
        }
        let (mut done, mut fault) = (0, None);
        // What is said to be followed by more waits for that, 200 ms at most.
        let holds = flags & MSG_MORE != 0;
        let held = core::mem::replace(&mut state.holds, holds);
        let result = socket.sockets().host().call(|net| {
            if holds {
                net.tcp_set_corked(id, true)?;
            }
            let mut fill = |room: &mut [u8]| {
                from.pull(room).unwrap_or_else(|errno| {
                    fault = Some(errno);
                    0
                })
            };
            loop {
                match net.tcp_write(id, &mut fill) {
                    Ok(0) => break,
                    Ok(len) => done += len,
                    Err(Error::WouldBlock) if done > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            if held && !holds {
                net.tcp_set_corked(id, socket.options().is_set(TCP, abi::TCP_CORK))?;
            }
            Ok(())
        });
        match (done, fault, result) {
            (1.., ..) => Ok(done),
            (_, Some(errno), _) => Err(errno),
            (_, None, Ok(())) => Ok(0),
            (_, None, Err(Error::WouldBlock)) => Err(Errno::EAGAIN),
            (_, None, Err(_)) => Err(failure(socket, &mut state, id).unwrap_or(Errno::EPIPE)),
        }
    }

    pub(crate) fn receive(&self, socket: &Socket, into: &mut dyn Sink, flags: u32) -> Result<usize> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let id = match state.phase {
            Phase::Open(id) => id,
            Phase::Opening(_) => return Err(Errno::EAGAIN),
            Phase::Idle if state.error.is_some() || state.is_over => {
                return state.error.take().map_or(Ok(0), Err);
            }
            _ => return Err(Errno::ENOTCONN),
        };
        if into.room() == 0 {
            return Ok(0);
        }
        let host = socket.sockets().host();
        let mut fault = None;
        let result = if flags & MSG_PEEK != 0 {
            peek(into, &mut fault, |buf| host.call(|net| net.tcp_peek(id, buf)))
        } else {
            let discards = flags & MSG_TRUNC != 0;
            let mut left = into.room();
            host.call(|net| {
                let mut done = 0;
                let mut take = |data: &[u8]| -> usize {
                    if discards {
                        let len = data.len().min(left);
                        left -= len;
                        return len;
                    }
                    into.push(data).unwrap_or_else(|errno| {
                        fault = Some(errno);
                        0
                    })
                };
                loop {
                    match net.tcp_read(id, &mut take) {
                        Ok(0) => return Ok(done),
                        Ok(len) => done += len,
                        Err(_) if done > 0 => return Ok(done),
                        Err(error) => return Err(error),
                    }
                }
            })
        };
        match (result, fault) {
            (Ok(0), Some(errno)) => Err(errno),
            (Ok(len), _) => Ok(len),
            (Err(Error::WouldBlock), _) if state.shut_read => Ok(0),
            (Err(Error::WouldBlock), _) => Err(Errno::EAGAIN),
            (Err(_), _) if state.failure_told => Ok(0),
            (Err(error), _) => {
                let peer_done = host.call(|net| net.tcp_state(id)).is_ok_and(|now| now.peer_done);
                if peer_done {
                    return Ok(0);
                }
                state.failure_told = true;
                Err(errno(&error))
            }
        }
    }

    pub(crate) fn shutdown(&self, socket: &Socket, how: u32) -> Result<()> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let host = socket.sockets().host();
        match state.phase {
            Phase::Idle => return Err(Errno::ENOTCONN),
            Phase::Listening(id) if how != SHUT_WR => {
                let _ = host.call(|net| net.close_listener(id));
                state.phase = Phase::Idle;
            }
            Phase::Listening(_) => {}
            Phase::Opening(id) => {
                let _ = host.call(|net| net.tcp_abort(id));
                (state.phase, state.is_over) = (Phase::Idle, true);
                (state.error, state.peer) = (Some(Errno::ECONNRESET), None);
            }
            Phase::Open(id) if is_over(socket, id) => return Err(Errno::ENOTCONN),
            Phase::Open(id) => {
                if how != SHUT_RD && !state.shut_write {
                    state.shut_write = true;
                    let _ = host.call(|net| net.tcp_shutdown_write(id));
                }
                if how != SHUT_WR && !state.shut_read {
                    state.shut_read = true;
                    let _ = host.call(|net| net.tcp_refuse(id));
                }
            }
        }
        drop(state);
        socket.wait_queue().wake_all(ANYTHING);
        Ok(())
    }

    pub(crate) fn readable(&self, socket: &Socket) -> Result<usize> {
        match self.0.lock().phase {
            Phase::Listening(_) => Err(Errno::EINVAL),
            Phase::Open(id) => {
                Ok(socket.sockets().host().call(|net| net.tcp_state(id)).map_or(0, |now| now.readable))
            }
            _ => Ok(0),
        }
    }

    pub(crate) fn unsent(&self, socket: &Socket) -> usize {
        match self.0.lock().phase {
            Phase::Open(id) => {
                socket.sockets().host().call(|net| net.tcp_state(id)).map_or(0, |now| now.unsent)
            }
            _ => 0,
        }
    }
}

/// Copies what `look` shows, without taking it.
fn peek(
    into: &mut dyn Sink,
    fault: &mut Option<Errno>,
    look: impl FnOnce(&mut [u8]) -> net::Result<usize>,
) -> net::Result<usize> {
    let (mut few, mut many) = ([0; 128], Vec::new());
    let wanted = into.room().min(1 << 20);
    let buf = if wanted <= few.len() {
        &mut few[..wanted]
    } else {
        many.try_reserve_exact(wanted).map_err(|_| Error::OutOfMemory)?;
        many.resize(wanted, 0);
        &mut many[..]
    };
    let len = look(buf)?;
    Ok(into.push(&buf[..len]).unwrap_or_else(|errno| {
        *fault = Some(errno);
        0
    }))
}
