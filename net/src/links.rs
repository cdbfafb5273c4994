//! The interfaces by their numbers. One that is removed leaves its number to the next that is added.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::error::{Error, Result};
use crate::link::Link;

/// All interfaces; loopback is 0 and stays.
///
/// Indexing is for the links of flows, and those go with their interface.
#[derive(Default)]
pub(crate) struct Links(Vec<Option<Link>>);

impl Links {
    /// The number of the next interface.
    pub(crate) fn free(&self) -> usize {
        self.0.iter().position(Option::is_none).unwrap_or(self.0.len())
    }

    /// Puts an interface at a free number.
    pub(crate) fn insert(&mut self, at: usize, link: Link) -> Result<()> {
        if at >= self.0.len() {
            self.0.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some(link);
        Ok(())
    }

    /// Takes an interface out.
    pub(crate) fn remove(&mut self, at: usize) -> Option<Link> {
        let link = self.0.get_mut(at)?.take();
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
        link
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Link> {
        self.0.get(at)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Link> {
        self.0.get_mut(at)?.as_mut()
    }

    /// The interfaces with their numbers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Link)> {
        self.0.iter().enumerate().filter_map(|(at, link)| Some((at, link.as_ref()?)))
    }

    /// As [`Links::iter`].
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Link)> {
        self.0.iter_mut().enumerate().filter_map(|(at, link)| Some((at, link.as_mut()?)))
    }

    /// One more than the highest number.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Index<usize> for Links {
    type Output = Link;
    fn index(&self, at: usize) -> &Link {
        self.get(at).expect("a flow's interface is there: its flows go with it")
    }
}

impl IndexMut<usize> for Links {
    fn index_mut(&mut self, at: usize) -> &mut Link {
        self.get_mut(at).expect("a flow's interface is there: its flows go with it")
    }
}
