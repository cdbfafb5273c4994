//! A growable table whose handles notice when their entry is gone.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

/// A handle: the place of an entry and the generation that lives there.
pub struct Id<T> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}
impl<T> Eq for Id<T> {}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// The table.
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    /// Puts `value` in and returns its place; `None` when there is no memory for the table to grow.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            self.entries[index as usize].value = Some(value);
            return Some(index);
        }
        self.entries.try_reserve(1).ok()?;
        // Room to free every entry, so that `remove` never allocates.
        self.free.try_reserve(self.entries.len() + 1 - self.free.len()).ok()?;
        let index = u32::try_from(self.entries.len()).ok()?;
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Some(index)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.entries.get(index as usize)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.value.as_mut()
    }

    /// The generation of the entry at `index`, for a handle to it or a timer of it.
    pub(crate) fn generation(&self, index: u32) -> u32 {
        self.entries.get(index as usize).map_or(0, |entry| entry.generation)
    }

    pub(crate) fn id<K>(&self, index: u32) -> Id<K> {
        Id { index, generation: self.generation(index), kind: PhantomData }
    }

    /// The place that a handle means, if its entry still lives.
    pub(crate) fn resolve<K>(&self, id: Id<K>) -> Option<u32> {
        let entry = self.entries.get(id.index as usize)?;
        (entry.generation == id.generation && entry.value.is_some()).then_some(id.index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.entries.iter().enumerate().filter_map(|(i, entry)| Some((i as u32, entry.value.as_ref()?)))
    }

    pub(crate) fn indices(&self) -> Vec<u32> {
        self.iter().map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_does_not_resolve_to_the_entry_that_took_its_place() {
        let mut slab = Slab::new();
        let index = slab.insert('a').unwrap();
        let old: Id<char> = slab.id(index);
        assert_eq!(slab.resolve(old), Some(index));
        slab.remove(index);
        assert_eq!(slab.resolve(old), None);
        assert_eq!(slab.insert('b'), Some(index));
        assert_eq!(slab.resolve(old), None);
        assert_eq!(slab.remove(7), None);
    }
}
