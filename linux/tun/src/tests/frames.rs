//! Frames through a tap.

use super::*;

fn frame(len: usize) -> Vec<u8> {
    (0..len).map(|at| at as u8).collect()
}

#[test]
fn a_read_gives_one_frame_and_a_write_takes_one() {
    let rig = Rig::with_tap(0);
    assert_eq!(rig.read(2000), Err(Errno::EAGAIN));
    rig.deliver(&frame(60), false, None);
    rig.deliver(&frame(100), false, None);
    assert_eq!(rig.read(2000), Ok(frame(60)));
    assert_eq!(rig.read(70), Ok(frame(70)), "what there is no room for is cut off");
    assert_eq!(rig.read(2000), Err(Errno::EAGAIN));
    assert_eq!(rig.write(&frame(61)), Ok(61));
    assert_eq!(*rig.port.sent.lock(), [(frame(61), None)]);
    assert_eq!(rig.port.flushes.load(Ordering::Relaxed), 1);
    let stats = rig.stats();
    assert_eq!((stats.received, stats.received_bytes, stats.sent, stats.sent_bytes), (2, 160, 1, 61));
}

#[test]
fn packet_information_stands_first_unless_it_is_not_wanted() {
    let rig = Rig::new();
    assert_eq!(rig.file.ioctl(TUNSETIFF, 0, &ifreq("vif7.0-emu", IFF_TAP | IFF_VNET_HDR)), Ok(0));
    let arp = [&[1; 12], &[8, 6][..], &[0; 28]].concat();
    rig.deliver(&arp, false, None);
    let read = rig.read(2000).unwrap();
    assert_eq!(
        (&read[..4], &read[4..14], &read[14..]),
        (&[0, 0, 8, 6][..], &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &arp[..])
    );
    assert_eq!(rig.write(&read), Ok(read.len()));
    assert_eq!(rig.port.sent.lock()[0].0, arp);
    assert_eq!(rig.read(13), Err(Errno::EINVAL));
}

#[test]
fn what_is_no_frame_is_refused() {
    let rig = Rig::with_tap(0);
    assert_eq!(rig.write(&frame(13)), Err(Errno::EINVAL));
    assert_eq!(rig.write(&frame(70_000)), Err(Errno::EINVAL));
    assert!(rig.port.sent.lock().is_empty());
}

#[test]
fn readers_and_writers_are_woken() {
    let rig = Rig::with_tap(0);
    let count = Arc::new(Count::default());
    let _watch = rig.file.queue().unwrap().watch(count.clone());
    assert_eq!(rig.file.poll(), PollEvents::WRITABLE);
    rig.deliver(&frame(60), false, None);
    assert_eq!((count.get(), rig.file.poll()), (1, PollEvents::READABLE | PollEvents::WRITABLE));
    rig.port.is_full.store(true, Ordering::Relaxed);
    assert_eq!(rig.file.poll(), PollEvents::READABLE);
    let bytes = frame(60);
    let mut source = SliceSource::new(&bytes);
    assert_eq!(rig.file.write(0, &mut source, FLAGS), Err(Errno::EAGAIN));
    assert_eq!(linux_base::Source::left(&source), 60, "a write that waits takes nothing");
    rig.port.is_full.store(false, Ordering::Relaxed);
    rig.file.tap().unwrap().room_to_send();
    assert_eq!(count.get(), 2);
}

#[test]
fn a_reader_that_is_at_work_is_waited_for_and_one_that_is_not_loses_frames() {
    let rig = Rig::with_tap(0);
    let tap = rig.file.tap().unwrap();
    assert_eq!(rig.read(2000), Err(Errno::EAGAIN));
    while tap.has_room(0).is_ok() {
        rig.deliver(&frame(1000), false, None);
        assert!(rig.stats().received < 2000, "the queue has an end");
    }
    let queued = rig.stats().received;
    assert_eq!(rig.stats().received_lost, 0);
    rig.deliver(&frame(1000), false, None);
    assert_eq!(rig.stats().received_lost, 1);
    assert_eq!(rig.read(2000).unwrap().len(), 1000);
    assert_eq!(rig.port.reads.load(Ordering::Relaxed), 1, "the device hears of room once");
    for _ in 1..queued {
        assert_eq!(rig.read(2000).unwrap().len(), 1000);
    }
    assert_eq!(rig.port.reads.load(Ordering::Relaxed), 1);
    assert_eq!(rig.read(2000), Err(Errno::EAGAIN));
}

#[test]
fn who_never_reads_is_not_waited_for() {
    let rig = Rig::with_tap(0);
    let tap = rig.file.tap().unwrap();
    for _ in 0..2000 {
        assert_eq!(tap.has_room(u64::MAX), Ok(()));
        rig.deliver(&frame(1000), false, None);
    }
    let stats = rig.stats();
    assert!(stats.received_lost > 1000 && stats.received_lost < 2000, "{stats}");
}
