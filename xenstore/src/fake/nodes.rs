//! The tree of the fake xenstored: nodes, permissions, and the snapshots that transactions work on.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use xen::DomId;

use crate::{Errno, Permission, Rights};

/// Nodes that a guest may own.
pub const NODES_MAX: usize = 1000;
/// Bytes that a guest may put in a node.
pub const NODE_SIZE_MAX: usize = 2048;

#[derive(Clone)]
pub struct Node {
    pub value: Vec<u8>,
    pub permissions: Vec<Permission>,
    /// Changes with the value, the permissions and the list of children.
    pub generation: u64,
}

/// All nodes, by absolute path.
#[derive(Clone)]
pub struct Nodes {
    map: BTreeMap<String, Node>,
    generation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Read,
    Write,
}

impl Nodes {
    pub fn new() -> Self {
        let permissions = vec![Permission { domain: DomId::DOM0, rights: Rights::None }];
        let root = Node { value: Vec::new(), permissions, generation: 0 };
        Self { map: BTreeMap::from([("/".to_string(), root)]), generation: 0 }
    }

    pub fn generation(&self, path: &str) -> Option<u64> {
        self.map.get(path).map(|node| node.generation)
    }

    pub fn peek(&self, path: &str) -> Option<&Node> {
        self.map.get(path)
    }

    /// The node, if `who` may do that with it. What is missing is `ENOENT` only to those who may read above it.
    pub fn get(&self, path: &str, who: DomId, need: Need) -> Result<&Node, Errno> {
        match self.map.get(path) {
            Some(node) if node.allows(who, need) => Ok(node),
            Some(_) => Err(Errno::Acces),
            None if self.nearest(path).allows(who, Need::Read) => Err(Errno::Noent),
            None => Err(Errno::Acces),
        }
    }

    /// Sets the value, `None` leaves it; makes the node and its parents.
    pub fn write(&mut self, path: &str, value: Option<&[u8]>, who: DomId) -> Result<(), Errno> {
        if value.is_some_and(|value| value.len() > NODE_SIZE_MAX) && who != DomId::DOM0 {
            return Err(Errno::Nospc);
        }
        if self.map.contains_key(path) {
            self.get(path, who, Need::Write)?;
        } else {
            self.create(path, who)?;
        }
        self.generation += 1;
        let generation = self.generation;
        if let (Some(node), Some(value)) = (self.map.get_mut(path), value) {
            node.value = value.to_vec();
            node.generation = generation;
        }
        Ok(())
    }

    fn create(&mut self, path: &str, who: DomId) -> Result<(), Errno> {
        let nearest = self.nearest(path);
        if !nearest.allows(who, Need::Write) {
            return Err(Errno::Acces);
        }
        let owned = self.map.values().filter(|node| node.permissions[0].domain == who).count();
        if who != DomId::DOM0 && owned >= NODES_MAX {
            return Err(Errno::Nospc);
        }
        let mut permissions = nearest.permissions.clone();
        if who != DomId::DOM0 {
            permissions[0].domain = who;
        }
        let mut at = path;
        while !self.map.contains_key(at) {
            self.generation += 1;
            let node =
                Node { value: Vec::new(), permissions: permissions.clone(), generation: self.generation };
            self.map.insert(at.to_string(), node);
            at = parent(at);
        }
        self.touch(at);
        Ok(())
    }

    /// Removes a node and all below; missing is fine if its parent is there.
    pub fn remove(&mut self, path: &str, who: DomId) -> Result<bool, Errno> {
        if !self.map.contains_key(path) {
            self.get(parent(path), who, Need::Read)?;
            return Ok(false);
        }
        self.get(path, who, Need::Write)?;
        self.cut(path);
        Ok(true)
    }

    fn cut(&mut self, path: &str) {
        let below = std::format!("{path}/");
        self.map.retain(|key, _| key != path && !key.starts_with(&below));
        self.touch(parent(path));
    }

    pub fn set_permissions(
        &mut self,
        path: &str,
        permissions: Vec<Permission>,
        who: DomId,
    ) -> Result<(), Errno> {
        let node = self.get(path, who, Need::Write)?;
        if who != DomId::DOM0 && node.permissions[0].domain != who {
            return Err(Errno::Acces);
        }
        self.touch(path);
        if let Some(node) = self.map.get_mut(path) {
            node.permissions = permissions;
        }
        Ok(())
    }

    /// Names, each with its NUL.
    pub fn children(&self, path: &str) -> Vec<u8> {
        let below = if path == "/" { "/".to_string() } else { std::format!("{path}/") };
        let mut names = Vec::new();
        for key in
            self.map.range(below.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&below))
        {
            let name = &key[below.len()..];
            if !name.is_empty() && !name.contains('/') {
                names.extend_from_slice(name.as_bytes());
                names.push(0);
            }
        }
        names
    }

    /// Takes over what a transaction made of a node.
    pub fn adopt(&mut self, path: &str, from: &Self) {
        match from.map.get(path) {
            Some(node) => {
                let mut at = path;
                while let Some(missing) = from.map.get(at).filter(|_| !self.map.contains_key(at)) {
                    self.map.insert(at.to_string(), missing.clone());
                    self.touch(at);
                    at = parent(at);
                }
                self.touch(at);
                self.map.insert(path.to_string(), node.clone());
                self.touch(path);
            }
            None if self.map.contains_key(path) => self.cut(path),
            None => {}
        }
    }

    fn touch(&mut self, path: &str) {
        self.generation += 1;
        if let Some(node) = self.map.get_mut(path) {
            node.generation = self.generation;
        }
    }

    fn nearest(&self, path: &str) -> &Node {
        let mut at = path;
        loop {
            at = parent(at);
            if let Some(node) = self.map.get(at) {
                return node;
            }
        }
    }
}

impl Node {
    fn allows(&self, who: DomId, need: Need) -> bool {
        if who == DomId::DOM0 || self.permissions[0].domain == who {
            return true;
        }
        let own = self.permissions[1..].iter().find(|permission| permission.domain == who);
        let rights = own.unwrap_or(&self.permissions[0]).rights;
        match need {
            Need::Read => matches!(rights, Rights::Read | Rights::Both),
            Need::Write => matches!(rights, Rights::Write | Rights::Both),
        }
    }
}

/// The path above; that of `/` is itself.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}
