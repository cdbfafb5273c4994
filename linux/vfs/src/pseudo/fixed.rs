//! A directory of items that are always there.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Result};

use super::{Directory, Item, Listed};

/// Cookies of the directory behind the fixed items begin here.
const BEHIND: u64 = 1 << 16;

/// A directory of items that are always there, in their order, and of those of another directory behind them.
#[derive(Default)]
pub struct Fixed {
    items: Vec<(Vec<u8>, Item)>,
    behind: Option<Arc<dyn Directory>>,
    is_passing: bool,
}

impl Fixed {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more item.
    pub fn with(mut self, name: impl AsRef<[u8]>, item: Item) -> Self {
        self.items.push((name.as_ref().to_vec(), item));
        self
    }

    /// With a file of this content.
    pub fn file(self, name: impl AsRef<[u8]>, content: impl super::Content + 'static) -> Self {
        self.with(name, Item::file(content))
    }

    /// With a file whose content never changes.
    pub fn text(self, name: impl AsRef<[u8]>, text: &'static str) -> Self {
        self.file(name, move || Ok(text.as_bytes().to_vec()))
    }

    /// With a directory.
    pub fn directory(self, name: impl AsRef<[u8]>, directory: impl Directory + 'static) -> Self {
        self.with(name, Item::directory(directory))
    }

    /// With a symbolic link that never changes.
    pub fn link(self, name: impl AsRef<[u8]>, target: &'static str) -> Self {
        self.with(name, Item::link(move || Ok(target.as_bytes().to_vec())))
    }

    /// A directory of something that comes and goes, as a process does: that its names are remembered must not keep it.
    pub fn passing(self) -> Self {
        Self { is_passing: true, ..self }
    }

    /// With the names of another directory behind these.
    pub fn behind(self, directory: impl Directory + 'static) -> Self {
        Self { behind: Some(Arc::new(directory)), ..self }
    }
}

impl Directory for Fixed {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        match (self.items.iter().find(|(known, _)| known == name), &self.behind) {
            (Some((_, item)), _) => Ok(item.clone()),
            (None, Some(behind)) => behind.lookup(name),
            (None, None) => Err(Errno::ENOENT),
        }
    }

    fn next(&self, from: u64) -> Option<Listed> {
        if let Some((name, item)) = usize::try_from(from).ok().and_then(|from| self.items.get(from)) {
            return Some(Listed { cookie: from, name: name.clone(), kind: item.kind() });
        }
        let listed = self.behind.as_ref()?.next(from.saturating_sub(BEHIND))?;
        Some(Listed { cookie: listed.cookie.checked_add(BEHIND)?, ..listed })
    }

    fn is_fixed(&self) -> bool {
        self.behind.is_none() && !self.is_passing
    }
}
