//! Entry points for fuzz targets: any bytes, no panic, and nothing but the target is touched.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::file::{IoFlags, Mapping, UserMemory};
use linux_base::io::{SliceSource, VecSink};
use linux_base::{File, OpenFlags, Result};

use crate::fake::{FakeHost, FakeMemory, TARGET, facts};
use crate::{Device, Devices, Gntdev};

/// Ioctl numbers of all devices; what is none of a device it has to refuse.
const COMMANDS: [u32; 24] = [
    0x0030_5000,
    0x0018_5003,
    0x0020_5004,
    0x0010_5005,
    0x0002_5006,
    0x0020_5007,
    0x50ff,
    0x0004_4500,
    0x0008_4501,
    0x0004_4502,
    0x0004_4503,
    0x0004_4504,
    0x4505,
    0x0002_4506,
    0x0018_4700,
    0x0010_4701,
    0x0018_4702,
    0x0004_4703,
    0x0010_4707,
    0x0010_4708,
    0x0018_4705,
    0x0010_4706,
    0x0010_4707,
    0x0018_4709,
];

/// Steps of a program that has all devices open: what to do, where, and 24 bytes to put there before. Its memory keeps what other steps
/// have put in, and pointers lead into it more often than not.
pub fn devices(data: &[u8]) {
    const STEP: usize = 32;
    const LEN: usize = 4096;
    let host = FakeHost::new();
    let all = Devices::new(Arc::new(host.clone()));
    let files: Vec<Arc<dyn File>> =
        Device::ALL.iter().filter_map(|device| all.open(*device, facts()).ok()).collect();
    let memory = FakeMemory::new(LEN);
    host.set_granted(1, b"granted");
    host.calls();
    let mut areas = Vec::new();
    for step in data.chunks_exact(STEP).take(512) {
        let (head, bytes) = step.split_at(8);
        let file = &files[usize::from(head[0]) % files.len()];
        let number = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let at = FakeMemory::BASE + u64::from(number) % LEN as u64;
        let mut bytes = bytes.to_vec();
        // Words that a pointer may be made of.
        for (index, word) in bytes.chunks_exact_mut(8).enumerate() {
            if head[2] >> index & 1 == 1 {
                let inside = FakeMemory::BASE + u64::from(word[0]) * 16;
                word.copy_from_slice(&inside.to_le_bytes());
            }
            if head[2] >> (index + 3) & 1 == 1 {
                word[..2].copy_from_slice(&TARGET.to_le_bytes());
            }
        }
        let _ = memory.write(at, &bytes);
        let flags = IoFlags { status: OpenFlags::RDWR, rwf: 0 };
        match head[1] % 8 {
            0..=4 => drop(file.ioctl(COMMANDS[usize::from(head[3]) % COMMANDS.len()], at, &memory)),
            5 => drop(file.read(0, &mut VecSink::new(&mut Vec::new(), number as usize % 5000), flags)),
            6 => drop(file.write(0, &mut SliceSource::new(&bytes), flags)),
            _ => {
                let wanted = Mapping {
                    offset: u64::from(number & 0xff) << 12,
                    len: u64::from(head[3]) << 10,
                    is_shared: head[2] & 1 == 0,
                    is_writable: head[2] & 2 == 0,
                };
                let area = file.as_any().downcast_ref::<Gntdev>().map(|device| device.pager(&wanted, (0, 0)));
                if file.mmap(&wanted).is_ok() | area.as_ref().is_some_and(Result::is_ok) {
                    let _ = file.mapped(0x1000, &wanted);
                }
                areas.extend(area.and_then(Result::ok));
                if head[2] & 4 != 0 {
                    areas.clear();
                }
                host.event(number & 7);
            }
        }
        let _ = file.poll();
        for call in host.calls() {
            // Each call that names a domain names it second.
            let mut words = call.split(' ');
            let (verb, domain) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let names_none = matches!(verb, "map" | "map_grants" | "version" | "notify" | "session");
            let is_allowed = domain == "7" || matches!(verb, "grant" | "unbound") && domain == "0";
            assert!(names_none || is_allowed, "{call}");
        }
    }
    drop((areas, files));
    assert!(host.ports().is_empty() && host.grants().is_empty());
}
