//! `ioctl(2)` of disks (`linux/fs.h`, `linux/hdreg.h`).

use fs::{BlockError, BlockWrite};
use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use super::{BlockDeviceFile, errno};

const BLKROGET: u32 = 0x125e;
const BLKGETSIZE: u32 = 0x1260;
const BLKFLSBUF: u32 = 0x1261;
const BLKRASET: u32 = 0x1262;
const BLKRAGET: u32 = 0x1263;
const BLKFRASET: u32 = 0x1264;
const BLKFRAGET: u32 = 0x1265;
const BLKSECTGET: u32 = 0x1267;
const BLKSSZGET: u32 = 0x1268;
const BLKBSZGET: u32 = 0x8008_1270;
const BLKBSZSET: u32 = 0x4008_1271;
const BLKGETSIZE64: u32 = 0x8008_1272;
const BLKDISCARD: u32 = 0x1277;
const BLKIOMIN: u32 = 0x1278;
const BLKIOOPT: u32 = 0x1279;
const BLKALIGNOFF: u32 = 0x127a;
const BLKPBSZGET: u32 = 0x127b;
const BLKDISCARDZEROES: u32 = 0x127c;
const BLKROTATIONAL: u32 = 0x127e;
const BLKZEROOUT: u32 = 0x127f;
const HDIO_GETGEO: u32 = 0x301;

/// What is read ahead, in sectors of 512: the most that one filling of the cache fetches.
const AHEAD_SECTORS: u64 = 256;
/// Sectors of 512 bytes of one request, as Linux limits them by default; longer ones are divided below.
pub const MOST_SECTORS: u16 = 2560;
const BLOCK: u32 = fs::LINE as u32;
/// Zeroes that are written at once.
const ZEROES: [u8; fs::LINE] = [0; fs::LINE];

impl BlockDeviceFile {
    pub(super) fn control(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let cache = self.file.cache();
        let sector = cache.device().sector_bytes();
        match command {
            BLKGETSIZE64 => memory.write_u64(argument, self.current_size())?,
            BLKGETSIZE => memory.write_u64(argument, self.current_size() / 512)?,
            BLKROGET => memory.write_u32(argument, cache.device().is_read_only().into())?,
            BLKSSZGET | BLKPBSZGET | BLKIOMIN => memory.write_u32(argument, sector)?,
            BLKBSZGET => memory.write_u32(argument, BLOCK)?,
            BLKIOOPT | BLKALIGNOFF | BLKDISCARDZEROES => memory.write_u32(argument, 0)?,
            BLKSECTGET => memory.write(argument, &MOST_SECTORS.to_le_bytes())?,
            BLKROTATIONAL => memory.write(argument, &[0, 0])?,
            BLKRAGET | BLKFRAGET => memory.write_u64(argument, AHEAD_SECTORS)?,
            // Taken and not followed.
            BLKRASET | BLKFRASET => {}
            BLKBSZSET => {
                let size = memory.read_u32(argument)?;
                if !size.is_power_of_two() || !(sector..=BLOCK).contains(&size) {
                    return Err(Errno::EINVAL);
                }
            }
            BLKFLSBUF => {
                cache.write_out().map_err(errno)?;
                cache.forget();
            }
            BLKDISCARD => {
                if self.can_write && !cache.device().can_discard() {
                    return Err(Errno::EOPNOTSUPP);
                }
                let (start, len) = self.range(argument, memory)?;
                cache.discard(start, len).map_err(errno)?;
            }
            BLKZEROOUT => {
                let (start, len) = self.range(argument, memory)?;
                self.zero(start, len).map_err(errno)?;
            }
            HDIO_GETGEO => memory.write(argument, &self.geometry())?,
            // As blkfront of Linux says, and not `ENOTTY`.
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    }

    /// `fallocate(2)` with `FALLOC_FL_ZERO_RANGE`.
    pub(crate) fn zero_range(&self, start: u64, len: u64) -> Result<()> {
        self.check_range(start, len)?;
        self.zero(start, len).map_err(errno)
    }

    fn current_size(&self) -> u64 {
        self.file.cache().refresh_size().unwrap_or_else(|_| self.file.len())
    }

    /// A range of whole sectors, to be changed.
    fn range(&self, argument: u64, memory: &dyn UserMemory) -> Result<(u64, u64)> {
        if !self.can_write {
            return Err(Errno::EBADF);
        }
        let (start, len) = (memory.read_u64(argument)?, memory.read_u64(argument.wrapping_add(8))?);
        self.check_range(start, len)?;
        Ok((start, len))
    }

    /// Whether these are whole sectors of the disk, which can be written.
    fn check_range(&self, start: u64, len: u64) -> Result<()> {
        if self.file.cache().device().is_read_only() {
            return Err(Errno::EPERM);
        }
        let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
        let is_whole = (start | len).is_multiple_of(self.sector());
        if len > 0 && is_whole && end <= self.file.len() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn zero(&self, start: u64, len: u64) -> core::result::Result<(), BlockError> {
        let end = start + len;
        let mut at = start;
        while at < end {
            let step = (end - at).min(BLOCK as u64 - at % BLOCK as u64);
            self.file.cache().write(at, ZEROES.get(..step as usize).unwrap_or_default())?;
            at += step;
        }
        Ok(())
    }

    /// `struct hd_geometry`, as blkfront of Linux makes it up.
    fn geometry(&self) -> [u8; 16] {
        const HEADS: u8 = 0xff;
        const SECTORS: u8 = 0x3f;
        let cylinders = self.file.len() / 512 / (u64::from(HEADS) * u64::from(SECTORS));
        let [low, high] = u16::try_from(cylinders).unwrap_or(u16::MAX).to_le_bytes();
        let mut bytes = [0; 16];
        for (into, byte) in bytes.iter_mut().zip([HEADS, SECTORS, low, high]) {
            *into = byte;
        }
        bytes
    }
}
