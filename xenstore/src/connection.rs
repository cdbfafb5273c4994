//! What is under way on the connection, without I/O: requests queued, sent and answered, and watches with their events.
//!
//! Replies are filed by request number, whoever read them off the ring, so that any waiting thread may pump for all.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use xen::PeerMisbehaved;
use xen_sys::io::xs_wire::{XS_ERROR, XS_TRANSACTION_END, XS_TRANSACTION_START, XS_UNWATCH, XS_WATCH_EVENT};

use crate::sessions::{Owner, Sessions};
use crate::wire::{self, Decoder, Message};
use crate::{Errno, Error};

/// Requests that xenstored has at a time; its quota for a guest is 20.
pub const MAX_OUTSTANDING: usize = 16;
/// Events that a watch keeps; more become one event for the watched path itself.
pub const MAX_EVENTS: usize = 64;

pub(crate) struct Call {
    id: u32,
    pub(crate) kind: u32,
    pub(crate) owner: Owner,
    /// The request, until it is sent.
    request: Vec<u8>,
    sent: usize,
    reply: Option<Result<Vec<u8>, Errno>>,
    /// Nobody waits for the reply any more.
    pub(crate) forgotten: bool,
}

pub(crate) struct WatchSlot {
    pub(crate) token: u32,
    pub(crate) path: String,
    events: VecDeque<String>,
    pub(crate) owner: Owner,
}

/// The state of the connection.
#[derive(Default)]
pub struct Connection {
    decoder: Decoder,
    /// In the order in which they are sent.
    pub(crate) calls: Vec<Call>,
    last_id: u32,
    pub(crate) watches: Vec<WatchSlot>,
    last_token: u32,
    pub(crate) sessions: Sessions,
    broken: Option<PeerMisbehaved>,
}

impl Connection {
    /// Queues a request; returns its number.
    pub fn queue(&mut self, kind: u32, tx_id: u32, parts: &[&[u8]]) -> Result<u32, Error> {
        self.queue_for(Owner::Client, kind, tx_id, parts)
    }

    pub(crate) fn queue_for(
        &mut self,
        owner: Owner,
        kind: u32,
        tx_id: u32,
        parts: &[&[u8]],
    ) -> Result<u32, Error> {
        if let Some(why) = self.broken {
            return Err(Error::Broken(why));
        }
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.calls.iter().any(|call| call.id == self.last_id) {
                break;
            }
        }
        let id = self.last_id;
        let request = wire::encode(kind, id, tx_id, parts).map_err(Error::TooLong)?;
        self.calls.push(Call { id, kind, owner, request, sent: 0, reply: None, forgotten: false });
        Ok(id)
    }

    /// The bytes to send next, if any.
    pub fn to_send(&self) -> Option<&[u8]> {
        let outstanding = self.calls.iter().filter(|call| call.sent > 0 && call.reply.is_none()).count();
        let next = self.calls.iter().find(|call| call.sent < call.request.len())?;
        (next.sent > 0 || outstanding < MAX_OUTSTANDING).then(|| &next.request[next.sent..])
    }

    /// Notes that so many bytes of [`Connection::to_send`] were sent.
    pub fn sent(&mut self, len: usize) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.sent < call.request.len()) {
            call.sent += len;
        }
    }

    /// Takes the reply of a call, if it has come. An end of the connection is a reply, too.
    pub fn take_reply(&mut self, id: u32) -> Option<Result<Vec<u8>, Error>> {
        let index = self.calls.iter().position(|call| call.id == id);
        let Some(index) = index.filter(|index| self.calls[*index].reply.is_some()) else {
            return self.broken.map(|why| Err(Error::Broken(why)));
        };
        self.calls.remove(index).reply.map(|reply| reply.map_err(Error::Refused))
    }

    /// Lets a call go on without anybody who waits for its reply.
    pub fn forget(&mut self, id: u32) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            call.forgotten = true;
        }
        self.calls.retain(|call| !(call.forgotten && call.reply.is_some()));
    }

    /// Gives a call up: it is not sent if it was not yet.
    pub fn abandon(&mut self, id: u32) {
        self.calls.retain(|call| call.id != id || call.sent > 0);
        self.forget(id);
    }

    /// A new watch's token.
    pub fn add_watch(&mut self, path: &str) -> u32 {
        self.add_watch_for(Owner::Client, path)
    }

    pub(crate) fn add_watch_for(&mut self, owner: Owner, path: &str) -> u32 {
        loop {
            self.last_token = self.last_token.wrapping_add(1);
            if !self.watches.iter().any(|watch| watch.token == self.last_token) {
                break;
            }
        }
        let token = self.last_token;
        self.watches.push(WatchSlot { token, path: path.into(), events: VecDeque::new(), owner });
        token
    }

    /// Ends a watch: nothing is kept for it, and xenstored is told.
    pub fn remove_watch(&mut self, token: u32) {
        let Some(index) = self.watches.iter().position(|watch| watch.token == token) else { return };
        let path = self.watches.swap_remove(index).path;
        let mut digits = [0; 10];
        let token = decimal(token, &mut digits);
        if let Ok(id) = self.queue(XS_UNWATCH, 0, &[path.as_bytes(), b"\0", token, b"\0"]) {
            self.forget(id);
        }
    }

    /// Forgets a watch that xenstored refused.
    pub fn drop_watch(&mut self, token: u32) {
        self.watches.retain(|watch| watch.token != token);
    }

    /// The next event of a watch.
    pub fn take_event(&mut self, token: u32) -> Result<Option<String>, Error> {
        let event = self
            .watches
            .iter_mut()
            .find(|watch| watch.token == token)
            .and_then(|watch| watch.events.pop_front());
        match (event, self.broken) {
            (None, Some(why)) => Err(Error::Broken(why)),
            (event, _) => Ok(event),
        }
    }

    /// Files bytes that came from xenstored. An error ends the connection.
    pub fn accept(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.broken.is_none() {
            match self.decoder.feed(&mut bytes) {
                Ok(Some(message)) => self.file(message),
                Ok(None) => {}
                Err(why) => self.end(why),
            }
        }
    }

    /// Ends the connection; every call returns the error.
    pub fn end(&mut self, why: PeerMisbehaved) {
        self.broken.get_or_insert(why);
        self.calls.retain(|call| call.reply.is_some());
        self.sessions.wake_all();
    }

    /// Whether, and why, the connection has ended.
    pub fn ended(&self) -> Option<PeerMisbehaved> {
        self.broken
    }

    fn file(&mut self, message: Message) {
        if message.kind == XS_WATCH_EVENT {
            return self.file_event(&message.payload);
        }
        // A reply to what was not wholly sent is a lie, too.
        let call = self.calls.iter_mut().find(|call| {
            call.id == message.req_id && call.sent == call.request.len() && call.reply.is_none()
        });
        let Some(call) = call else {
            let value = message.req_id.into();
            return self.end(PeerMisbehaved { what: "XenStore reply to no request of ours", value });
        };
        if message.kind != XS_ERROR && message.kind != call.kind {
            let value = message.kind.into();
            return self.end(PeerMisbehaved { what: "XenStore reply of the wrong type", value });
        }
        if !call.forgotten
            && let Owner::Session(asked) = &call.owner
        {
            let (asked, kind) = (asked.clone(), call.kind);
            self.calls.retain(|call| call.id != message.req_id);
            return self.answer_session(asked, kind, &message);
        }
        let reply = if message.kind == XS_ERROR {
            Err(Errno::from_payload(&message.payload))
        } else {
            Ok(message.payload)
        };
        if !call.forgotten {
            call.reply = Some(reply);
            return;
        }
        let kind = call.kind;
        self.calls.retain(|call| call.id != message.req_id);
        // Nobody waited for the transaction any more: end it, there are only ten.
        if let (XS_TRANSACTION_START, Ok(payload)) = (kind, reply)
            && let Some(tx_id) = parse_number(&payload)
            && let Ok(id) = self.queue(XS_TRANSACTION_END, tx_id, &[b"F\0"])
        {
            self.forget(id);
        }
    }

    /// An event for a token that we no longer have is no error: it may have crossed our unwatch.
    fn file_event(&mut self, payload: &[u8]) {
        let mut strings = wire::strings(payload);
        let (Some(path), Some(token)) = (strings.next(), strings.next()) else {
            return self.end(PeerMisbehaved {
                what: "XenStore watch event without a token, bytes",
                value: payload.len() as u64,
            });
        };
        let watch =
            parse_number(token).and_then(|token| self.watches.iter_mut().find(|watch| watch.token == token));
        let Some(watch) = watch else { return };
        if let Owner::Session(asked) = &watch.owner {
            return self.sessions.file_event(asked, watch.token, path, &watch.path);
        }
        if watch.events.iter().any(|event| event.as_bytes() == path) {
            return;
        }
        if watch.events.len() < MAX_EVENTS {
            watch.events.push_back(String::from_utf8_lossy(path).into_owned());
        } else {
            watch.events.clear();
            watch.events.push_back(watch.path.clone());
        }
    }
}

/// A decimal number, ended by a NUL or not.
pub fn parse_number(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number's digits.
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
