//! The consoles as terminals.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::{Errno, File, Mode, OpenFile, OpenFlags, Result, Sink, Source, Stat};

use crate::task::Task;

/// The console without a line discipline: what is written is printed.
pub struct Plain;

impl File for Plain {
    fn read(&self, _: u64, _: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        Ok(0)
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        let mut done = 0;
        let mut bytes = [0; 256];
        while from.left() > 0 {
            match from.pull(&mut bytes) {
                Ok(0) => break,
                Ok(len) => {
                    minios::console::write(bytes.get(..len).unwrap_or_default());
                    done += len;
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn stat(&self) -> Result<Stat> {
        Ok(Stat {
            mode: Mode(Mode::CHARACTER | 0o620),
            rdev: 0x501,
            nlink: 1,
            blksize: 1024,
            ..Stat::default()
        })
    }

    fn ioctl(&self, _: u32, _: u64, _: &dyn linux_base::file::UserMemory) -> Result<i64> {
        Err(Errno::ENOTTY)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// The first console.
pub fn first() -> Arc<dyn File> {
    Arc::new(Plain)
}

/// A session leader has ended.
pub fn session_ended(_session: u32) {}

/// A file was opened: a terminal may become the controlling one.
pub fn opened(_: &Task, _: &Arc<OpenFile>, _: OpenFlags) {}
