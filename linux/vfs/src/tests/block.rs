//! Disks as files.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use fs::{BlockError, BlockRead, BlockWrite, CacheOptions, DiskCache};
use linux_base::file::UserMemory;
use linux_base::io::{SliceSource, VecSink};
use linux_base::{Errno, Mutex, OpenFile, OpenFlags, Result};

use super::World;
use crate::ops::{Whence, seek};
use crate::{MountFlags, block, devtmpfs};

const LEN: usize = 64 * 1024 + 512;

#[derive(Default)]
struct Disk {
    content: Mutex<Vec<u8>>,
    flushes: AtomicU32,
    discards: AtomicU32,
    is_read_only: AtomicBool,
    is_failing: AtomicBool,
}

impl BlockRead for Disk {
    fn read(&self, offset: u64, buf: &mut [u8]) -> core::result::Result<(), BlockError> {
        self.content.lock().read(offset, buf)
    }
    fn size_bytes(&self) -> u64 {
        self.content.lock().len() as u64
    }
}

impl BlockWrite for Disk {
    fn write(&self, offset: u64, data: &[u8]) -> core::result::Result<(), BlockError> {
        if self.is_failing.load(Ordering::Relaxed) {
            return Err(BlockError::WriteFailed { offset, len: data.len() as u64, reason: "told to" });
        }
        self.content.lock()[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
    fn flush(&self) -> core::result::Result<(), BlockError> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn discard(&self, _: u64, _: u64) -> core::result::Result<(), BlockError> {
        self.discards.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn can_discard(&self) -> bool {
        true
    }
    fn is_read_only(&self) -> bool {
        self.is_read_only.load(Ordering::Relaxed)
    }
}

/// Nobody waits in these tests.
struct Alone;

impl fs::Host for Alone {
    fn seq(&self) -> u32 {
        0
    }
    fn wait(&self, _: u32) {}
    fn wake(&self) {}
}

fn world() -> (World, Arc<Disk>) {
    let disk = Arc::new(Disk { content: Mutex::new(vec![7; LEN]), ..Disk::default() });
    let device: Arc<dyn BlockWrite> = disk.clone();
    let cache = Arc::new(DiskCache::with(device, CacheOptions::new(1 << 20), Arc::new(Alone)));
    let world = World::new();
    let find = move |minor| if minor == 16 { Ok(cache.clone()) } else { Err(Errno::ENXIO) };
    block::register(world.vfs.devices(), Arc::new(find));
    world.mkdir("/dev").unwrap();
    let dev = devtmpfs::new(&[devtmpfs::disk("xvdb", 16), devtmpfs::disk("xvdc", 32)], &[]).unwrap();
    world.vfs.mount(&world.place("/dev"), dev, b"devtmpfs", MountFlags::default()).unwrap();
    (world, disk)
}

fn write(file: &OpenFile, at: u64, bytes: &[u8]) -> Result<usize> {
    file.write(Some(at), &mut SliceSource::new(bytes), 0)
}

fn read(file: &OpenFile, at: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read(Some(at), &mut VecSink::new(&mut bytes, len), 0)?;
    Ok(bytes)
}

#[test]
fn names_have_the_minor_numbers_that_linux_gives_them() {
    let found = ["xvda", "xvdb", "xvdb3", "xvdz", "xvdaa", "nvme", "xvd", "xvd1", "xvda16"].map(block::minor);
    let expected = [Some(0), Some(16), Some(19), Some(400), Some(416), None, None, None, None];
    assert_eq!(found, expected);
    let emulated = ["hda", "hdc1", "sdb"].map(|name| (block::node_name(name), block::minor(name)));
    let expected = [("xvda", 0), ("xvdc1", 33), ("xvdb", 16)];
    assert_eq!(emulated, expected.map(|(name, minor)| (Some(name.into()), Some(minor))));
}

#[test]
fn what_is_written_is_read_and_is_on_the_disk_after_fsync() {
    let (world, disk) = world();
    assert_eq!(world.open("/dev/xvdc", OpenFlags::RDWR).err(), Some(Errno::ENXIO));
    let file = world.open("/dev/xvdb", OpenFlags::RDWR).unwrap();
    assert_eq!(write(&file, 1000, b"text"), Ok(4));
    let other = world.open("/dev/xvdb", OpenFlags::empty()).unwrap();
    assert_eq!(read(&other, 999, 6), Ok(b"\x07text\x07".to_vec()));
    assert_eq!(disk.content.lock()[1000], 7);
    file.file().sync().unwrap();
    assert_eq!(disk.content.lock()[999..1005], *b"\x07text\x07");
    assert_eq!(disk.flushes.load(Ordering::Relaxed), 1);
    assert_eq!(file.file().stat().unwrap().size, 0);
}

#[test]
fn the_end_of_a_disk_is_the_end() {
    let (world, _) = world();
    let file = world.open("/dev/xvdb", OpenFlags::RDWR).unwrap();
    let end = LEN as u64;
    assert_eq!(write(&file, end - 2, b"text"), Ok(2));
    assert_eq!(write(&file, end, b"text"), Err(Errno::ENOSPC));
    assert_eq!(write(&file, end, b""), Ok(0));
    assert_eq!(
        (write(&file, end + 1000, b"text"), read(&file, end + 1000, 4)),
        (Err(Errno::ENOSPC), Ok(vec![]))
    );
    assert_eq!(read(&file, end - 3, 100), Ok(b"\x07te".to_vec()));
    assert_eq!(read(&file, end, 100), Ok(vec![]));
    assert_eq!(seek(&file, 0, Whence::End), Ok(end));
    assert_eq!(seek(&file, 1, Whence::End), Err(Errno::EINVAL));
    assert_eq!(seek(&file, 0, Whence::Data), Err(Errno::EINVAL));
    assert_eq!(read(&file, 0, 1 << 20).unwrap().len(), LEN);
}

#[test]
fn synchronous_writes_are_flushed_and_direct_ones_are_of_sectors() {
    let (world, disk) = world();
    let flushes = || disk.flushes.swap(0, Ordering::Relaxed);
    let file = world.open("/dev/xvdb", OpenFlags::WRONLY | OpenFlags::DSYNC).unwrap();
    assert_eq!(write(&file, 0, b"text"), Ok(4));
    assert_eq!((flushes(), disk.content.lock()[0]), (1, b't'));
    let file = world.open("/dev/xvdb", OpenFlags::RDWR | OpenFlags::DIRECT).unwrap();
    assert_eq!(write(&file, 0, &[1; 1000]), Err(Errno::EINVAL));
    assert_eq!(write(&file, 100, &[1; 512]), Err(Errno::EINVAL));
    assert_eq!(write(&file, 512, &[1; 512]), Ok(512));
    assert_eq!((flushes(), disk.content.lock()[512]), (0, 1));
    assert_eq!(read(&file, 0, 1024).unwrap()[511..513], [7, 1]);
    assert_eq!(read(&file, 1, 512), Err(Errno::EINVAL));
    assert_eq!(file.write(Some(0), &mut SliceSource::new(&[2; 512]), 2), Ok(512));
    assert_eq!(flushes(), 1, "RWF_DSYNC");
}

#[test]
fn errors_of_writing_back_are_told_by_fsync_to_each_open_file_once() {
    let (world, disk) = world();
    let file = world.open("/dev/xvdb", OpenFlags::RDWR).unwrap();
    let other = world.open("/dev/xvdb", OpenFlags::RDWR).unwrap();
    disk.is_failing.store(true, Ordering::Relaxed);
    assert_eq!(write(&file, 0, b"text"), Ok(4));
    assert_eq!(file.file().sync(), Err(Errno::EIO));
    disk.is_failing.store(false, Ordering::Relaxed);
    assert_eq!(file.file().sync(), Ok(()));
    assert_eq!((other.file().sync(), other.file().sync()), (Err(Errno::EIO), Ok(())));
    disk.is_read_only.store(true, Ordering::Relaxed);
    assert_eq!(write(&file, 0, b"text"), Err(Errno::EPERM));
}

#[derive(Default)]
struct Memory(Mutex<BTreeMap<u64, u8>>);

impl UserMemory for Memory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        let bytes = self.0.lock();
        for (at, byte) in (address..).zip(into) {
            *byte = *bytes.get(&at).ok_or(Errno::EFAULT)?;
        }
        Ok(())
    }
    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.0.lock().extend((address..).zip(bytes.iter().copied()));
        Ok(())
    }
}

#[test]
fn a_disk_tells_how_large_it_is_and_discards_and_zeroes() {
    let (world, disk) = world();
    let file = world.open("/dev/xvdb", OpenFlags::RDWR).unwrap();
    let memory = Memory::default();
    let user: &dyn UserMemory = &memory;
    let control = |command, argument| file.file().ioctl(command, argument, user);
    for (command, expected) in [(0x8008_1272, LEN as u64), (0x1260, LEN as u64 / 512)] {
        assert_eq!(control(command, 0), Ok(0));
        assert_eq!(user.read_u64(0), Ok(expected));
    }
    for (command, expected) in [(0x1268, 512), (0x127b, 512), (0x8008_1270, 4096), (0x125e, 0)] {
        assert_eq!(control(command, 0), Ok(0));
        assert_eq!(user.read_u32(0), Ok(expected), "{command:#x}");
    }
    let range = |start: u64, len: u64| {
        user.write_u64(0, start).unwrap();
        user.write_u64(8, len).unwrap();
    };
    range(512, 1024);
    assert_eq!((control(0x1277, 0), control(0x127f, 0)), (Ok(0), Ok(0)));
    assert_eq!(disk.discards.load(Ordering::Relaxed), 1);
    assert_eq!(read(&file, 511, 1026).unwrap(), [vec![7], vec![0; 1024], vec![7]].concat());
    for (start, len) in [(0, 0), (100, 512), (LEN as u64, 512), (u64::MAX, 512)] {
        range(start, len);
        assert_eq!(control(0x1277, 0), Err(Errno::EINVAL));
    }
    range(0, 512);
    let reader = world.open("/dev/xvdb", OpenFlags::empty()).unwrap();
    assert_eq!(reader.file().ioctl(0x1277, 0, user), Err(Errno::EBADF));
    assert_eq!(control(0x1261, 0), Ok(0), "BLKFLSBUF");
    assert_eq!(disk.content.lock()[512..1536], [0; 1024]);
    assert_eq!(control(0x1234, 0), Err(Errno::EINVAL));
    assert_eq!(control(0x301, 0), Ok(0));
}

#[test]
fn a_device_model_learns_how_long_requests_may_be_and_zeroes_by_fallocate() {
    let (world, disk) = world();
    let file = world.open("/dev/xvdb", OpenFlags::RDWR).unwrap();
    let memory = Memory::default();
    let user: &dyn UserMemory = &memory;
    let mut sectors = [0; 2];
    assert_eq!(file.file().ioctl(0x1267, 0, user), Ok(0));
    user.read(0, &mut sectors).unwrap();
    assert_eq!(u16::from_le_bytes(sectors), 2560);
    assert_eq!(user.read_u32(0), Err(Errno::EFAULT), "it is a short number");
    let fallocate = |file: &OpenFile, mode, at, len| world.context().fallocate(file, mode, at, len);
    assert_eq!(fallocate(&file, 16, 512, 8192), Ok(()));
    assert_eq!(fallocate(&file, 17, 16384, 512), Ok(()));
    file.file().sync().unwrap();
    let content = disk.content.lock().clone();
    assert!(content[512..8704].iter().all(|byte| *byte == 0));
    assert_eq!([511, 8704, 16384, 16896].map(|at| content[at]), [7, 7, 0, 7]);
    assert_eq!(fallocate(&file, 16, 1, 512), Err(Errno::EINVAL));
    assert_eq!(fallocate(&file, 16, LEN as i64, 512), Err(Errno::EINVAL));
    for mode in [0, 1, 3] {
        assert_eq!(fallocate(&file, mode, 0, 512), Err(Errno::EOPNOTSUPP), "{mode}");
    }
    disk.is_read_only.store(true, Ordering::Relaxed);
    assert_eq!(fallocate(&file, 16, 0, 512), Err(Errno::EPERM));
}
