//! `IOCTL_GNTDEV_GRANT_COPY`: copies between the program and granted pages.

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use super::{Gntdev, PAGE};
use crate::GrantedPage;
use crate::request::{self, Fields, element};

const SOURCE_IS_GRANT: u16 = 1;
const DEST_IS_GRANT: u16 = 2;
/// Bytes of a segment.
const LEN: u64 = 24;

/// Segments after which others may run.
const PAUSE_EVERY: usize = 64;

/// One end of a copy.
enum End {
    Program(u64),
    Grant { page: GrantedPage, offset: usize },
}

impl Gntdev {
    pub(super) fn copy(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<16>::read(memory, argument)?;
        let (count, segments) = (request.u32(0), request.u64(8));
        for index in 0..count as usize {
            let at = element(segments, index, LEN)?;
            let segment = Fields::<24>::read(memory, at)?;
            let (len, flags) = (segment.u16(16), segment.u16(18));
            // Between two places of the program it needs nobody's help.
            if flags & (SOURCE_IS_GRANT | DEST_IS_GRANT) == 0 {
                return Err(Errno::EINVAL);
            }
            let source = self.end(&segment, 0, flags & SOURCE_IS_GRANT != 0, len)?;
            let dest = self.end(&segment, 8, flags & DEST_IS_GRANT != 0, len)?;
            let status = self.copy_segment(&source, &dest, len.into(), memory)?;
            memory.write(at.checked_add(20).ok_or(Errno::EFAULT)?, &status.to_le_bytes())?;
            // The count is the program's: others run meanwhile.
            if index % PAUSE_EVERY == PAUSE_EVERY - 1 {
                linux_base::host::host().yield_now();
            }
        }
        Ok(0)
    }

    /// A page's reference, offset and domain; or an address.
    fn end(&self, segment: &Fields<24>, at: usize, is_grant: bool, len: u16) -> Result<End> {
        if !is_grant {
            return Ok(End::Program(segment.u64(at)));
        }
        let (gref, offset, domain) = (segment.u32(at), segment.u16(at + 4), segment.u16(at + 6));
        if u64::from(offset) + u64::from(len) > PAGE {
            return Err(Errno::EINVAL);
        }
        let page = self.check(GrantedPage { domain, gref })?;
        Ok(End::Grant { page, offset: offset.into() })
    }

    fn copy_segment(&self, source: &End, dest: &End, len: usize, memory: &dyn UserMemory) -> Result<i16> {
        let mut bytes = request::buffer::<u8>(len)?;
        match source {
            End::Program(address) => memory.read(*address, &mut bytes)?,
            End::Grant { page, offset } => {
                let status = self.devices.host().read_grant(*page, *offset, &mut bytes);
                if status != 0 {
                    return Ok(status);
                }
            }
        }
        match dest {
            End::Program(address) => memory.write(*address, &bytes).map(|()| 0),
            End::Grant { page, offset } => Ok(self.devices.host().write_grant(*page, *offset, &bytes)),
        }
    }
}
