//! What the back end says about a disk.

use alloc::format;
use alloc::string::String;

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
        ]);
        if device.read_backend("sectors")?.is_none() {
            return Err(DeviceError::Missing { path: format!("{} back end key sectors", device.name()) });
        }
        let sectors = device.backend_number("sectors", 0)?;
        let sector_size = device.backend_number("sector-size", WIRE_SECTOR)?;
        if !sector_size.is_power_of_two() || !(WIRE_SECTOR..=PAGE_SIZE as u64).contains(&sector_size) {
            return Err(malformed("sector-size", sector_size, "512, 1024, 2048 or 4096"));
        }
        let bytes = sectors.checked_mul(WIRE_SECTOR).filter(|bytes| *bytes <= i64::MAX as u64);
        let bytes = bytes.ok_or_else(|| malformed("sectors", sectors, "a number of sectors below 2^54"))?;
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
            size_bytes: bytes - bytes % sector_size,
            sector_size: sector_size as u32,
            physical_sector_size: physical as u32,
            read_only: has(VDISK_READONLY) || mode.is_some_and(|mode| mode.trim() == "r"),
            cdrom: has(VDISK_CDROM),
            removable: has(VDISK_REMOVABLE),
            flush,
            barrier,
            max_segments: MAX_SEGMENTS_PER_REQUEST.max(indirect as usize),
            persistent: device.backend_feature("feature-persistent")?,
        })
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
