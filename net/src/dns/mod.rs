//! A stub resolver: asks the known name servers for A and AAAA records over UDP.

mod wire;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::task::{Context, Poll, Waker};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;

use crate::config::{Local, Scope, UdpOptions};
use crate::core_::{Core, remember};
use crate::error::{Error, Result};
use crate::slab::{Id, Slab};
use crate::udp::UdpId;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use wire::read_answer_for_fuzzing;
use wire::{Answer, RecordKind};

/// Names the kind of [`NameQuery`].
#[derive(Debug)]
pub enum QueryKind {}
/// A question to the name servers.
pub type NameQuery = Id<QueryKind>;

const PORT: u16 = 53;
/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often each server is asked.
const ROUNDS: usize = 2;
/// Where questions are sent from.
const ANY_PORT: Local = Local { addr: None, port: 0, scope: Scope::Both, shared: false };
const OPTIONS: UdpOptions = UdpOptions { rx_buffer: 2048, rx_datagrams: 4, tx_buffer: 1024, tx_datagrams: 4 };

/// The questions that are open.
pub(crate) struct Resolver {
    queries: Slab<Query>,
    open: usize,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { queries: Slab::new(), open: 0 }
    }
}

struct Query {
    name: String,
    /// The name as it stands in a message.
    labels: Vec<u8>,
    servers: Vec<IpAddr>,
    /// How many times a server was asked.
    tries: usize,
    socket: Option<UdpId>,
    parts: [Part; 2],
    deadline: Instant,
    failed: bool,
    outcome: Option<Result<Vec<IpAddr>>>,
    waker: Option<Waker>,
}

/// The question for one kind of record.
struct Part {
    kind: RecordKind,
    ident: u16,
    /// What was answered; `None` while open.
    found: Option<Vec<IpAddr>>,
}

impl Core {
    /// Starts to look a name up.
    pub(crate) fn resolve_name(&mut self, name: &str) -> Result<NameQuery> {
        let labels = wire::encode_name(name).ok_or(Error::InvalidInput("not a host name"))?;
        let mut servers: Vec<IpAddr> = Vec::new();
        for server in self.links.iter().flat_map(|(_, link)| link.dns()) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        let outcome = known_without_asking(name).map(Ok);
        if outcome.is_none() && servers.is_empty() {
            return Err(Error::NoNameServer);
        }
        let part = |kind| Part { kind, ident: 0, found: None };
        let done = outcome.is_some();
        let query = Query {
            name: name.to_string(),
            labels,
            servers,
            tries: 0,
            socket: None,
            parts: [part(RecordKind::A), part(RecordKind::Aaaa)],
            deadline: self.now,
            failed: false,
            outcome,
            waker: None,
        };
        let index = self.resolver.queries.insert(query).ok_or(Error::OutOfMemory)?;
        if !done {
            self.resolver.open += 1;
            self.ask_next(index);
        }
        Ok(self.resolver.queries.id(index))
    }

    /// Waits for the addresses. The question is over, and its handle stale, when this returns them.
    pub(crate) fn poll_name(&mut self, id: NameQuery, cx: &mut Context<'_>) -> Poll<Result<Vec<IpAddr>>> {
        let Some(index) = self.resolver.queries.resolve(id) else {
            return Poll::Ready(Err(Error::BadHandle));
        };
        let Some(query) = self.resolver.queries.get_mut(index) else {
            return Poll::Ready(Err(Error::BadHandle));
        };
        match query.outcome.take() {
            Some(outcome) => {
                self.resolver.queries.remove(index);
                Poll::Ready(outcome)
            }
            None => {
                remember(&mut query.waker, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Gives a question up.
    pub(crate) fn cancel_name(&mut self, id: NameQuery) {
        if let Some(index) = self.resolver.queries.resolve(id) {
            self.finish(index, Err(Error::ConnectionAborted));
            self.resolver.queries.remove(index);
        }
    }

    /// Reads answers and asks again where none came.
    pub(crate) fn work_on_names(&mut self) {
        if self.resolver.open == 0 {
            return;
        }
        for index in self.resolver.queries.indices() {
            self.read_answers(index);
            let Some(query) = self.resolver.queries.get(index) else { continue };
            if query.outcome.is_none() && query.deadline <= self.now {
                self.ask_next(index);
            }
        }
    }

    /// When `work_on_names` has something to do without an answer.
    pub(crate) fn names_deadline(&self) -> Option<Instant> {
        if self.resolver.open == 0 {
            return None;
        }
        self.resolver.queries.iter().filter(|(_, q)| q.outcome.is_none()).map(|(_, q)| q.deadline).min()
    }

    /// Asks the next server, from a fresh port and with fresh numbers, or gives up.
    fn ask_next(&mut self, index: u32) {
        let idents = [self.rng.next_u16(), self.rng.next_u16()];
        let deadline = self.now + PATIENCE;
        let Some(query) = self.resolver.queries.get_mut(index) else { return };
        let old = query.socket.take();
        let try_number = query.tries;
        query.tries += 1;
        let exhausted = try_number >= query.servers.len() * ROUNDS;
        let server = query.servers.get(try_number % query.servers.len().max(1)).copied();
        query.deadline = deadline;
        let messages = [0, 1].map(|i| {
            let part = &mut query.parts[i];
            part.ident = idents[i];
            part.found.is_none().then(|| wire::question(part.ident, &query.labels, part.kind))
        });
        if let Some(old) = old {
            let _ = self.udp_close(old);
        }
        let server = match server {
            Some(server) if !exhausted => IpEndpoint { addr: server.into(), port: PORT },
            _ => return self.give_up(index),
        };
        let Ok(socket) = self.udp_bind(ANY_PORT, OPTIONS) else {
            return self.finish(index, Err(Error::OutOfMemory));
        };
        if let Some(query) = self.resolver.queries.get_mut(index) {
            query.socket = Some(socket);
        }
        let connected = self.udp_connect(socket, Some(server));
        let sent = messages.into_iter().flatten().try_for_each(|m| self.udp_try_send(socket, &m, None));
        if connected.and(sent).is_err()
            && let Some(query) = self.resolver.queries.get_mut(index)
        {
            // No way to this server now: the next one, soon.
            query.deadline = self.now + Duration::from_millis(50);
        }
    }

    fn read_answers(&mut self, index: u32) {
        let mut message = [0; 1500];
        loop {
            let Some(Query { socket: Some(socket), .. }) = self.resolver.queries.get(index) else { return };
            let socket = *socket;
            let len = match self.udp_try_recv(socket, &mut message, false) {
                Ok((len, ..)) => len,
                Err(Error::WouldBlock) => return,
                Err(_) => return self.ask_next(index),
            };
            let Some(query) = self.resolver.queries.get_mut(index) else { return };
            let Query { parts, labels, failed, .. } = query;
            let open = parts.iter_mut().filter(|part| part.found.is_none());
            let mut refused = false;
            for part in open {
                match wire::read_answer(&message[..len], part.ident, labels, part.kind) {
                    None => continue,
                    Some(Answer::Addresses(found)) => part.found = Some(found),
                    Some(Answer::NoSuchName) => part.found = Some(Vec::new()),
                    Some(Answer::Failure) => {
                        *failed = true;
                        refused = true;
                    }
                }
                break;
            }
            if parts.iter().all(|part| part.found.is_some()) {
                return self.conclude(index);
            }
            if refused {
                return self.ask_next(index);
            }
        }
    }

    /// All servers were asked in vain; one of the two questions may have been answered all the same.
    fn give_up(&mut self, index: u32) {
        let Some(query) = self.resolver.queries.get(index) else { return };
        if query.parts.iter().any(|part| part.found.as_ref().is_some_and(|found| !found.is_empty())) {
            return self.conclude(index);
        }
        let error = match query.failed {
            true => Error::NameServerFailed(query.name.clone()),
            false => Error::TimedOut,
        };
        self.finish(index, Err(error));
    }

    fn conclude(&mut self, index: u32) {
        let Some(query) = self.resolver.queries.get_mut(index) else { return };
        let name = query.name.clone();
        let mut found: Vec<IpAddr> =
            query.parts.iter_mut().flat_map(|part| part.found.take()).flatten().collect();
        if found.is_empty() {
            return self.finish(index, Err(Error::NoSuchName(name)));
        }
        // Those that we have a way to come first.
        let reachable: Vec<bool> =
            found.iter().map(|addr| self.route((*addr).into(), None).is_ok()).collect();
        let mut reach = reachable.iter();
        let (mut near, far): (Vec<IpAddr>, Vec<IpAddr>) =
            found.drain(..).partition(|_| reach.next().copied().unwrap_or(false));
        near.extend(far);
        self.finish(index, Ok(near));
    }

    fn finish(&mut self, index: u32, outcome: Result<Vec<IpAddr>>) {
        let Some(query) = self.resolver.queries.get_mut(index) else { return };
        if query.outcome.is_some() {
            return;
        }
        query.outcome = Some(outcome);
        let (socket, waker) = (query.socket.take(), query.waker.take());
        self.resolver.open -= 1;
        if let Some(socket) = socket {
            let _ = self.udp_close(socket);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Addresses written out, and the name that always means this machine.
fn known_without_asking(name: &str) -> Option<Vec<IpAddr>> {
    if let Ok(addr) = name.parse::<IpAddr>() {
        return Some(alloc::vec![addr]);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        .then(|| alloc::vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}
