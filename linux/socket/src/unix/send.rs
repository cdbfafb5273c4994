//! Sending: bytes of a stream, packets, datagrams, and what goes along with them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::io::pull_exact;
use linux_base::{Credentials, Errno, PollEvents, Result, Source};

use super::End;
use super::inbox::{Head, Message, Sender};
use super::rights::{MOST_FILES, Rights};
use crate::caller::Caller;
use crate::control::{self, SCM_CREDENTIALS, SCM_RIGHTS};
use crate::numbers::SOCK_SEQPACKET;
use crate::options::table::SOCKET;
use crate::socket::Socket;

/// Bytes of a stream that are kept in one piece, as Linux has it.
const PIECE: usize = 36_544;
/// What pieces are rounded up to, so that small writes join.
const ROUND: usize = 512;
/// Writes of so many bytes are not small.
const MOST_JOINED: usize = 4096;

/// What goes along with the bytes.
struct Along {
    rights: Option<Rights>,
    sender: Sender,
}

impl End {
    /// What a program sends along, checked.
    fn along(&self, caller: &dyn Caller, control: &[u8]) -> Result<Along> {
        let own = caller.credentials();
        // The real IDs; `SO_PEERCRED` tells the effective ones.
        let mut sender = (caller.pid(), own.uid.real, own.gid.real);
        let mut files = Vec::new();
        for message in control::messages(control) {
            let message = message?;
            if message.level != SOCKET {
                continue;
            }
            match message.kind {
                SCM_RIGHTS => {
                    let numbers = message.data.chunks_exact(4);
                    if files.len() + numbers.len() > MOST_FILES {
                        return Err(Errno::EINVAL);
                    }
                    for number in numbers {
                        let number = i32::from_le_bytes([number[0], number[1], number[2], number[3]]);
                        files.push(caller.file(number)?);
                    }
                }
                SCM_CREDENTIALS => sender = credentials(caller, message.data)?,
                _ => return Err(Errno::EINVAL),
            }
        }
        let rights =
            if files.is_empty() { None } else { Some(Rights::new(&self.sockets.unix, caller, files)?) };
        Ok(Along { rights, sender })
    }

    pub(crate) fn send(
        self: &Arc<Self>,
        socket: &Socket,
        caller: &dyn Caller,
        from: &mut dyn Source,
        to: Option<&[u8]>,
        control: &[u8],
    ) -> Result<usize> {
        let along = self.along(caller, control)?;
        if !self.has_packets() {
            if to.is_some() {
                let is_connected = self.state.lock().is_connected;
                return Err(if is_connected { Errno::EISCONN } else { Errno::EOPNOTSUPP });
            }
            return self.send_bytes(socket, from, along);
        }
        let to = match to {
            Some(address) if self.is_datagram() => Some(self.find(caller, address)?),
            _ => None,
        };
        self.send_packet(socket, from, to, along)
    }

    /// Sends without a call of its own: nothing goes along.
    pub(crate) fn write(self: &Arc<Self>, socket: &Socket, from: &mut dyn Source) -> Result<usize> {
        let sender = self.sockets.host().sender().unwrap_or_else(|| {
            let state = self.state.lock();
            (state.owner.pid, state.owner.uid, state.owner.gid)
        });
        let along = Along { rights: None, sender };
        if self.has_packets() {
            self.send_packet(socket, from, None, along)
        } else {
            self.send_bytes(socket, from, along)
        }
    }

    fn send_bytes(&self, socket: &Socket, from: &mut dyn Source, mut along: Along) -> Result<usize> {
        let peer = {
            let state = self.state.lock();
            match &state.peer {
                _ if state.shut_write => return Err(Errno::EPIPE),
                None => return Err(Errno::ENOTCONN),
                Some(peer) => peer.upgrade().ok_or(Errno::EPIPE)?,
            }
        };
        self.account.set_limit(socket.options().send_limit());
        let mut done = 0;
        let mut failure = None;
        while from.left() > 0 {
            if !self.account.has_room() {
                failure = Some(Errno::EAGAIN);
                break;
            }
            match peer.take_bytes(from, PIECE, &mut along, self) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(errno) => {
                    failure = Some(errno);
                    break;
                }
            }
        }
        if done > 0 {
            peer.queue.wake(PollEvents::READABLE);
            return Ok(done);
        }
        failure.map_or(Ok(0), Err)
    }

    /// Puts bytes of a stream into the inbox.
    fn take_bytes(
        &self,
        from: &mut dyn Source,
        room: usize,
        along: &mut Along,
        sender: &Self,
    ) -> Result<usize> {
        let mut state = self.state.lock();
        if state.shut_read || state.is_closed {
            return Err(Errno::EPIPE);
        }
        if along.rights.is_none()
            && let Some(last) = state.inbox.back_mut()
            && let Some(tail) = last.tail(along.sender)
        {
            let start = tail.len();
            let len = (tail.capacity() - start).min(room).min(from.left());
            tail.resize(start + len, 0);
            let pulled = from.pull(&mut tail[start..]);
            if pulled != Ok(len) {
                tail.truncate(start);
            }
            let pulled = whole(from, pulled?, len)?;
            last.grew(pulled);
            state.len += pulled;
            return Ok(pulled);
        }
        let len = room.min(from.left());
        let mut data = Vec::new();
        data.try_reserve_exact(if len < MOST_JOINED { len.next_multiple_of(ROUND) } else { len })?;
        data.resize(len, 0);
        let pulled = from.pull(&mut data)?;
        let pulled = whole(from, pulled, len)?;
        state.inbox.try_reserve(1)?;
        state.inbox.push_back(Message::new(
            data,
            along.rights.take(),
            along.sender,
            None,
            &sender.account,
            Head::Stream,
        ));
        state.len += pulled;
        Ok(pulled)
    }

    fn send_packet(
        self: &Arc<Self>,
        socket: &Socket,
        from: &mut dyn Source,
        to: Option<Arc<End>>,
        along: Along,
    ) -> Result<usize> {
        let limit = socket.options().send_limit();
        self.account.set_limit(limit);
        let (target, name) = {
            let mut state = self.state.lock();
            let target = match (to, state.peer.as_ref().map(|peer| peer.upgrade())) {
                (Some(to), _) => to,
                (None, Some(Some(peer))) => peer,
                (None, Some(None)) if self.kind == SOCK_SEQPACKET => return Err(Errno::EPIPE),
                (None, Some(None)) => {
                    (state.peer, state.is_connected) = (None, false);
                    drop(state);
                    self.forget_messages();
                    return Err(Errno::ECONNREFUSED);
                }
                (None, None) if self.kind == SOCK_SEQPACKET && state.is_connected => {
                    return Err(Errno::EPIPE);
                }
                (None, None) => return Err(Errno::ENOTCONN),
            };
            if state.shut_write {
                return Err(Errno::EPIPE);
            }
            (target, state.name.clone())
        };
        let len = from.left();
        if len > limit.saturating_sub(32) {
            return Err(Errno::EMSGSIZE);
        }
        if self.is_datagram() && !target.takes_from(self) {
            return Err(Errno::EPERM);
        }
        {
            let state = target.state.lock();
            if state.is_closed {
                drop(state);
                self.state.lock().peer = None;
                return Err(if self.is_datagram() { Errno::ECONNREFUSED } else { Errno::EPIPE });
            }
            if state.shut_read {
                return Err(Errno::EPIPE);
            }
        }
        if target.is_full_for(self) {
            target.wait_for_room(&self.account);
            return Err(Errno::EAGAIN);
        }
        if !self.account.has_room() {
            return Err(Errno::EAGAIN);
        }
        let mut data = Vec::new();
        data.try_reserve_exact(len)?;
        data.resize(len, 0);
        pull_exact(from, &mut data)?;
        let message = Message::new(data, along.rights, along.sender, name, &self.account, Head::Packet);
        {
            let mut state = target.state.lock();
            state.inbox.try_reserve(1)?;
            state.len += len;
            state.inbox.push_back(message);
        }
        target.queue.wake(PollEvents::READABLE);
        Ok(len)
    }
}

/// A piece goes whole or not at all: `EFAULT` if not all of it could be had.
fn whole(from: &mut dyn Source, pulled: usize, len: usize) -> Result<usize> {
    if pulled == len {
        return Ok(len);
    }
    from.unpull(pulled);
    Err(Errno::EFAULT)
}

/// The credentials that a process claims, if it may.
fn credentials(caller: &dyn Caller, data: &[u8]) -> Result<Sender> {
    let data: [u8; 12] = data.try_into().map_err(|_| Errno::EINVAL)?;
    let word = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    let (pid, uid, gid) = (word(0), word(4), word(8));
    let own: Credentials = caller.credentials();
    let is_own = |ids: linux_base::cred::Ids, id: u32| [ids.real, ids.effective, ids.saved].contains(&id);
    let allowed = (pid == caller.pid() || own.can(Credentials::CAP_SYS_ADMIN))
        && (is_own(own.uid, uid) || own.can(Credentials::CAP_SETUID))
        && (is_own(own.gid, gid) || own.can(Credentials::CAP_SETGID));
    if allowed { Ok((pid, uid, gid)) } else { Err(Errno::EPERM) }
}
