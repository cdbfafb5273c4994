//! `flock(2)`: a lock on a whole file, held by an open file description.

use linux_base::{Errno, OpenFile, OpenFlags, PollEvents, Result};

use super::{description, locks_of};

/// Kind of a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flock {
    /// Any number may have it.
    Shared,
    /// One may have it.
    Exclusive,
}

/// Takes a lock, or with `None` gives it back. `EAGAIN` while another has it. One that was held is given back before the new kind is
/// tried, as Linux does it.
pub fn flock(file: &OpenFile, wanted: Option<Flock>) -> Result<()> {
    if file.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let (locks, me) = (locks_of(file)?, description(file));
    let mut has_freed = false;
    let result = {
        let mut state = locks.state.lock();
        let held = state.flocks.iter().position(|(owner, _)| *owner == me);
        if let Some(at) = held {
            if wanted.is_some_and(|wanted| state.flocks.get(at).is_some_and(|(_, kind)| *kind == wanted)) {
                return Ok(());
            }
            state.flocks.swap_remove(at);
            has_freed = true;
        }
        match wanted {
            None => Ok(()),
            Some(wanted)
                if state
                    .flocks
                    .iter()
                    .any(|(_, kind)| *kind == Flock::Exclusive || wanted == Flock::Exclusive) =>
            {
                Err(Errno::EAGAIN)
            }
            Some(wanted) => state.flocks.try_reserve(1).map_err(|_| Errno::ENOLCK).map(|()| {
                state.flocks.push((me, wanted));
            }),
        }
    };
    if has_freed {
        locks.queue.wake_all(PollEvents::IN);
    }
    if wanted.is_some() && result.is_ok() {
        locks.watch_end(file, me);
    }
    result
}
