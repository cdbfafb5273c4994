//! The descriptors of a process.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, OpenFile, Result};

/// An open file under a number.
#[derive(Clone)]
pub struct Descriptor {
    /// The open file description.
    pub open: Arc<OpenFile>,
    /// It goes when a program is executed.
    pub close_on_exec: bool,
}

#[derive(Default)]
struct Table {
    slots: Vec<Option<Descriptor>>,
    /// No lower number is free.
    first_free: usize,
}

/// The descriptors of a process; threads share them.
#[derive(Default)]
pub struct Files(Mutex<Table>);

impl Files {
    /// No descriptors.
    pub fn new() -> Self {
        Self::default()
    }

    /// The open file of a descriptor. `EBADF`.
    pub fn get(&self, fd: i32) -> Result<Arc<OpenFile>> {
        Ok(self.descriptor(fd)?.open)
    }

    /// A descriptor. `EBADF`.
    pub fn descriptor(&self, fd: i32) -> Result<Descriptor> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.0.lock().slots.get(index).cloned().flatten().ok_or(Errno::EBADF)
    }

    /// Gives an open file the lowest free number from `least` on. `EMFILE` when that is `limit` or more.
    pub fn insert(&self, open: Arc<OpenFile>, close_on_exec: bool, least: usize, limit: u64) -> Result<i32> {
        let mut table = self.0.lock();
        let mut index = least.max(table.first_free);
        while table.slots.get(index).is_some_and(Option::is_some) {
            index += 1;
        }
        if index as u64 >= limit || index > i32::MAX as usize {
            return Err(Errno::EMFILE);
        }
        table.reach(index)?;
        if least <= table.first_free {
            table.first_free = index + 1;
        }
        if let Some(slot) = table.slots.get_mut(index) {
            *slot = Some(Descriptor { open, close_on_exec });
        }
        Ok(index as i32)
    }

    /// Gives an open file this number; what had it is closed. `EBADF` when the number is `limit` or more.
    pub fn replace(&self, fd: i32, open: Arc<OpenFile>, close_on_exec: bool, limit: u64) -> Result<()> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if index as u64 >= limit {
            return Err(Errno::EBADF);
        }
        let mut table = self.0.lock();
        table.reach(index)?;
        let old =
            table.slots.get_mut(index).and_then(|slot| slot.replace(Descriptor { open, close_on_exec }));
        drop(table);
        drop(old);
        Ok(())
    }

    /// Takes a descriptor away and returns what it referred to. `EBADF`.
    pub fn take(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let mut table = self.0.lock();
        let descriptor = table.slots.get_mut(index).and_then(Option::take).ok_or(Errno::EBADF)?;
        table.first_free = table.first_free.min(index);
        Ok(descriptor.open)
    }

    /// Closes a descriptor. `EBADF`.
    pub fn close(&self, fd: i32) -> Result<()> {
        drop(self.take(fd)?);
        Ok(())
    }

    /// Whether a descriptor goes when a program is executed.
    pub fn set_close_on_exec(&self, fd: i32, close_on_exec: bool) -> Result<()> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let mut table = self.0.lock();
        let slot = table.slots.get_mut(index).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.close_on_exec = close_on_exec;
        Ok(())
    }

    /// The numbers of all descriptors.
    pub fn numbers(&self) -> Vec<i32> {
        let table = self.0.lock();
        let used = table.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        used.map(|(index, _)| index as i32).collect()
    }

    /// How many numbers were ever used at once (`FDSize`).
    pub fn len(&self) -> usize {
        self.0.lock().slots.len()
    }

    /// A copy with the same open files. `ENOMEM`.
    pub fn duplicate(&self) -> Result<Arc<Self>> {
        let table = self.0.lock();
        let mut slots = Vec::new();
        slots.try_reserve_exact(table.slots.len())?;
        slots.extend(table.slots.iter().cloned());
        Ok(Arc::new(Self(Mutex::new(Table { slots, first_free: table.first_free }))))
    }

    /// Takes those away that do not outlive the execution of a program.
    pub fn take_close_on_exec(&self) -> Vec<Arc<OpenFile>> {
        let mut table = self.0.lock();
        let Table { slots, first_free } = &mut *table;
        let mut taken = Vec::new();
        for (index, slot) in slots.iter_mut().enumerate() {
            if let Some(gone) = slot.take_if(|descriptor| descriptor.close_on_exec) {
                *first_free = index.min(*first_free);
                taken.push(gone.open);
            }
        }
        taken
    }
}

impl Table {
    /// Makes room for a number.
    fn reach(&mut self, index: usize) -> Result<()> {
        if self.slots.len() <= index {
            self.slots.try_reserve(index + 1 - self.slots.len())?;
            self.slots.resize(index + 1, None);
        }
        Ok(())
    }
}
