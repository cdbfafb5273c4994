//! What requests do to the disk in memory, and what is wrong with them.

use std::format;
use std::string::String;
use std::vec::Vec;

use xen::fake::MappedPage;
use xen::xenbus::Device;
use xen::{Access, SharedMemory};
use xen_sys::io::blkif::{self, IndirectRequest, MAX_SEGMENTS_PER_REQUEST, Request, Segment};

use super::{Backend, Connection, SECTOR};

const SEGMENTS_PER_PAGE: usize = 512;

/// A request's slot, as the other structure that it may be.
pub(super) fn indirect(request: &Request) -> IndirectRequest {
    let mut bytes = Vec::new();
    for segment in &request.seg {
        bytes.extend_from_slice(&segment.gref.to_le_bytes());
        bytes.extend_from_slice(&[segment.first_sect, segment.last_sect]);
        bytes.extend_from_slice(&segment.pad.to_le_bytes());
    }
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    IndirectRequest {
        operation: request.operation,
        indirect_op: request.nr_segments,
        nr_segments: request.handle,
        id: request.id,
        sector_number: request.sector_number,
        handle: word(0) as u16,
        indirect_grefs: core::array::from_fn(|at| word(4 + at * 4)),
        ..Default::default()
    }
}

impl Backend {
    pub(super) fn direct(&self, request: &Request) -> Result<Vec<Segment>, String> {
        self.check_handle(request.handle)?;
        let segments = request.seg.get(..request.nr_segments.into()).filter(|segments| !segments.is_empty());
        Ok(segments.ok_or_else(|| format!("{} segments", request.nr_segments))?.into())
    }

    fn check_handle(&self, handle: u16) -> Result<(), String> {
        if handle == self.device.id() as u16 { Ok(()) } else { Err(format!("handle {handle}")) }
    }

    pub(super) fn indirect_segments(
        &self,
        connection: &mut Connection,
        request: &IndirectRequest,
    ) -> Result<Vec<Segment>, String> {
        self.check_handle(request.handle)?;
        let offered = self.device.backend_number("feature-max-indirect-segments", 0).unwrap_or(0);
        let count = usize::from(request.nr_segments);
        if count as u64 > offered || count <= MAX_SEGMENTS_PER_REQUEST {
            return Err(format!("{count} indirect segments of {offered}"));
        }
        let mut segments = Vec::new();
        for page in 0..count.div_ceil(SEGMENTS_PER_PAGE) {
            let table = self.map(connection, request.indirect_grefs[page], Access::ReadOnly)?;
            for at in 0..(count - segments.len()).min(SEGMENTS_PER_PAGE) {
                segments.push(table.read_slot(at * 8));
            }
            self.unmap(connection, request.indirect_grefs[page], table);
        }
        Ok(segments)
    }

    fn map(&self, connection: &mut Connection, gref: u32, access: Access) -> Result<MappedPage, String> {
        // Who may keep it mapped maps it for all that may come.
        let access = if connection.persistent { Access::ReadWrite } else { access };
        match connection.mapped.remove(&gref) {
            Some(page) => Ok(page),
            None => self.peer.map(gref, access).map_err(|error| format!("gref: {error:?}")),
        }
    }

    fn unmap(&self, connection: &mut Connection, gref: u32, page: MappedPage) {
        if connection.persistent {
            connection.mapped.insert(gref, page);
        }
    }

    /// A flush, a barrier, or what this back end has never heard of.
    pub(super) fn without_data(&mut self, request: &Request) -> i16 {
        match request.operation {
            blkif::OP_FLUSH_DISKCACHE if self.knobs.refuse_flush => blkif::RSP_EOPNOTSUPP,
            blkif::OP_WRITE_BARRIER if self.knobs.refuse_barrier.is_some() => {
                self.knobs.refuse_barrier.unwrap_or(blkif::RSP_EOPNOTSUPP)
            }
            blkif::OP_FLUSH_DISKCACHE | blkif::OP_WRITE_BARRIER => {
                if request.nr_segments != 0 {
                    self.complaints.push(format!("a flush with {} segments", request.nr_segments));
                }
                self.durable.clone_from(&self.content);
                blkif::RSP_OKAY
            }
            blkif::OP_DISCARD => self.discard(request).unwrap_or_else(|complaint| {
                self.complaints.push(complaint);
                blkif::RSP_ERROR
            }),
            other => {
                self.complaints.push(format!("operation {other}"));
                blkif::RSP_EOPNOTSUPP
            }
        }
    }

    /// Overwrites what is discarded, so that a test sees it.
    fn discard(&mut self, request: &Request) -> Result<i16, String> {
        if let Some(status) = self.knobs.refuse_discard {
            return Ok(status);
        }
        self.check_handle(request.handle)?;
        let number = |key: &'static str, default| self.device.backend_number(key, default).unwrap_or(default);
        let secure = request.nr_segments & blkif::DISCARD_SECURE != 0;
        if number("feature-discard", 0) == 0 || secure && number("discard-secure", 0) == 0 {
            return Err(format!("a discard with flag {}", request.nr_segments));
        }
        // The number of sectors lies where the first segment begins.
        let [low, high] = [
            request.seg[0].gref,
            u32::from_le_bytes([
                request.seg[0].first_sect,
                request.seg[0].last_sect,
                request.seg[0].pad as u8,
                (request.seg[0].pad >> 8) as u8,
            ]),
        ];
        let len = (u64::from(high) << 32 | u64::from(low)) as usize * SECTOR;
        let (start, unit) =
            (request.sector_number as usize * SECTOR, number("discard-granularity", 512) as usize);
        let skew = number("discard-alignment", 0) as usize;
        if start < skew || !(start - skew).is_multiple_of(unit) || !len.is_multiple_of(unit) || len == 0 {
            return Err(format!("a discard of {len} bytes at {start}"));
        }
        let range = start..start + len;
        self.content.get_mut(range.clone()).ok_or("a discard off the disk")?.fill(0xdd);
        self.discarded.push((range, secure));
        Ok(blkif::RSP_OKAY)
    }

    pub(super) fn transfer(
        &mut self,
        connection: &mut Connection,
        operation: u8,
        sector: u64,
        segments: Result<Vec<Segment>, String>,
    ) -> i16 {
        let done = segments.and_then(|segments| self.move_bytes(connection, operation, sector, &segments));
        done.unwrap_or_else(|complaint| {
            self.complaints.push(complaint);
            blkif::RSP_ERROR
        })
    }

    fn move_bytes(
        &mut self,
        connection: &mut Connection,
        operation: u8,
        sector: u64,
        segments: &[Segment],
    ) -> Result<i16, String> {
        self.segments.push(segments.len());
        let mut at = sector as usize * SECTOR;
        for segment in segments {
            let (first, last) = (usize::from(segment.first_sect), usize::from(segment.last_sect));
            if first > last || last > 7 {
                return Err(format!("sectors {first} to {last} of a page"));
            }
            let (offset, len) = (first * SECTOR, (last + 1 - first) * SECTOR);
            if [at, offset, len].iter().any(|number| !number.is_multiple_of(self.sector_size)) {
                return Err(format!("{len} bytes at {at} for sectors of {}", self.sector_size));
            }
            if at + len > self.content.len() {
                return Err(format!("{len} bytes at {at} of a disk of {}", self.content.len()));
            }
            let span = at as u64..(at + len) as u64;
            let bad =
                self.knobs.bad.iter().find(|(range, _)| range.start < span.end && span.start < range.end);
            if let Some((_, status)) = bad {
                return Ok(*status);
            }
            let is_read = operation == blkif::OP_READ;
            let access = if is_read { Access::ReadWrite } else { Access::ReadOnly };
            let page = self.map(connection, segment.gref, access)?;
            if is_read {
                page.copy_in(offset, &self.content[at..at + len]);
            } else {
                page.copy_out(offset, &mut self.content[at..at + len]);
            }
            self.unmap(connection, segment.gref, page);
            at += len;
        }
        Ok(blkif::RSP_OKAY)
    }
}
