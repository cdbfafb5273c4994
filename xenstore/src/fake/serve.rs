//! How the fake xenstored answers each request.

use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use xen::DomId;
use xen_sys::io::xs_wire as abi;

use super::nodes::{Need, Node, Nodes};
use crate::connection::{decimal, parse_number};
use crate::wire::{self, Message};
use crate::{Errno, Permission};

const TRANSACTIONS_MAX: usize = 10;
pub const WATCHES_MAX: usize = if cfg!(miri) { 12 } else { 128 };

/// What the server keeps: the tree, and the one guest's watches and transactions.
pub struct Server {
    pub nodes: Nodes,
    pub guest: DomId,
    pub watches: Vec<GuestWatch>,
    pub transactions: BTreeMap<u32, Snapshot>,
    last_tx: u32,
    /// So many commits from now on meet a conflict.
    pub conflicts: u32,
    /// As xenstored was before Xen 4.9.
    pub without_directory_part: bool,
    /// Messages for the guest.
    pub replies: Vec<Vec<u8>>,
}

pub struct GuestWatch {
    /// As the guest gave it.
    given: String,
    path: String,
    token: Vec<u8>,
}

/// A transaction: the tree as it was, with its own changes.
pub struct Snapshot {
    nodes: Nodes,
    /// What it looked at, and which generation that was.
    touched: BTreeMap<String, Option<u64>>,
    changed: Vec<String>,
}

impl Server {
    pub fn new(guest: DomId) -> Self {
        Self {
            nodes: Nodes::new(),
            guest,
            watches: Vec::new(),
            transactions: BTreeMap::new(),
            last_tx: 0,
            conflicts: 0,
            without_directory_part: false,
            replies: Vec::new(),
        }
    }

    /// Answers a request.
    pub fn serve(&mut self, request: &Message) {
        let mut fired = Vec::new();
        let reply = self.answer(request, &mut fired);
        let (kind, payload) = match reply {
            Ok(payload) if payload.len() <= abi::PAYLOAD_MAX => (request.kind, payload),
            Ok(_) => (abi::XS_ERROR, b"E2BIG\0".to_vec()),
            Err(errno) => (abi::XS_ERROR, format!("{errno}\0").into_bytes()),
        };
        let reply =
            wire::encode(kind, request.req_id, request.tx_id, &[&payload]).expect("checked just above");
        self.replies.push(reply);
        if request.kind == abi::XS_WATCH && kind == abi::XS_WATCH {
            let watch = self.watches.last().expect("added just now");
            let event = event(&watch.given, &watch.token);
            self.replies.push(event);
        }
        for path in fired {
            self.fire(&path);
        }
    }

    /// Tells the watches of a change.
    pub fn fire(&mut self, path: &str) {
        for watch in &self.watches {
            let below =
                |path: &str, top: &str| path == top || top == "/" || path.starts_with(&format!("{top}/"));
            if below(path, &watch.path) {
                let relative = &path[watch.path.len()..];
                self.replies.push(event(&format!("{}{relative}", watch.given), &watch.token));
            } else if below(&watch.path, path) && self.nodes.peek(path).is_none() {
                self.replies.push(event(&watch.given, &watch.token));
            }
        }
    }

    fn answer(&mut self, request: &Message, fired: &mut Vec<String>) -> Result<Vec<u8>, Errno> {
        let who = self.guest;
        let payload = &request.payload[..];
        let (first, rest) = match payload.iter().position(|byte| *byte == 0) {
            Some(end) => (&payload[..end], &payload[end + 1..]),
            None => return Err(Errno::Inval),
        };
        let first = core::str::from_utf8(first).map_err(|_| Errno::Inval)?;
        let path = self.absolute(first);
        match request.kind {
            abi::XS_READ => Ok(self.look(request.tx_id, &path?, Need::Read)?.value.clone()),
            abi::XS_DIRECTORY => {
                let path = path?;
                self.look(request.tx_id, &path, Need::Read)?;
                Ok(self.view(request.tx_id)?.children(&path))
            }
            abi::XS_DIRECTORY_PART if self.without_directory_part => Err(Errno::Nosys),
            abi::XS_DIRECTORY_PART => {
                let path = path?;
                let generation = self.look(request.tx_id, &path, Need::Read)?.generation;
                let offset = parse_number(rest).ok_or(Errno::Inval)? as usize;
                part(generation, &self.view(request.tx_id)?.children(&path), offset)
            }
            abi::XS_GET_PERMS => {
                let mut entries = Vec::new();
                for permission in &self.look(request.tx_id, &path?, Need::Read)?.permissions {
                    permission.encode(&mut entries);
                }
                Ok(entries)
            }
            abi::XS_WRITE => {
                self.change(request.tx_id, path?, fired, |nodes, path| nodes.write(path, Some(rest), who))
            }
            abi::XS_MKDIR => {
                self.change(request.tx_id, path?, fired, |nodes, path| nodes.write(path, None, who))
            }
            abi::XS_RM => {
                self.change(request.tx_id, path?, fired, |nodes, path| nodes.remove(path, who).map(drop))
            }
            abi::XS_SET_PERMS => {
                let entries: Option<Vec<_>> = wire::strings(rest).map(Permission::parse).collect();
                let entries = entries.filter(|entries| !entries.is_empty()).ok_or(Errno::Inval)?;
                self.change(request.tx_id, path?, fired, |nodes, path| {
                    nodes.set_permissions(path, entries, who)
                })
            }
            abi::XS_WATCH => {
                let token = rest.strip_suffix(b"\0").ok_or(Errno::Inval)?.to_vec();
                let path = if first.starts_with('@') { first.to_string() } else { path? };
                if self.watches.iter().any(|watch| watch.path == path && watch.token == token) {
                    return Err(Errno::Exist);
                }
                if self.watches.len() >= WATCHES_MAX {
                    return Err(Errno::TooBig);
                }
                self.watches.push(GuestWatch { given: first.to_string(), path, token });
                ok()
            }
            abi::XS_UNWATCH => {
                let token = rest.strip_suffix(b"\0").ok_or(Errno::Inval)?;
                let before = self.watches.len();
                self.watches.retain(|watch| watch.given != first || watch.token != token);
                if self.watches.len() < before { ok() } else { Err(Errno::Noent) }
            }
            abi::XS_RESET_WATCHES => {
                self.watches.clear();
                self.transactions.clear();
                ok()
            }
            abi::XS_TRANSACTION_START => {
                if self.transactions.len() >= TRANSACTIONS_MAX {
                    return Err(Errno::Nospc);
                }
                self.last_tx += 1;
                let snapshot =
                    Snapshot { nodes: self.nodes.clone(), touched: BTreeMap::new(), changed: Vec::new() };
                self.transactions.insert(self.last_tx, snapshot);
                Ok(format!("{}\0", self.last_tx).into_bytes())
            }
            abi::XS_TRANSACTION_END => self.end_transaction(request.tx_id, first, fired),
            abi::XS_GET_DOMAIN_PATH => {
                let domain = parse_number(first.as_bytes()).ok_or(Errno::Inval)?;
                Ok(format!("/local/domain/{domain}\0").into_bytes())
            }
            abi::XS_IS_DOMAIN_INTRODUCED => Err(Errno::Acces),
            _ => Err(Errno::Nosys),
        }
    }

    fn absolute(&self, path: &str) -> Result<String, Errno> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_@".contains(&byte);
        let absolute = if path.starts_with('/') {
            path.to_string()
        } else {
            format!("/local/domain/{}/{path}", self.guest)
        };
        let odd = absolute.len() > 1 && absolute.ends_with('/') || absolute.contains("//");
        if path.is_empty() || odd || !path.bytes().all(fine) { Err(Errno::Inval) } else { Ok(absolute) }
    }

    fn view(&self, tx_id: u32) -> Result<&Nodes, Errno> {
        match tx_id {
            0 => Ok(&self.nodes),
            id => self.transactions.get(&id).map(|snapshot| &snapshot.nodes).ok_or(Errno::Noent),
        }
    }

    fn look(&mut self, tx_id: u32, path: &str, need: Need) -> Result<&Node, Errno> {
        let who = self.guest;
        if tx_id == 0 {
            return self.nodes.get(path, who, need);
        }
        let snapshot = self.transactions.get_mut(&tx_id).ok_or(Errno::Noent)?;
        snapshot.touch(path);
        snapshot.nodes.get(path, who, need)
    }

    fn change(
        &mut self,
        tx_id: u32,
        path: String,
        fired: &mut Vec<String>,
        change: impl FnOnce(&mut Nodes, &str) -> Result<(), Errno>,
    ) -> Result<Vec<u8>, Errno> {
        if tx_id == 0 {
            change(&mut self.nodes, &path)?;
            fired.push(path);
        } else {
            let snapshot = self.transactions.get_mut(&tx_id).ok_or(Errno::Noent)?;
            snapshot.touch(&path);
            change(&mut snapshot.nodes, &path)?;
            snapshot.changed.push(path);
        }
        ok()
    }

    fn end_transaction(&mut self, tx_id: u32, how: &str, fired: &mut Vec<String>) -> Result<Vec<u8>, Errno> {
        let snapshot = self.transactions.remove(&tx_id).ok_or(Errno::Noent)?;
        match how {
            "F" => return ok(),
            "T" => {}
            _ => return Err(Errno::Inval),
        }
        if self.conflicts > 0 {
            self.conflicts -= 1;
            return Err(Errno::Again);
        }
        if snapshot.touched.iter().any(|(path, generation)| self.nodes.generation(path) != *generation) {
            return Err(Errno::Again);
        }
        for path in &snapshot.changed {
            self.nodes.adopt(path, &snapshot.nodes);
        }
        fired.extend(snapshot.changed);
        ok()
    }
}

impl Snapshot {
    fn touch(&mut self, path: &str) {
        if !self.touched.contains_key(path) {
            self.touched.insert(path.to_string(), self.nodes.generation(path));
        }
    }
}

fn ok() -> Result<Vec<u8>, Errno> {
    Ok(b"OK\0".to_vec())
}

fn event(path: &str, token: &[u8]) -> Vec<u8> {
    wire::encode(abi::XS_WATCH_EVENT, 0, 0, &[path.as_bytes(), b"\0", token, b"\0"]).expect("paths are short")
}

/// As many whole names as fit, and an empty one after the last.
fn part(generation: u64, names: &[u8], offset: usize) -> Result<Vec<u8>, Errno> {
    let mut reply = decimal(generation as u32, &mut [0; 10]).to_vec();
    reply.push(0);
    let mut rest = names.get(offset..).unwrap_or_default();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        if reply.len() + end + 2 > abi::PAYLOAD_MAX {
            return Ok(reply);
        }
        reply.extend_from_slice(&rest[..=end]);
        rest = &rest[end + 1..];
    }
    reply.push(0);
    Ok(reply)
}
