//! What the back end says about a disk.

use alloc::format;
use alloc::string::String;

use crate::Operation;
use crate::pool::SEGMENTS_PER_PAGE;
use xen::PAGE_SIZE;
use xen::xenbus::{Device, DeviceError};
use xen_sys::io::blkif::{
    MAX_INDIRECT_PAGES_PER_REQUEST, MAX_SEGMENTS_PER_REQUEST, VDISK_CDROM, VDISK_READONLY, VDISK_REMOVABLE,
};

/// The unit of all sector numbers on the wire and of the `sectors` key, whatever the disk's sector size.
pub(crate) const WIRE_SECTOR: u64 = 512;

/// What the pages of segments of one request have room for.
const INDIRECT_MOST: u64 = (MAX_INDIRECT_PAGES_PER_REQUEST * SEGMENTS_PER_PAGE) as u64;

/// What a flush does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushKind {
    /// `FLUSH_DISKCACHE`: what was written is on stable storage.
    DiskCache,
    /// An empty `WRITE_BARRIER`: the same, for older back ends.
    Barrier,
    /// The back end can not flush: a flush ends when all writes before it are answered.
    DrainOnly,
}

/// What can be discarded: whole extents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiscardLimits {
    /// Bytes in an extent, a multiple of the sector size.
    pub granularity: u32,
    /// Where the first begins.
    pub alignment: u32,
    /// [`crate::Discard::Secure`] is possible.
    pub secure: bool,
}

impl DiscardLimits {
    /// The extents that lie in `start..end`.
    pub(crate) fn within(&self, start: u64, end: u64) -> (u64, u64) {
        let (unit, skew) = (u64::from(self.granularity), u64::from(self.alignment));
        let first = match start.checked_sub(skew) {
            Some(from) => from.div_ceil(unit) * unit + skew,
            None => skew,
        };
        let end = end.saturating_sub(skew) / unit * unit + skew;
        if first < end { (first, end) } else { (start, start) }
    }

    fn read<D: Device>(device: &D, sector_size: u64) -> Result<Option<Self>, DeviceError> {
        if !device.backend_feature("feature-discard")? {
            return Ok(None);
        }
        let granularity = match device.backend_number("discard-granularity", sector_size)? {
            0 => sector_size,
            granularity => granularity,
        };
        let alignment = device.backend_number("discard-alignment", 0)?;
        let secure = device.backend_feature("discard-secure")?;
        let sound = granularity.is_multiple_of(sector_size) && alignment.is_multiple_of(sector_size);
        // A disk whose extents make no sense is a disk without discard.
        let (Ok(granularity), Ok(alignment), true) =
            (u32::try_from(granularity), u32::try_from(alignment % granularity), sound)
        else {
            return Ok(None);
        };
        Ok(Some(Self { granularity, alignment, secure }))
    }
}

/// A disk, as its back end describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    /// `xvda`.
    pub name: String,
    /// The device number, 51712.
    pub id: u32,
    /// Bytes, a multiple of `sector_size`.
    pub size_bytes: u64,
    /// The unit of writes: a power of two from 512 to 4096.
    pub sector_size: u32,
    /// The unit in which writes are fast.
    pub physical_sector_size: u32,
    /// Writes are refused.
    pub read_only: bool,
    /// It is a CD-ROM.
    pub cdrom: bool,
    /// Its medium can be taken out.
    pub removable: bool,
    /// What a flush does.
    pub flush: FlushKind,
    /// What can be discarded, if anything can.
    pub discard: Option<DiscardLimits>,
    /// The back end offered barriers: what a flush falls back to.
    pub(crate) barrier: bool,
    /// Most segments of a request that the back end takes: 11 without indirect ones.
    pub(crate) max_segments: usize,
    /// The back end keeps pages mapped.
    pub(crate) persistent: bool,
}

impl Disk {
    /// A disk that no back end has described yet.
    pub(crate) fn unknown(name: String, id: u32) -> Self {
        Self {
            name,
            id,
            size_bytes: 0,
            sector_size: WIRE_SECTOR as u32,
            physical_sector_size: WIRE_SECTOR as u32,
            read_only: true,
            cdrom: false,
            removable: false,
            flush: FlushKind::DrainOnly,
            discard: None,
            barrier: false,
            max_segments: MAX_SEGMENTS_PER_REQUEST,
            persistent: false,
        }
    }

    /// Reads the back end's directory; the back end is `Connected`.
    pub(crate) fn read<D: Device>(device: &D, name: String) -> Result<Self, DeviceError> {
        let malformed = |key: &str, value: u64, expected| DeviceError::Malformed {
            path: format!("{} back end key {key}", device.name()),
            value: format!("{value}"),
            expected,
        };
        device.prefetch_backend(&[
            "sector-size",
            "physical-sector-size",
            "info",
            "mode",
            "feature-barrier",
            "feature-flush-cache",
            "feature-max-indirect-segments",
            "feature-persistent",
            "feature-discard",
            "discard-granularity",
            "discard-alignment",
            "discard-secure",
            "sectors",
        ]);
        let sector_size = device.backend_number("sector-size", WIRE_SECTOR)?;
        if !sector_size.is_power_of_two() || !(WIRE_SECTOR..=PAGE_SIZE as u64).contains(&sector_size) {
            return Err(malformed("sector-size", sector_size, "512, 1024, 2048 or 4096"));
        }
        let size_bytes = Self::read_size(device, sector_size)?;
        let physical = device.backend_number("physical-sector-size", sector_size)?;
        if physical == 0 || physical % sector_size != 0 || physical > u32::MAX.into() {
            return Err(malformed("physical-sector-size", physical, "a multiple of sector-size"));
        }
        let info = device.backend_number("info", 0)?;
        let has = |bit: u32| info & u64::from(bit) != 0;
        let mode = device.read_backend("mode")?;
        let barrier = device.backend_feature("feature-barrier")?;
        let flush = match (device.backend_feature("feature-flush-cache")?, barrier) {
            (true, _) => FlushKind::DiskCache,
            (false, true) => FlushKind::Barrier,
            (false, false) => FlushKind::DrainOnly,
        };
        let indirect = device.backend_number("feature-max-indirect-segments", 0)?.min(INDIRECT_MOST);
        Ok(Self {
            name,
            id: device.id(),
            size_bytes,
            sector_size: sector_size as u32,
            physical_sector_size: physical as u32,
            read_only: has(VDISK_READONLY) || mode.is_some_and(|mode| mode.trim() == "r"),
            cdrom: has(VDISK_CDROM),
            removable: has(VDISK_REMOVABLE),
            flush,
            discard: DiscardLimits::read(device, sector_size)?,
            barrier,
            max_segments: MAX_SEGMENTS_PER_REQUEST.max(indirect as usize),
            persistent: device.backend_feature("feature-persistent")?,
        })
    }

    /// Reads how large the disk is, in whole sectors.
    pub(crate) fn read_size<D: Device>(device: &D, sector_size: u64) -> Result<u64, DeviceError> {
        let path = || format!("{} back end key sectors", device.name());
        let Some(text) = device.read_backend("sectors")? else {
            return Err(DeviceError::Missing { path: path() });
        };
        let bytes = match text.trim().parse::<u64>() {
            Ok(sectors) => sectors.checked_mul(WIRE_SECTOR).filter(|bytes| *bytes <= i64::MAX as u64),
            Err(_) => None,
        };
        match bytes {
            Some(bytes) => Ok(bytes - bytes % sector_size),
            None => Err(DeviceError::Malformed {
                path: path(),
                value: text,
                expected: "a number of sectors below 2^54",
            }),
        }
    }

    /// The discard ability that is left after the back end refused one kind.
    pub(crate) fn discard_refused(&mut self, operation: Operation) {
        match &mut self.discard {
            Some(limits) if operation == Operation::SecureDiscard => limits.secure = false,
            _ => self.discard = None,
        }
    }

    /// The flush ability that is left after the back end refused one kind.
    pub(crate) fn flush_refused(&mut self, refused: FlushKind) {
        if self.flush == refused {
            self.flush = match refused {
                FlushKind::DiskCache if self.barrier => FlushKind::Barrier,
                _ => FlushKind::DrainOnly,
            };
        }
    }
}
