//! A file for tests.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_base::{Mutex, Result};

use crate::*;

/// A file whose pages all have their number in the first byte. The first `slow` of them take a wait to get.
pub struct TestFile {
    pages: Vec<Frame>,
    slow: usize,
    in_memory: Mutex<Vec<bool>>,
    pub waits: AtomicUsize,
    pub writers: AtomicUsize,
    /// Runs while a fault waits.
    pub meanwhile: Mutex<Option<alloc::boxed::Box<dyn FnOnce() + Send>>>,
}

impl TestFile {
    pub fn new(pages: usize, slow: usize) -> alloc::sync::Arc<Self> {
        let frames = (0..pages).map(|number| {
            let frame = Frame::zeroed().unwrap();
            frame.write(0, &[number as u8 + 1]);
            frame
        });
        alloc::sync::Arc::new(Self {
            pages: frames.collect(),
            slow,
            in_memory: Mutex::new((0..pages).map(|number| number >= slow).collect()),
            waits: AtomicUsize::new(0),
            writers: AtomicUsize::new(0),
            meanwhile: Mutex::new(None),
        })
    }

    pub fn object(self: &alloc::sync::Arc<Self>, offset: u64) -> MapObject {
        MapObject {
            pager: self.clone(),
            offset,
            may_write: true,
            may_execute: true,
            name: Name::Text(alloc::sync::Arc::from(&b"/test"[..])),
        }
    }

    pub fn byte(&self, page: usize, offset: usize) -> u8 {
        let mut byte = [0];
        self.pages[page].read(offset, &mut byte);
        byte[0]
    }
}

impl Pager for TestFile {
    fn page(&self, index: u64, _: bool) -> Result<Option<Frame>> {
        let Some(frame) = self.pages.get(index as usize) else { return Ok(None) };
        if (index as usize) < self.slow {
            self.waits.fetch_add(1, Ordering::Relaxed);
            self.in_memory.lock()[index as usize] = true;
        }
        let meanwhile = self.meanwhile.lock().take();
        if let Some(run) = meanwhile {
            run();
        }
        Ok(Some(frame.clone()))
    }

    fn page_now(&self, index: u64) -> Option<Frame> {
        let is_there = self.in_memory.lock().get(index as usize).copied().unwrap_or(false);
        is_there.then(|| self.pages[index as usize].clone())
    }

    fn identity(&self) -> (u64, u64) {
        (8, 77)
    }

    fn mapped_for_write(&self, is_mapped: bool) {
        match is_mapped {
            true => self.writers.fetch_add(1, Ordering::Relaxed),
            false => self.writers.fetch_sub(1, Ordering::Relaxed),
        };
    }
}
