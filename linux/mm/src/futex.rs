//! Words that threads and processes synchronize with.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_base::{Errno, Result};

use crate::copy::check_range;
use crate::fault::Effort;
use crate::{Access, AddressSpace};

/// What makes two addresses the same futex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FutexKey {
    /// A word of one address space.
    Private {
        /// [`AddressSpace::id`].
        space: u64,
        /// Where it is.
        address: u64,
    },
    /// A word of a mapped object, wherever it is mapped.
    Shared {
        /// The object, by where it lies in the kernel.
        object: usize,
        /// The byte of the object.
        offset: u64,
    },
}

impl AddressSpace {
    /// What identifies the futex at an address; `may_be_shared` is the lack of `FUTEX_PRIVATE_FLAG`. `EINVAL` if it is not
    /// aligned, `EFAULT` if nothing is mapped there.
    pub fn futex_key(&self, address: u64, may_be_shared: bool) -> Result<FutexKey> {
        check_word(address)?;
        let private = FutexKey::Private { space: self.id(), address };
        if !may_be_shared {
            return Ok(private);
        }
        let state = self.state.lock();
        let area = state.area_at(address).filter(|area| !area.is_foreign()).ok_or(Errno::EFAULT)?;
        Ok(match &area.backing {
            Some(backing) if area.is_shared() => FutexKey::Shared {
                object: Arc::as_ptr(&backing.pager).cast::<()>() as usize,
                offset: backing.first * crate::PAGE_SIZE as u64 + (address - area.start),
            },
            // Where nothing can be written, nobody else could ever change the word.
            None if !area.prot.contains(crate::Prot::WRITE) => return Err(Errno::EFAULT),
            _ => private,
        })
    }

    /// The value of an aligned word. May wait for a disk.
    pub fn load_u32(&self, address: u64) -> Result<u32> {
        self.word(address, Access::Read, Effort::Wait, |word| word.load(Ordering::SeqCst))
    }

    /// The value of an aligned word, without waiting: `EFAULT` also if only waiting would bring it.
    pub fn load_u32_now(&self, address: u64) -> Result<u32> {
        self.word(address, Access::Read, Effort::NoWait, |word| word.load(Ordering::SeqCst))
    }

    /// Changes an aligned word if it is as expected, and returns what it was: `Ok(Ok(current))` if it was. May wait for a disk.
    pub fn compare_exchange_u32(
        &self,
        address: u64,
        current: u32,
        new: u32,
    ) -> Result<core::result::Result<u32, u32>> {
        self.word(address, Access::Write, Effort::Wait, |word| {
            word.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
        })
    }

    /// Changes an aligned word, and returns what it was. May wait for a disk.
    pub fn fetch_update_u32(&self, address: u64, mut change: impl FnMut(u32) -> u32) -> Result<u32> {
        self.word(address, Access::Write, Effort::Wait, |word| {
            let mut old = word.load(Ordering::SeqCst);
            while let Err(other) =
                word.compare_exchange_weak(old, change(old), Ordering::SeqCst, Ordering::SeqCst)
            {
                old = other;
            }
            old
        })
    }

    fn word<T>(
        &self,
        address: u64,
        access: Access,
        effort: Effort,
        mut run: impl FnMut(&AtomicU32) -> T,
    ) -> Result<T> {
        check_word(address)?;
        let mut result = None;
        self.each_span(address, 4, access, effort, &mut |span, _| {
            result = span.word().map(&mut run);
            true
        });
        result.ok_or(Errno::EFAULT)
    }
}

fn check_word(address: u64) -> Result<()> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    check_range(address, 4)
}
