//! Locks on what is open and has no name: pipes, sockets, event objects. Objects with the same device and number share them, as
//! they would share an inode: both ends of a pipe, and all event objects.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use linux_base::{Errno, Mutex, OpenFile, Result};

use super::{Locks, description};

/// The locks by device and number. Whoever has the object open keeps them.
struct Nameless {
    all: BTreeMap<(u64, u64), Weak<Locks>>,
    /// When there are more, those that nobody keeps go.
    most: usize,
}

const FEW: usize = 16;

static NAMELESS: Mutex<Nameless> = Mutex::new(Nameless { all: BTreeMap::new(), most: FEW });

fn key(file: &OpenFile) -> Result<(u64, u64)> {
    let stat = file.file().stat().map_err(|_| Errno::EBADF)?;
    Ok((stat.dev, stat.ino))
}

pub(super) fn locks_of(file: &OpenFile) -> Result<Arc<Locks>> {
    let key = key(file)?;
    let locks = NAMELESS.lock().locks(key);
    locks.watch_end(file, description(file));
    Ok(locks)
}

pub(super) fn locks_if_any(file: &OpenFile) -> Option<Arc<Locks>> {
    let key = key(file).ok()?;
    NAMELESS.lock().all.get(&key)?.upgrade()
}

impl Nameless {
    fn locks(&mut self, key: (u64, u64)) -> Arc<Locks> {
        if let Some(locks) = self.all.get(&key).and_then(Weak::upgrade) {
            return locks;
        }
        if self.all.len() >= self.most {
            self.all.retain(|_, locks| locks.strong_count() > 0);
            self.most = (2 * self.all.len()).max(FEW);
        }
        let locks = Arc::new(Locks::default());
        self.all.insert(key, Arc::downgrade(&locks));
        locks
    }
}
