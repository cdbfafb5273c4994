//! Whose device model this domain is, and QEMU's arguments: what libxl has written into XenStore.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Arguments that QEMU gets at most, and their bytes in all. libxl writes some dozens.
const ARGUMENTS_MAX: usize = 4096;
const BYTES_MAX: usize = 128 << 10;
/// From here on domain numbers have meanings of their own (`DOMID_FIRST_RESERVED`).
const DOMAINS: u16 = 0x7ff0;

/// What is needed of XenStore. An error is what it says of itself.
pub trait Store {
    /// A node's value; `None` if there is no such node.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String>;
    /// The names of a node's children; `None` if there is no such node.
    fn list(&self, path: &str) -> Result<Option<Vec<String>>, String>;
}

/// The device model that this domain is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    /// The domain that it serves.
    pub target: u16,
    /// QEMU's arguments, without its name.
    pub arguments: Vec<Vec<u8>>,
}

/// What is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// There is no such node.
    Missing(String),
    /// The node says no domain that can have a device model.
    NoDomain(String, String),
    /// The node says no absolute path.
    NoPath(String, String),
    /// A child of the node is no number.
    NoNumber(String, String),
    /// The node has more children than QEMU gets arguments.
    TooMany(String, usize),
    /// With this node the arguments have too many bytes.
    TooLong(String),
    /// The node's value has a NUL in it.
    Nul(String),
    /// XenStore refuses to read the node, and says why.
    Store(String, String),
    /// There is no memory for so many arguments.
    Memory(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "there is no XenStore node {key}"),
            Self::NoDomain(key, value) => write!(f, "{key} holds {value:?}, which is no domain"),
            Self::NoPath(key, value) => write!(f, "{key} holds {value:?}, which is no path"),
            Self::NoNumber(key, child) => write!(f, "{key} has {child:?}, which is no argument's number"),
            Self::TooMany(key, count) => {
                write!(f, "{key} has {count} arguments, more than {ARGUMENTS_MAX}")
            }
            Self::TooLong(key) => write!(f, "with {key} the arguments are more than {BYTES_MAX} bytes"),
            Self::Nul(key) => write!(f, "{key} has a NUL in it"),
            Self::Store(key, reason) => write!(f, "{key}: {reason}"),
            Self::Memory(count) => write!(f, "no memory for {count} arguments"),
        }
    }
}

impl core::error::Error for Error {}

impl Model {
    /// Reads it.
    pub fn read(store: &dyn Store) -> Result<Self, Error> {
        let target = target(store)?;
        let key = format!("/local/domain/{target}/vm");
        let vm = text(store, &key)?;
        if !vm.starts_with('/') || vm.len() > 1024 {
            return Err(Error::NoPath(key, cut(&vm)));
        }
        Ok(Self { target, arguments: arguments(store, &format!("{vm}/image/dm-argv"))? })
    }
}

fn target(store: &dyn Store) -> Result<u16, Error> {
    let value = text(store, "target")?;
    match value.parse() {
        Ok(domain @ 1..DOMAINS) => Ok(domain),
        _ => Err(Error::NoDomain("target".into(), cut(&value))),
    }
}

/// The values of the children `001`, `002` and so on, in the order of these numbers.
fn arguments(store: &dyn Store, key: &str) -> Result<Vec<Vec<u8>>, Error> {
    let children = store.list(key).map_err(|reason| Error::Store(key.into(), reason))?;
    let children = children.ok_or_else(|| Error::Missing(key.into()))?;
    if children.len() > ARGUMENTS_MAX {
        return Err(Error::TooMany(key.into(), children.len()));
    }
    let out_of_memory = |_| Error::Memory(children.len());
    let mut numbered = Vec::new();
    numbered.try_reserve_exact(children.len()).map_err(out_of_memory)?;
    for child in &children {
        let is_number = !child.is_empty() && child.bytes().all(|byte| byte.is_ascii_digit());
        let number = child.parse::<u32>().ok().filter(|_| is_number);
        numbered.push((number.ok_or_else(|| Error::NoNumber(key.into(), cut(child)))?, child));
    }
    numbered.sort_unstable();
    let mut arguments = Vec::new();
    arguments.try_reserve_exact(children.len()).map_err(out_of_memory)?;
    let mut room = BYTES_MAX;
    for (_, child) in numbered {
        let key = format!("{key}/{child}");
        let value = read(store, &key)?;
        if value.contains(&0) {
            return Err(Error::Nul(key));
        }
        match room.checked_sub(value.len()) {
            Some(rest) => room = rest,
            None => return Err(Error::TooLong(key)),
        }
        arguments.push(value);
    }
    Ok(arguments)
}

fn read(store: &dyn Store, key: &str) -> Result<Vec<u8>, Error> {
    let found = store.read(key).map_err(|reason| Error::Store(key.into(), reason))?;
    found.ok_or_else(|| Error::Missing(key.into()))
}

fn text(store: &dyn Store, key: &str) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&read(store, key)?).into_owned())
}

fn cut(value: &str) -> String {
    value.chars().take(60).collect()
}
