//! The devices on a fake host: each ioctl, what it refuses, and arguments that are lies.

mod evtchn;
mod gntalloc;
mod gntdev;
mod hostile;
mod hypercall;
mod privcmd;
mod xenbus;

use std::sync::Arc;
use std::vec::Vec;

use linux_base::file::IoFlags;
use linux_base::io::{SliceSource, VecSink};
use linux_base::{File, OpenFlags, Result};

use crate::fake::{FakeHost, facts};
use crate::{Device, Devices};

const FLAGS: IoFlags = IoFlags { status: OpenFlags::RDWR, rwf: 0 };

/// A host, its devices, and one of them open.
fn open(device: Device) -> (FakeHost, Arc<Devices>, Arc<dyn File>) {
    let host = FakeHost::new();
    let devices = Devices::new(Arc::new(host.clone()));
    let file = devices.open(device, facts()).expect("it opens");
    host.calls();
    (host, devices, file)
}

fn read(file: &Arc<dyn File>, room: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read(0, &mut VecSink::new(&mut bytes, room), FLAGS)?;
    Ok(bytes)
}

fn write(file: &Arc<dyn File>, bytes: &[u8]) -> Result<usize> {
    file.write(0, &mut SliceSource::new(bytes), FLAGS)
}
