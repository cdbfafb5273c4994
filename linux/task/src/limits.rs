//! Resource limits (`getrlimit(2)`).

use linux_base::{Errno, Result};

/// What is limited, in the order of `asm-generic/resource.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names of getrlimit(2)")]
pub enum Resource {
    Cpu,
    FileSize,
    Data,
    Stack,
    Core,
    Resident,
    Processes,
    Files,
    LockedMemory,
    AddressSpace,
    Locks,
    PendingSignals,
    MessageQueue,
    Nice,
    RealTimePriority,
    RealTimeTime,
}

/// Kinds of limits.
pub const COUNT: usize = 16;
/// No limit (`RLIM_INFINITY`).
pub const INFINITY: u64 = u64::MAX;

impl Resource {
    const ALL: [Self; COUNT] = [
        Self::Cpu,
        Self::FileSize,
        Self::Data,
        Self::Stack,
        Self::Core,
        Self::Resident,
        Self::Processes,
        Self::Files,
        Self::LockedMemory,
        Self::AddressSpace,
        Self::Locks,
        Self::PendingSignals,
        Self::MessageQueue,
        Self::Nice,
        Self::RealTimePriority,
        Self::RealTimeTime,
    ];

    /// A number of a program. `EINVAL` when there is no such limit.
    pub fn new(number: u32) -> Result<Self> {
        Self::ALL.get(number as usize).copied().ok_or(Errno::EINVAL)
    }
}

/// A soft limit, which counts, and a hard one, which bounds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// What counts.
    pub soft: u64,
    /// What the soft limit can be raised to.
    pub hard: u64,
}

impl Limit {
    /// Both the same.
    pub const fn both(value: u64) -> Self {
        Self { soft: value, hard: value }
    }
}

/// The limits of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits([Limit; COUNT]);

impl Limits {
    /// Most descriptors that a process can ask for (`fs.nr_open`).
    pub const MOST_FILES: u64 = 1 << 20;

    /// What the first program gets, as Linux sets it: processes and signals by the memory there is.
    pub fn new(memory_bytes: u64) -> Self {
        let mut limits = Self([Limit::both(INFINITY); COUNT]);
        // A thread costs stack, tables and more: an eighth of memory at 16 KiB each is what Linux reckons, too.
        let tasks = (memory_bytes / 8 / 16384).max(64);
        for (resource, limit) in [
            (Resource::Stack, Limit { soft: 8 << 20, hard: INFINITY }),
            (Resource::Core, Limit { soft: 0, hard: INFINITY }),
            (Resource::Processes, Limit::both(tasks)),
            (Resource::PendingSignals, Limit::both(tasks)),
            (Resource::Files, Limit { soft: 1024, hard: 4096 }),
            (Resource::LockedMemory, Limit::both(8 << 20)),
            (Resource::MessageQueue, Limit::both(819_200)),
            (Resource::Nice, Limit::both(0)),
            (Resource::RealTimePriority, Limit::both(0)),
        ] {
            limits.0[resource as usize] = limit;
        }
        limits
    }

    /// A limit.
    pub fn get(&self, resource: Resource) -> Limit {
        self.0[resource as usize]
    }

    /// The limit that counts.
    pub fn soft(&self, resource: Resource) -> u64 {
        self.get(resource).soft
    }

    /// Changes a limit. `EINVAL` when soft is more than hard, `EPERM` when hard is raised without the right to (`may_raise`, which is
    /// `CAP_SYS_RESOURCE`), or descriptors beyond [`Limits::MOST_FILES`] are asked for.
    pub fn set(&mut self, resource: Resource, limit: Limit, may_raise: bool) -> Result<()> {
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL);
        }
        let raises = limit.hard > self.get(resource).hard;
        if raises && !may_raise || resource == Resource::Files && limit.hard > Self::MOST_FILES {
            return Err(Errno::EPERM);
        }
        self.0[resource as usize] = limit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_resource_h() {
        for (number, resource) in [
            (3, Resource::Stack),
            (6, Resource::Processes),
            (7, Resource::Files),
            (9, Resource::AddressSpace),
        ] {
            assert_eq!(Resource::new(number), Ok(resource));
            assert_eq!(resource as u32, number);
        }
        assert_eq!(Resource::new(16), Err(Errno::EINVAL));
    }

    #[test]
    fn a_hard_limit_goes_down_for_everybody_and_up_for_few() {
        let mut limits = Limits::new(64 << 20);
        let files = |soft, hard| Limit { soft, hard };
        assert_eq!(limits.set(Resource::Files, files(10, 5), true), Err(Errno::EINVAL));
        assert_eq!(limits.set(Resource::Files, files(10, 20), false), Ok(()));
        assert_eq!(limits.set(Resource::Files, files(10, 21), false), Err(Errno::EPERM));
        assert_eq!(limits.set(Resource::Files, files(10, 21), true), Ok(()));
        assert_eq!(limits.set(Resource::Files, Limit::both(INFINITY), true), Err(Errno::EPERM));
        assert_eq!(limits.soft(Resource::Files), 10);
    }
}
