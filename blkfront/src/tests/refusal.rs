use super::*;
use crate::{Request, SubmitError};
use xen::xenbus::DeviceError;

#[test]
fn a_read_only_disk_refuses_writes_by_name() {
    for (key, value) in [("mode", "r"), ("info", "4"), ("info", "5")] {
        let bench = Bench::new(65536, 512);
        bench.device.set_back(key, value);
        let front = bench.connect();
        assert!(front.disk().read_only);
        assert_eq!(front.disk().cdrom, value == "5");
        let error = front.write_at(0, &[0; 512]).expect_err("read-only");
        assert_eq!(error.to_string(), "xvda (vbd/51712) is read-only");
        let write = Request::Write { offset: 0, data: vec![0; 512] };
        assert_eq!(front.submit(write), Err(SubmitError::Refused(error)));
        front.read_at(0, &mut [0; 512]).expect("readable");
        bench.finish(front);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn ranges_off_the_disk_and_parts_of_sectors_are_refused() {
    for sector_size in [512, 4096] {
        let bench = Bench::new(65536, sector_size);
        let front = bench.connect();
        for (offset, len) in
            [(65536, 1), (65535, 2), (0, 65537), (u64::MAX, 1), (u64::MAX - 511, 512), (1 << 63, 5)]
        {
            let error = front.read_at(offset, &mut vec![0; len]).expect_err("off the disk");
            assert!(matches!(error, Error::OutOfRange { .. }), "{offset} {len}: {error}");
        }
        let sector = sector_size as u64;
        for (offset, len) in [(1, sector), (0, sector - 1), (sector / 2, sector), (0, sector + 1)] {
            let error = front.write_at(offset, &vec![0; len as usize]).expect_err("not whole sectors");
            assert!(matches!(error, Error::Unaligned { .. }), "{offset} {len}: {error}");
        }
        assert_eq!(
            front.write_at(1, &[0; 5]).map_err(|error| error.to_string()),
            Err(format!(
                "xvda (vbd/51712): a write of 5 bytes at 1 is not of whole sectors of {sector_size}"
            ))
        );
        assert_eq!(front.stats().requests, 0);
        bench.finish(front);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn malformed_values_of_the_back_end_are_refused_with_key_and_value() {
    for (key, value) in [
        ("sectors", "abc"),
        ("sectors", ""),
        ("sectors", "-1"),
        ("sectors", "18446744073709551616"),
        ("sectors", "36028797018963968"),
        ("sector-size", "513"),
        ("sector-size", "0"),
        ("sector-size", "256"),
        ("sector-size", "8192"),
        ("sector-size", "x"),
        ("physical-sector-size", "0"),
        ("physical-sector-size", "700"),
        ("physical-sector-size", "1099511627776"),
        ("info", "readonly"),
        ("feature-flush-cache", "yes"),
        ("feature-barrier", "yes"),
        ("feature-discard", "yes"),
    ] {
        let bench = Bench::new(65536, 512);
        bench.device.set_back(key, value);
        let error =
            bench.try_connect(config()).err().unwrap_or_else(|| panic!("{key} {value:?} was accepted"));
        assert!(matches!(error, Error::Device { error: DeviceError::Malformed { .. }, .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(key) && message.contains(&format!("{value:?}")), "{message}");
    }
}

#[test]
fn a_disk_without_a_size_is_refused_and_one_of_no_size_is_empty() {
    let world = World::new();
    let device = FakeDevice::new(&world, "vbd/51728", 51728, DomId::DOM0);
    let _disk = FakeDisk::attach(&world, &device, 0, 512);
    let front = BlkFront::connect(world.clone(), device.clone(), config()).expect("an empty drive");
    assert_eq!((front.disk().name.as_str(), front.disk().size_bytes), ("xvdb", 0));
    assert!(front.read_at(0, &mut [0]).is_err());
    front.close().expect("it closes");
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn two_disks_do_not_mix() {
    let world = World::new();
    let fronts = [51712, 51728].map(|id| {
        let device = FakeDevice::new(&world, &format!("vbd/{id}"), id, DomId::DOM0);
        let disk = FakeDisk::attach(&world, &device, 65536, 512);
        disk.get().content = pattern(65536, id as u8);
        (BlkFront::connect(world.clone(), device, config()).expect("it is there"), disk)
    });
    for (front, disk) in &fronts {
        let mut buf = vec![0; 60_000];
        front.read_at(100, &mut buf).expect("readable");
        assert!(buf == disk.get().content[100..60_100]);
    }
    for (front, disk) in &fronts {
        front.close().expect("it closes");
        assert_eq!(disk.get().complaints, Vec::<String>::new());
    }
}
