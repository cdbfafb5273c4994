//! The operations on nodes, the same outside and inside of a transaction.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use xen::{DomId, Platform, SharedMemory};
use xen_sys::io::xs_wire as abi;

use crate::client::{Pending, Shared};
use crate::connection::{decimal, parse_number};
use crate::{Errno, Error, wire};

/// Times that a listing in parts is begun again because the directory changed meanwhile.
const LISTING_TRIES: usize = 8;
/// Bytes that a listing in parts may have in all; xenstored's node size bounds an honest one far below.
const LISTING_MAX: usize = 1 << 20;

/// XenStore, or the view of it that a transaction has. Paths are absolute, or relative to `/local/domain/<ours>`.
pub struct Tree<P: Platform, M: SharedMemory> {
    pub(crate) shared: Rc<Shared<P, M>>,
    pub(crate) tx_id: u32,
}

/// What a domain may do with a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Both.
    Both,
}

/// One entry of a node's permissions. In the first one `domain` owns the node and `rights` are those of all domains
/// that have no entry of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permission {
    /// Whose.
    pub domain: DomId,
    /// What.
    pub rights: Rights,
}

impl<P: Platform, M: SharedMemory> Clone for Tree<P, M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), tx_id: self.tx_id }
    }
}

impl<P: Platform, M: SharedMemory> Tree<P, M> {
    /// Sends a request of any type without waiting for its reply, so that several may be outstanding. The payload is
    /// the parts put together.
    pub fn submit(&self, kind: u32, parts: &[&[u8]]) -> Result<Pending<P, M>, Error> {
        Pending::new(&self.shared, kind, self.tx_id, parts)
    }

    pub(crate) fn call(&self, kind: u32, parts: &[&[u8]]) -> Result<Vec<u8>, Error> {
        self.submit(kind, parts)?.wait()
    }

    fn call_path(&self, kind: u32, path: &str, rest: &[u8]) -> Result<Vec<u8>, Error> {
        self.call(kind, &[checked(path)?.as_bytes(), b"\0", rest])
    }

    /// A node's value.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.call_path(abi::XS_READ, path, b"")
    }

    /// A node's value, which must be UTF-8.
    pub fn read_string(&self, path: &str) -> Result<String, Error> {
        text("the value", self.read(path)?)
    }

    /// A node's value, `None` if there is no such node.
    pub fn find(&self, path: &str) -> Result<Option<String>, Error> {
        match self.read_string(path) {
            Err(error) if error.is_missing() => Ok(None),
            found => found.map(Some),
        }
    }

    /// Sets a node's value; makes the node and its parents if they are not there.
    pub fn write(&self, path: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.call_path(abi::XS_WRITE, path, value.as_ref()).map(drop)
    }

    /// Makes a node without a value, and its parents; nothing happens if it is there.
    pub fn mkdir(&self, path: &str) -> Result<(), Error> {
        self.call_path(abi::XS_MKDIR, path, b"").map(drop)
    }

    /// Removes a node and all below it. xenstored says `ENOENT` only if its parent is missing, too.
    pub fn remove(&self, path: &str) -> Result<(), Error> {
        self.call_path(abi::XS_RM, path, b"").map(drop)
    }

    /// The names of a node's children, however many there are.
    pub fn directory(&self, path: &str) -> Result<Vec<String>, Error> {
        match self.call_path(abi::XS_DIRECTORY, path, b"") {
            Err(Error::Refused(Errno::TooBig)) => {}
            names => return names.and_then(|names| split_names(&names)),
        }
        for _ in 0..LISTING_TRIES {
            match self.directory_in_parts(path) {
                // An old xenstored does not know this request: then the listing is just too long for it.
                Err(Error::Refused(Errno::Nosys | Errno::Inval)) => break,
                Ok(None) => {}
                Ok(Some(names)) => return split_names(&names),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Refused(Errno::TooBig))
    }

    /// `None`: the directory changed meanwhile.
    fn directory_in_parts(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut names = Vec::new();
        let mut generation = None;
        while names.len() < LISTING_MAX {
            let mut digits = [0; 10];
            let offset = decimal(names.len() as u32, &mut digits);
            let part =
                self.call(abi::XS_DIRECTORY_PART, &[checked(path)?.as_bytes(), b"\0", offset, b"\0"])?;
            let Some(end) = part.iter().position(|byte| *byte == 0) else {
                return Err(malformed("part of a listing", &part));
            };
            let (seen, mut rest) = (&part[..end], &part[end + 1..]);
            if generation.get_or_insert_with(|| seen.to_vec()) != seen {
                return Ok(None);
            }
            // The last part has an empty name at its end.
            let last = rest == b"\0" || rest.ends_with(b"\0\0");
            if last {
                rest = &rest[..rest.len() - 1];
            } else if !rest.ends_with(b"\0") {
                return Err(malformed("part of a listing", &part));
            }
            names.extend_from_slice(rest);
            if last {
                return Ok(Some(names));
            }
        }
        Err(Error::TooLong(names.len()))
    }

    /// A node's permissions, its owner first.
    pub fn permissions(&self, path: &str) -> Result<Vec<Permission>, Error> {
        let payload = self.call_path(abi::XS_GET_PERMS, path, b"")?;
        wire::strings(&payload)
            .map(|entry| Permission::parse(entry).ok_or_else(|| malformed("a permission", entry)))
            .collect()
    }

    /// Sets a node's permissions; the first entry names the owner.
    pub fn set_permissions(&self, path: &str, permissions: &[Permission]) -> Result<(), Error> {
        let mut entries = Vec::new();
        for permission in permissions {
            permission.encode(&mut entries);
        }
        self.call_path(abi::XS_SET_PERMS, path, &entries).map(drop)
    }

    /// The path of a domain's own directory, whether or not the domain exists.
    pub fn domain_path(&self, domain: DomId) -> Result<String, Error> {
        text("a domain's path", self.call_domain(abi::XS_GET_DOMAIN_PATH, domain)?)
    }

    /// Whether xenstored knows the domain. Unprivileged domains are refused.
    pub fn is_domain_introduced(&self, domain: DomId) -> Result<bool, Error> {
        let payload = self.call_domain(abi::XS_IS_DOMAIN_INTRODUCED, domain)?;
        match payload.strip_suffix(b"\0").unwrap_or(&payload) {
            b"T" => Ok(true),
            b"F" => Ok(false),
            other => Err(malformed("whether a domain is introduced", other)),
        }
    }

    fn call_domain(&self, kind: u32, domain: DomId) -> Result<Vec<u8>, Error> {
        self.call(kind, &[decimal(domain.raw().into(), &mut [0; 10]), b"\0"])
    }
}

impl Permission {
    /// From `r5` and the like.
    pub fn parse(entry: &[u8]) -> Option<Self> {
        let (letter, domain) = entry.split_first()?;
        let rights = match letter {
            b'n' => Rights::None,
            b'r' => Rights::Read,
            b'w' => Rights::Write,
            b'b' => Rights::Both,
            _ => return None,
        };
        let domain = u16::try_from(parse_number(domain)?).ok()?;
        Some(Self { domain: DomId::new(domain), rights })
    }

    /// Appends `r5` and a NUL.
    pub fn encode(&self, into: &mut Vec<u8>) {
        into.push(match self.rights {
            Rights::None => b'n',
            Rights::Read => b'r',
            Rights::Write => b'w',
            Rights::Both => b'b',
        });
        into.extend_from_slice(decimal(self.domain.raw().into(), &mut [0; 10]));
        into.push(0);
    }
}

/// A path that can be sent; xenstored judges the rest.
pub(crate) fn checked(path: &str) -> Result<&str, Error> {
    let longest = if path.starts_with('/') { abi::ABS_PATH_MAX } else { abi::REL_PATH_MAX };
    if path.is_empty() || path.len() > longest || path.as_bytes().contains(&0) {
        return Err(Error::BadPath(path.chars().take(80).collect()));
    }
    Ok(path)
}

fn text(what: &'static str, mut bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|error| malformed(what, error.as_bytes()))
}

fn split_names(payload: &[u8]) -> Result<Vec<String>, Error> {
    wire::strings(payload).map(|name| text("a child's name", name.to_vec())).collect()
}

fn malformed(what: &'static str, bytes: &[u8]) -> Error {
    Error::Malformed { what, value: String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned() }
}
