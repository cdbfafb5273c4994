//! What the connection keeps for sessions, without I/O: whose a request and a watch are, and what has come for whom.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

use xen_sys::io::xs_wire::{
    PAYLOAD_MAX, XS_ERROR, XS_TRANSACTION_END, XS_TRANSACTION_START, XS_UNWATCH, XS_WATCH, XS_WATCH_EVENT,
};

use crate::connection::{Connection, decimal, parse_number};
use crate::wire::{self, Message};

/// Events that a session keeps as they came; then those of a watch become one for the watched path.
pub const MAX_EVENTS: usize = 256;
/// Requests of a session that are under way, or whose replies nobody has taken.
pub const MAX_CALLS: usize = 32;
/// Requests of all that are queued, of closed sessions too: then none is taken any more.
const MAX_QUEUED: usize = if cfg!(miri) { 40 } else { 256 };
/// Watches of all sessions; xenstored's quota for a guest is 128, and the guest's own drivers need some.
pub const MAX_WATCHES: usize = 96;
/// Transactions of all sessions; xenstored's quota for a guest is 10.
pub const MAX_TRANSACTIONS: usize = 6;
/// Bytes of all messages that nobody has taken yet.
pub const MAX_BYTES: usize = 1 << 20;
/// Bytes of them that a session may have whatever the others have.
pub const SHARE: usize = MAX_BYTES / MAX_SESSIONS;
/// Sessions at a time.
pub const MAX_SESSIONS: usize = 64;
/// Bytes of a message.
const MESSAGE_MAX: usize = wire::HEADER_LEN + PAYLOAD_MAX;
/// Bytes of a watch's token.
const TOKEN_MAX: usize = 512;

/// Who made a request, or a watch.
#[derive(Clone, PartialEq, Eq)]
pub enum Owner {
    /// The guest's own client.
    Client,
    /// A session.
    Session(Asked),
}

/// What a session is told with the reply, or with the event.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    session: u32,
    /// The request's number as the session gave it.
    req_id: u32,
    /// For `XS_WATCH` and watches: the token as the session gave it.
    token: Rc<[u8]>,
    /// For `XS_WATCH`: the token that xenstored knows.
    watch: Option<u32>,
}

impl Asked {
    pub(crate) fn new(session: u32, req_id: u32) -> Self {
        Self { session, req_id, token: Rc::from(&b""[..]), watch: None }
    }
}

/// A message for a session.
struct Out {
    bytes: Vec<u8>,
    /// For an event: of which watch.
    watch: Option<u32>,
}

struct Seat {
    key: u32,
    wake: Rc<dyn Fn()>,
    is_woken: bool,
    /// A request found no room, and it was not told of any since.
    wants_room: bool,
    out: VecDeque<Out>,
    /// How many in `out` are events.
    events: usize,
    /// Bytes in `out`.
    bytes: usize,
    /// Requests without their reply.
    outstanding: usize,
    transactions: Vec<u32>,
}

impl Seat {
    fn push(&mut self, watch: Option<u32>, bytes: Vec<u8>) {
        self.events += usize::from(watch.is_some());
        self.bytes += bytes.len();
        self.out.push_back(Out { bytes, watch });
        self.is_woken = true;
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let Out { bytes, watch } = self.out.pop_front()?;
        self.events -= usize::from(watch.is_some());
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// Takes the events of a watch away.
    fn drop_events(&mut self, watch: u32) {
        let (events, bytes) = (&mut self.events, &mut self.bytes);
        self.out.retain(|out| {
            let stays = out.watch != Some(watch);
            if !stays {
                *events -= 1;
                *bytes -= out.bytes.len();
            }
            stays
        });
    }

    /// Whether it may have so many bytes more, if all have `total`.
    fn admits(&self, len: usize, total: usize) -> bool {
        self.bytes + len <= SHARE || total + len <= MAX_BYTES
    }

    /// Whether there is room for a request and its reply.
    fn has_room(&self, total: usize) -> bool {
        self.outstanding + (self.out.len() - self.events) < MAX_CALLS && self.admits(MESSAGE_MAX, total)
    }
}

/// The sessions of a connection.
#[derive(Default)]
pub struct Sessions {
    seats: Vec<Seat>,
    last_key: u32,
}

impl Sessions {
    /// A new session's key; `None` if there are too many.
    pub fn open(&mut self, wake: Rc<dyn Fn()>) -> Option<u32> {
        if self.seats.len() >= MAX_SESSIONS {
            return None;
        }
        loop {
            self.last_key = self.last_key.wrapping_add(1);
            if self.seat(self.last_key).is_none() {
                break;
            }
        }
        self.seats.push(Seat {
            key: self.last_key,
            wake,
            is_woken: false,
            wants_room: false,
            out: VecDeque::new(),
            events: 0,
            bytes: 0,
            outstanding: 0,
            transactions: Vec::new(),
        });
        Some(self.last_key)
    }

    /// All have something new to look at: the end.
    pub fn wake_all(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.is_woken = true);
    }

    /// The next message for a session.
    pub fn take(&mut self, key: u32) -> Option<Vec<u8>> {
        self.seat(key)?.take()
    }

    /// Whether there is a message for a session.
    pub fn has_message(&self, key: u32) -> bool {
        self.seats.iter().any(|seat| seat.key == key && !seat.out.is_empty())
    }

    /// Files an event of a watch, under the token that its session gave.
    pub fn file_event(&mut self, asked: &Asked, watch: u32, path: &[u8], watched: &str) {
        let total = self.bytes();
        let Some(seat) = self.seat(asked.session) else { return };
        let encode =
            |path: &[u8]| wire::encode(XS_WATCH_EVENT, 0, 0, &[path, b"\0", &asked.token, b"\0"]).ok();
        // A path that leaves no room for the token is longer than any path may be.
        let Some(bytes) = encode(path).or_else(|| encode(watched.as_bytes())) else { return };
        if seat.events < MAX_EVENTS && seat.admits(bytes.len(), total) {
            return seat.push(Some(watch), bytes);
        }
        if seat.out.iter().any(|out| out.watch.is_some() && out.bytes == bytes) {
            return;
        }
        // It says that anything below may have changed, so nothing is lost. Each watch has one at most.
        seat.drop_events(watch);
        if let Some(bytes) = encode(watched.as_bytes()) {
            seat.push(Some(watch), bytes);
        }
    }

    /// Bytes of all messages that nobody has taken yet.
    pub fn bytes(&self) -> usize {
        self.seats.iter().map(|seat| seat.bytes).sum()
    }

    fn seat(&mut self, key: u32) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.key == key)
    }

    fn transactions(&self) -> usize {
        self.seats.iter().map(|seat| seat.transactions.len()).sum()
    }
}

/// Payload of the error that a request is answered with here.
type Refusal = &'static [u8];

impl Connection {
    /// Whether a session may make a request now. If not, it is woken when it may.
    pub fn session_has_room(&mut self, key: u32) -> bool {
        let (is_crowded, total) = (self.is_crowded(), self.sessions.bytes());
        let Some(seat) = self.sessions.seat(key) else { return false };
        seat.wants_room = is_crowded || !seat.has_room(total);
        !seat.wants_room
    }

    /// Whether requests of sessions find no room whatever a session has under way.
    fn is_crowded(&self) -> bool {
        self.calls.len() >= MAX_QUEUED
    }

    /// The sessions that have something new to look at. To be asked for after whatever may have made room.
    pub fn take_woken(&mut self) -> Vec<Rc<dyn Fn()>> {
        let (is_crowded, total) = (self.is_crowded(), self.sessions.bytes());
        let woken = |seat: &mut Seat| {
            if seat.wants_room && !is_crowded && seat.has_room(total) {
                (seat.wants_room, seat.is_woken) = (false, true);
            }
            core::mem::take(&mut seat.is_woken).then(|| seat.wake.clone())
        };
        self.sessions.seats.iter_mut().filter_map(woken).collect()
    }

    /// Takes a request of a session: queues it, or answers it at once where it is not to go to xenstored.
    pub fn submit_for_session(&mut self, key: u32, message: &Message) {
        let asked = Asked::new(key, message.req_id);
        let outcome = match message.kind {
            XS_WATCH => self.watch_for_session(asked, message),
            XS_UNWATCH => self.unwatch_for_session(asked, message),
            XS_TRANSACTION_START => self.start_for_session(asked, message),
            XS_TRANSACTION_END => self.end_for_session(asked, message),
            kind if is_open_to_programs(kind) => self.forward(asked, message, &message.payload),
            kind if kind > xen_sys::io::xs_wire::XS_DIRECTORY_PART => Err(&b"ENOSYS\0"[..]),
            _ => Err(&b"EACCES\0"[..]),
        };
        let Some(seat) = self.sessions.seat(key) else { return };
        match outcome {
            Ok(()) => seat.outstanding += 1,
            Err(payload) => {
                let reply = wire::encode(XS_ERROR, message.req_id, message.tx_id, &[payload]);
                seat.push(None, reply.unwrap_or_default());
            }
        }
    }

    fn forward(&mut self, asked: Asked, message: &Message, payload: &[u8]) -> Result<(), Refusal> {
        let seat = self.sessions.seat(asked.session).ok_or(&b"EINVAL\0"[..])?;
        // A number that is another's transaction is none of this one's.
        if message.tx_id != 0 && !seat.transactions.contains(&message.tx_id) {
            return Err(b"ENOENT\0");
        }
        let owner = Owner::Session(asked);
        self.queue_for(owner, message.kind, message.tx_id, &[payload]).map(drop).map_err(|_| &b"E2BIG\0"[..])
    }

    fn watch_for_session(&mut self, mut asked: Asked, message: &Message) -> Result<(), Refusal> {
        let (path, token) = watch_arguments(&message.payload).ok_or(&b"EINVAL\0"[..])?;
        if self.session_watch(asked.session, path, token).is_some() {
            return Err(b"EEXIST\0");
        }
        if self.watches.iter().filter(|watch| watch.owner != Owner::Client).count() >= MAX_WATCHES {
            return Err(b"E2BIG\0");
        }
        asked.token = Rc::from(token);
        let number = self.add_watch_for(Owner::Session(asked.clone()), path);
        asked.watch = Some(number);
        let mut payload = Vec::with_capacity(path.len() + 12);
        for part in [path.as_bytes(), b"\0", decimal(number, &mut [0; 10]), b"\0"] {
            payload.extend_from_slice(part);
        }
        let queued = self.forward(asked, message, &payload);
        if queued.is_err() {
            self.drop_watch(number);
        }
        queued
    }

    fn unwatch_for_session(&mut self, asked: Asked, message: &Message) -> Result<(), Refusal> {
        let (path, token) = watch_arguments(&message.payload).ok_or(&b"EINVAL\0"[..])?;
        let number = self.session_watch(asked.session, path, token).ok_or(&b"ENOENT\0"[..])?;
        let mut payload = Vec::with_capacity(path.len() + 12);
        for part in [path.as_bytes(), b"\0", decimal(number, &mut [0; 10]), b"\0"] {
            payload.extend_from_slice(part);
        }
        self.forward(asked, message, &payload)?;
        self.drop_watch(number);
        Ok(())
    }

    /// The number of a session's watch.
    fn session_watch(&self, session: u32, path: &str, token: &[u8]) -> Option<u32> {
        let is_it = |owner: &Owner| match owner {
            Owner::Session(asked) => asked.session == session && *asked.token == *token,
            Owner::Client => false,
        };
        self.watches.iter().find(|watch| watch.path == path && is_it(&watch.owner)).map(|watch| watch.token)
    }

    fn start_for_session(&mut self, asked: Asked, message: &Message) -> Result<(), Refusal> {
        let starting = |call: &&crate::connection::Call| {
            call.kind == XS_TRANSACTION_START && call.owner != Owner::Client
        };
        let count = self.sessions.transactions() + self.calls.iter().filter(starting).count();
        if count >= MAX_TRANSACTIONS {
            return Err(b"ENOSPC\0");
        }
        self.forward(asked, message, &message.payload)
    }

    fn end_for_session(&mut self, asked: Asked, message: &Message) -> Result<(), Refusal> {
        // What xenstored refuses as malformed does not end the transaction.
        if !matches!(message.payload.as_slice(), b"T\0" | b"F\0") {
            return Err(b"EINVAL\0");
        }
        if message.tx_id == 0 {
            return Err(b"ENOENT\0");
        }
        let key = asked.session;
        self.forward(asked, message, &message.payload)?;
        if let Some(seat) = self.sessions.seat(key) {
            seat.transactions.retain(|id| *id != message.tx_id);
        }
        Ok(())
    }

    /// Files a reply to a request of a session.
    pub(crate) fn answer_session(&mut self, asked: Asked, kind: u32, message: &Message) {
        if message.kind == XS_ERROR
            && let Some(number) = asked.watch
        {
            self.drop_watch(number);
        }
        let Some(seat) = self.sessions.seat(asked.session) else { return };
        seat.outstanding = seat.outstanding.saturating_sub(1);
        if (kind, message.kind) == (XS_TRANSACTION_START, XS_TRANSACTION_START)
            && let Some(id) = parse_number(&message.payload)
        {
            seat.transactions.push(id);
        }
        let reply = wire::encode(message.kind, asked.req_id, message.tx_id, &[&message.payload]);
        seat.push(None, reply.unwrap_or_default());
    }

    /// Ends a session: its requests go on, and nobody waits for them; its watches and transactions end.
    pub fn close_session(&mut self, key: u32) {
        let Some(index) = self.sessions.seats.iter().position(|seat| seat.key == key) else { return };
        let seat = self.sessions.seats.swap_remove(index);
        let is_its = |owner: &Owner| matches!(owner, Owner::Session(asked) if asked.session == key);
        for call in self.calls.iter_mut().filter(|call| is_its(&call.owner)) {
            call.forgotten = true;
        }
        let watches: Vec<u32> =
            self.watches.iter().filter(|watch| is_its(&watch.owner)).map(|watch| watch.token).collect();
        for token in watches {
            self.remove_watch(token);
        }
        for id in seat.transactions {
            if let Ok(id) = self.queue(XS_TRANSACTION_END, id, &[b"F\0"]) {
                self.forget(id);
            }
        }
    }
}

/// Requests that go to xenstored as they are, which judges them by this domain's rights. The others are for who manages domains or
/// would take away what belongs to all users of the connection.
fn is_open_to_programs(kind: u32) -> bool {
    use xen_sys::io::xs_wire as abi;
    matches!(
        kind,
        abi::XS_DIRECTORY
            | abi::XS_READ
            | abi::XS_GET_PERMS
            | abi::XS_GET_DOMAIN_PATH
            | abi::XS_WRITE
            | abi::XS_MKDIR
            | abi::XS_RM
            | abi::XS_SET_PERMS
            | abi::XS_IS_DOMAIN_INTRODUCED
            | abi::XS_DIRECTORY_PART
    )
}

/// Path and token; what is behind them is not looked at (the depth of a watch, in newer versions of the protocol).
fn watch_arguments(payload: &[u8]) -> Option<(&str, &[u8])> {
    let mut parts = payload.splitn(3, |byte| *byte == 0);
    let (path, token) = (parts.next()?, parts.next()?);
    // The token's own end has to be there.
    parts.next()?;
    let path = core::str::from_utf8(path).ok().filter(|path| !path.is_empty())?;
    (token.len() <= TOKEN_MAX).then_some((path, token))
}
