//! Taking requests and answering them, or not.

use std::string::ToString;
use std::vec::Vec;

use xen::RingMemory;
use xen::fake::Progress;
use xen::xenbus::State;
use xen_sys::io::blkif::{self, Request, Response};
use xen_sys::io::ring::{REQ_PROD, RSP_PROD};

use super::{Backend, Connection, Lie};

impl Backend {
    pub(super) fn serve(&mut self) -> Progress {
        let Some(mut connection) = self.connection.take() else { return Progress::None };
        let mut progress = Progress::None;
        if self.knobs.storm > 0 {
            self.knobs.storm -= 1;
            connection.lanes[0].port.notify();
            progress = Progress::Made;
        }
        for at in 0..connection.lanes.len() {
            match self.take(&mut connection, at) {
                Some(Progress::Made) => progress = Progress::Made,
                Some(Progress::None) => {}
                // It is dead, and what it mapped is unmapped.
                None => return Progress::Made,
            }
        }
        let pending = connection.lanes.iter().map(|lane| lane.pending.len()).sum();
        self.most_pending = self.most_pending.max(pending);
        let ready = pending >= self.knobs.batch || progress == Progress::None;
        if ready && !self.knobs.hold && pending > 0 {
            progress = Progress::Made;
            for at in 0..connection.lanes.len() {
                self.answer(&mut connection, at);
            }
        }
        self.connection = Some(connection);
        progress
    }

    /// Takes the requests of a ring.
    fn take(&mut self, connection: &mut Connection, at: usize) -> Option<Progress> {
        let lane = &mut connection.lanes[at];
        let mut progress = Progress::None;
        self.taken.resize(self.taken.len().max(at + 1), 0);
        loop {
            match lane.ring.pop() {
                Ok(Some(request)) => {
                    progress = Progress::Made;
                    self.taken[at] += 1;
                    lane.pending.push(request);
                    if let Some(left) = &mut self.knobs.dies_after {
                        *left = left.saturating_sub(1);
                        if *left == 0 {
                            self.knobs.dies_after = None;
                            self.device.set_back_state(State::Closed);
                            return None;
                        }
                    }
                }
                Ok(None) if lane.ring.arm() => {}
                Ok(None) => break,
                Err(lie) => {
                    self.complaints.push(lie.to_string());
                    break;
                }
            }
        }
        lane.port.take_pending();
        Some(progress)
    }

    fn answer(&mut self, connection: &mut Connection, at: usize) {
        let mut pending: Vec<Request> = core::mem::take(&mut connection.lanes[at].pending);
        if pending.is_empty() {
            return;
        }
        if let Some(seed) = &mut self.knobs.shuffle {
            for at in (1..pending.len()).rev() {
                *seed ^= *seed << 13;
                *seed ^= *seed >> 7;
                *seed ^= *seed << 17;
                pending.swap(at, (*seed % (at as u64 + 1)) as usize);
            }
        }
        for request in pending {
            let (status, id, operation) = self.perform(connection, &request);
            let mut response = Response { id, operation, status, ..Default::default() };
            let ring = &mut connection.lanes[at].ring;
            match self.knobs.lie {
                Some(Lie::Id(id)) => response.id = id,
                Some(Lie::Stale) => response.id = response.id.wrapping_sub(32),
                Some(Lie::Operation) => response.operation ^= 1,
                Some(Lie::Twice) => {
                    let _ = ring.push(response);
                }
                _ => {}
            }
            let _ = ring.push(response);
        }
        let lane = &mut connection.lanes[at];
        let bell = lane.ring.publish();
        let lied = self.knobs.lie.is_some();
        if let Some(Lie::Ahead(by)) = self.knobs.lie {
            let memory = lane.ring.memory();
            memory.store_u32(RSP_PROD, memory.load_u32(REQ_PROD).wrapping_add(by));
        }
        if bell == xen::Doorbell::Ring || lied {
            lane.port.notify();
        }
    }

    /// Does a request: the status, and the id and operation to answer with.
    fn perform(&mut self, connection: &mut Connection, request: &Request) -> (i16, u64, u8) {
        let (id, operation) = (request.id, request.operation);
        match operation {
            blkif::OP_READ | blkif::OP_WRITE => {
                self.operations.push(operation);
                let segments = self.direct(request);
                (self.transfer(connection, operation, request.sector_number, segments), id, operation)
            }
            blkif::OP_INDIRECT => {
                let indirect = super::perform::indirect(request);
                self.operations.push(indirect.indirect_op);
                let segments = self.indirect_segments(connection, &indirect);
                let sector = indirect.sector_number;
                let status = self.transfer(connection, indirect.indirect_op, sector, segments);
                // As Linux answers, or as others do.
                let said = if self.knobs.names_indirect { operation } else { indirect.indirect_op };
                (status, id, said)
            }
            _ => {
                self.operations.push(operation);
                (self.without_data(request), id, operation)
            }
        }
    }
}
