//! What an address space is to do, in the simplest way: a page at a time, all bytes kept.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;

use crate::Prot;

pub type Bytes = Box<[u8; 4096]>;

/// The pages of a file or of shared memory.
pub type Object = Rc<RefCell<alloc::vec::Vec<Bytes>>>;

pub fn object(pages: usize, first: impl Fn(usize) -> u8) -> Object {
    let page = |number| {
        let mut bytes = Box::new([0; 4096]);
        bytes[0] = first(number);
        bytes
    };
    Rc::new(RefCell::new((0..pages).map(page).collect()))
}

#[derive(Clone)]
pub struct Page {
    pub prot: Prot,
    pub object: Option<(Object, usize)>,
    pub shared: bool,
    /// Of another domain: nothing of it is behind the end of the object.
    pub foreign: bool,
    /// What is private already.
    pub own: Option<Bytes>,
}

impl Page {
    /// The byte at an offset; `None` behind the end of the object.
    fn byte(&self, offset: usize) -> Option<u8> {
        match (&self.own, &self.object) {
            (Some(own), _) => Some(own[offset]),
            (None, Some((object, index))) => object.borrow().get(*index).map(|bytes| bytes[offset]),
            (None, None) => Some(0),
        }
    }

    fn set(&mut self, offset: usize, byte: u8) -> Option<()> {
        if self.shared {
            let (object, index) = self.object.as_ref()?;
            object.borrow_mut().get_mut(*index)?[offset] = byte;
            return Some(());
        }
        let own = match (self.own.take(), &self.object) {
            (Some(own), _) => own,
            (None, Some((object, index))) => object.borrow().get(*index)?.clone(),
            (None, None) => Box::new([0; 4096]),
        };
        self.own.insert(own)[offset] = byte;
        Some(())
    }
}

/// Pages by number.
#[derive(Clone, Default)]
pub struct Model(pub BTreeMap<u64, Page>);

impl Model {
    pub fn read(&self, address: u64) -> Option<u8> {
        let page = self.0.get(&(address / 4096)).filter(|page| !page.prot.is_empty())?;
        page.byte(address as usize % 4096)
    }

    pub fn write(&mut self, address: u64, byte: u8) -> Option<()> {
        let page = self.0.get_mut(&(address / 4096)).filter(|page| page.prot.contains(Prot::WRITE))?;
        page.set(address as usize % 4096, byte)
    }

    pub fn unmap(&mut self, first: u64, count: u64) {
        self.0.retain(|page, _| !(first..first + count).contains(page));
    }

    pub fn is_whole(&self, first: u64, count: u64) -> bool {
        (first..first + count).all(|page| self.0.contains_key(&page))
    }

    pub fn protect(&mut self, first: u64, count: u64, prot: Prot) -> bool {
        for page in first..first + count {
            match self.0.get_mut(&page) {
                Some(page) if page.foreign && page.prot != prot => return false,
                Some(page) => page.prot = prot,
                None => return false,
            }
        }
        true
    }

    /// What the child of a fork has.
    pub fn child(&self) -> Self {
        let pages = self.0.iter().filter(|(_, page)| !page.foreign);
        Self(pages.map(|(number, page)| (*number, page.clone())).collect())
    }

    pub fn discard(&mut self, first: u64, count: u64) {
        for (_, page) in self.0.range_mut(first..first + count) {
            page.own = None;
        }
    }

    /// Brings pages in, which makes those private that may be written; it ends where a page cannot be had.
    pub fn populate(&mut self, first: u64, count: u64) {
        for (_, page) in self.0.range_mut(first..first + count).filter(|(_, page)| !page.prot.is_empty()) {
            let Some(byte) = page.byte(0) else { return };
            if page.prot.contains(Prot::WRITE) && !page.shared {
                page.set(0, byte);
            }
        }
    }

    /// Moves pages; what was at the target goes.
    pub fn relocate(&mut self, first: u64, count: u64, target: u64, keeps: bool) {
        let moved: alloc::vec::Vec<_> =
            (0..count).filter_map(|at| Some((at, self.0.get(&(first + at))?.clone()))).collect();
        self.unmap(target, count);
        if keeps {
            self.discard(first, count);
        } else {
            self.unmap(first, count);
        }
        self.0.extend(moved.into_iter().map(|(at, page)| (target + at, page)));
    }
}
