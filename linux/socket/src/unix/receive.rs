//! Receiving: bytes of a stream, packets, datagrams, and what came along with them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, OpenFile, Result, Sink};

use super::inbox::{Message, Sender};
use super::rights::Rights;
use super::{End, wake_waiting};
use crate::address::Address;
use crate::caller::Caller;
use crate::control::{SCM_CREDENTIALS, SCM_RIGHTS, Writer};
use crate::numbers::*;
use crate::options::Attached;
use crate::options::table::SOCKET;
use crate::socket::{Received, Socket};

/// What was taken out of an inbox, to be told without its lock.
#[derive(Default)]
struct Taken {
    len: usize,
    flags: u32,
    address: Option<Address>,
    sender: Option<Sender>,
    /// Files, received; or seen by peeking.
    rights: Option<Rights>,
    seen: Vec<Arc<OpenFile>>,
}

impl End {
    /// Receives; without a caller files that came along are closed.
    pub(crate) fn receive(
        &self,
        socket: &Socket,
        caller: Option<&dyn Caller>,
        into: &mut dyn Sink,
        control_room: usize,
        flags: u32,
    ) -> Result<Received> {
        let attached = socket.options().attached();
        let taken = if self.has_packets() {
            self.take_packet(into, flags)?
        } else {
            self.take_run(into, flags, attached.contains(Attached::CREDENTIALS))?
        };
        let mut received =
            Received { len: taken.len, address: taken.address, control: Vec::new(), flags: taken.flags };
        let files = taken.rights.map_or(taken.seen, Rights::take);
        let Some(caller) = caller else { return Ok(received) };
        let mut control = Writer::new(control_room);
        if taken.sender.is_some() && control_room > 0 {
            control.put_time(attached);
        }
        if attached.contains(Attached::CREDENTIALS)
            && let Some((pid, uid, gid)) = taken.sender
        {
            let mut bytes = [0; 12];
            for (at, word) in [pid, uid, gid].into_iter().enumerate() {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word.to_le_bytes());
            }
            control.put(SOCKET, SCM_CREDENTIALS, &bytes);
        }
        if !files.is_empty() {
            install(caller, files, flags & MSG_CMSG_CLOEXEC != 0, &mut control);
        }
        if control.is_cut {
            received.flags |= MSG_CTRUNC;
        }
        received.flags |= flags & MSG_CMSG_CLOEXEC;
        received.control = control.bytes;
        Ok(received)
    }

    /// Takes as much of a stream as belongs together.
    fn take_run(&self, into: &mut dyn Sink, flags: u32, keeps_senders_apart: bool) -> Result<Taken> {
        let peeks = flags & MSG_PEEK != 0;
        let mut taken = Taken::default();
        let mut state = self.state.lock();
        if !state.is_connected {
            return Err(Errno::EINVAL);
        }
        let mut at = 0;
        while into.room() > 0 {
            let Some(message) = state.inbox.get_mut(at) else { break };
            if keeps_senders_apart && taken.sender.is_some_and(|sender| sender != message.sender) {
                break;
            }
            let len = match into.push(message.bytes()) {
                Ok(len) => len,
                Err(errno) if taken.len == 0 => return Err(errno),
                Err(_) => break,
            };
            taken.len += len;
            taken.sender = Some(message.sender);
            let is_whole = len == message.len();
            if peeks {
                at += 1;
                if let Some(rights) = &message.rights {
                    taken.seen = rights.files().to_vec();
                }
            } else {
                taken.rights = message.rights.take();
                message.advance(len);
                if is_whole {
                    state.inbox.pop_front();
                }
                state.len -= len;
            }
            if !is_whole || taken.rights.is_some() || !taken.seen.is_empty() {
                break;
            }
        }
        if taken.len > 0 || into.room() == 0 {
            return Ok(taken);
        }
        match state.error.take() {
            Some(errno) => Err(errno),
            None if state.shut_read => Ok(taken),
            None => Err(Errno::EAGAIN),
        }
    }

    /// Takes a packet or datagram.
    fn take_packet(&self, into: &mut dyn Sink, flags: u32) -> Result<Taken> {
        let mut taken = Taken::default();
        let (message, waiting) = {
            let mut state = self.state.lock();
            if self.kind == SOCK_SEQPACKET && !state.is_connected {
                return Err(Errno::ENOTCONN);
            }
            if flags & MSG_PEEK != 0 {
                if let Some(message) = state.inbox.front() {
                    taken.tell(message, into, flags)?;
                    taken.seen = message.rights.as_ref().map_or(Vec::new(), |rights| rights.files().to_vec());
                    return Ok(taken);
                }
                (None, Vec::new())
            } else {
                let message = state.inbox.pop_front();
                state.len -= message.as_ref().map_or(0, Message::len);
                (message, core::mem::take(&mut state.waiting))
            }
        };
        wake_waiting(waiting);
        let Some(mut message) = message else {
            let mut state = self.state.lock();
            return match state.error.take() {
                Some(errno) => Err(errno),
                None if state.shut_read => Ok(taken),
                None => Err(Errno::EAGAIN),
            };
        };
        taken.rights = message.rights.take();
        taken.tell(&message, into, flags)?;
        Ok(taken)
    }
}

impl Taken {
    fn tell(&mut self, message: &Message, into: &mut dyn Sink, flags: u32) -> Result<()> {
        let room = into.room();
        let len = into.push(message.bytes())?;
        if message.len() > room {
            self.flags |= MSG_TRUNC;
        }
        self.len = if flags & MSG_TRUNC != 0 { message.len() } else { len };
        self.sender = Some(message.sender);
        self.address = message.from.as_ref().map(|name| Address::unix(&name.bytes));
        Ok(())
    }
}

/// Makes descriptors for as many files as there is room for; the others are closed.
fn install(caller: &dyn Caller, files: Vec<Arc<OpenFile>>, close_on_exec: bool, control: &mut Writer) {
    let room = control.room() / 4;
    let count = files.len();
    let mut numbers: Vec<u8> = Vec::new();
    if numbers.try_reserve_exact(room.min(count) * 4).is_ok() {
        for file in files.into_iter().take(room) {
            match caller.install(file, close_on_exec) {
                Ok(number) => numbers.extend_from_slice(&number.to_le_bytes()),
                Err(_) => break,
            }
        }
    }
    control.is_cut |= numbers.len() / 4 < count;
    if !numbers.is_empty() {
        control.put(SOCKET, SCM_RIGHTS, &numbers);
    }
}
