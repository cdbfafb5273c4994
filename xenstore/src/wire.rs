//! XenStore messages as bytes, without I/O (`io/xs_wire.h`): a 16-byte header and up to 4096 bytes of payload.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use xen::PeerMisbehaved;
use xen_sys::io::xs_wire::{PAYLOAD_MAX, XS_DIRECTORY_PART};

/// Bytes of a message's header.
pub const HEADER_LEN: usize = 16;

/// One whole message, in either direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// `XS_*`.
    pub kind: u32,
    /// Which request it answers; 0 in watch events.
    pub req_id: u32,
    /// The transaction, 0 for none.
    pub tx_id: u32,
    /// Up to 4096 bytes.
    pub payload: Vec<u8>,
}

/// Encodes a message whose payload is the parts put together; the error is the length that is too much.
pub fn encode(kind: u32, req_id: u32, tx_id: u32, parts: &[&[u8]]) -> Result<Vec<u8>, usize> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    if len > PAYLOAD_MAX {
        return Err(len);
    }
    let mut bytes = Vec::with_capacity(HEADER_LEN + len);
    for word in [kind, req_id, tx_id, len as u32] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// Puts messages together out of chunks of any size. After an error it must not be fed again.
#[derive(Default, Debug)]
pub struct Decoder {
    header: [u8; HEADER_LEN],
    have: usize,
    payload: Vec<u8>,
}

impl Decoder {
    /// Takes bytes off the front of `input`, until it is empty or a message is complete.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Message>, PeerMisbehaved> {
        if self.have < HEADER_LEN {
            let taken = take(input, HEADER_LEN - self.have);
            self.header[self.have..][..taken.len()].copy_from_slice(taken);
            self.have += taken.len();
            if self.have < HEADER_LEN {
                return Ok(None);
            }
            if self.word(0) > XS_DIRECTORY_PART {
                return Err(PeerMisbehaved {
                    what: "unknown XenStore message type",
                    value: self.word(0).into(),
                });
            }
            if self.word(3) as usize > PAYLOAD_MAX {
                return Err(PeerMisbehaved {
                    what: "XenStore payload is too long, bytes",
                    value: self.word(3).into(),
                });
            }
            self.payload.reserve_exact(self.word(3) as usize);
        }
        let len = self.word(3) as usize;
        self.payload.extend_from_slice(take(input, len - self.payload.len()));
        if self.payload.len() < len {
            return Ok(None);
        }
        self.have = 0;
        let payload = core::mem::take(&mut self.payload);
        Ok(Some(Message { kind: self.word(0), req_id: self.word(1), tx_id: self.word(2), payload }))
    }

    fn word(&self, index: usize) -> u32 {
        let at = &self.header[index * 4..];
        u32::from_le_bytes([at[0], at[1], at[2], at[3]])
    }
}

fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken
}

/// The strings of a payload, each ended by a NUL. A last one without it counts too.
pub fn strings(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let payload = payload.strip_suffix(b"\0").unwrap_or(payload);
    let mut rest = if payload.is_empty() { None } else { Some(payload) };
    core::iter::from_fn(move || {
        let bytes = rest?;
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => {
                rest = Some(&bytes[end + 1..]);
                Some(&bytes[..end])
            }
            None => {
                rest = None;
                Some(bytes)
            }
        }
    })
}

macro_rules! errnos {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// An error as xenstored names it.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Errno {
            $($(#[$doc])* $variant,)+
            /// Another name.
            Other(String),
        }

        impl Errno {
            /// From the payload of an `XS_ERROR`.
            pub fn from_payload(payload: &[u8]) -> Self {
                let name = payload.strip_suffix(b"\0").unwrap_or(payload);
                $(if name == $name.as_bytes() {
                    return Self::$variant;
                })+
                Self::Other(String::from_utf8_lossy(&name[..name.len().min(40)]).into_owned())
            }

            /// The name, `ENOENT`.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                }
            }
        }
    };
}

errnos! {
    /// A malformed argument.
    Inval = "EINVAL",
    /// Not permitted.
    Acces = "EACCES",
    /// Exists already.
    Exist = "EEXIST",
    /// Is a directory.
    Isdir = "EISDIR",
    /// No such node, watch or transaction.
    Noent = "ENOENT",
    /// xenstored is out of memory.
    Nomem = "ENOMEM",
    /// A quota of nodes, sizes or transactions is used up.
    Nospc = "ENOSPC",
    /// xenstored could not read or write its data.
    Io = "EIO",
    /// Not empty.
    Notempty = "ENOTEMPTY",
    /// No such operation.
    Nosys = "ENOSYS",
    /// Read only.
    Rofs = "EROFS",
    /// Busy.
    Busy = "EBUSY",
    /// The transaction met a conflict: do it again.
    Again = "EAGAIN",
    /// Connected already.
    Isconn = "EISCONN",
    /// Too much for one message, or too many watches.
    TooBig = "E2BIG",
    /// Not permitted to this domain.
    Perm = "EPERM",
    /// oxenstored's word for a used-up quota.
    Quota = "EQUOTA",
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
