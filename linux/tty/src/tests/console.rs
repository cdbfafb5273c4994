//! A terminal over a device.

use super::*;
use linux_base::stat::DeviceNumber;

/// A device that takes a few bytes and then no more.
#[derive(Default)]
struct Device {
    taken: Mutex<Vec<u8>>,
    room: AtomicUsize,
    /// How often it was told that input is possible.
    asked: AtomicUsize,
}

impl Backend for Device {
    fn output(&self, bytes: &[u8]) -> usize {
        let room = self.room.load(Ordering::Relaxed);
        let len = bytes.len().min(room);
        self.taken.lock().unwrap().extend(&bytes[..len]);
        self.room.store(room - len, Ordering::Relaxed);
        len
    }

    fn input_possible(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

impl Device {
    fn taken(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.taken.lock().unwrap())).unwrap()
    }
}

fn console(room: usize) -> (Arc<Device>, Arc<Jobs>, Arc<TtyFile>) {
    let (device, jobs) = (Arc::new(Device::default()), Jobs::new());
    device.room.store(room, Ordering::Relaxed);
    let tty = Tty::new(DeviceNumber { major: 229, minor: 0 }, device.clone(), jobs.clone());
    let file = tty.open(OpenFlags::RDWR, OpenedAs::Console, None).unwrap();
    (device, jobs, file)
}

#[test]
fn typed_lines_are_echoed_to_the_device() {
    let (device, jobs, file) = console(1000);
    assert_eq!(write(&*file, "login: "), Ok(7));
    assert_eq!(file.tty().received(b"root\r"), 5);
    assert_eq!(device.taken(), "login: root\r\n");
    assert_eq!(read(&*file, 100).as_deref(), Ok("root\n"));
    file.tty().become_terminal_of(10, 11);
    file.tty().received(b"\x03");
    assert_eq!((device.taken().as_str(), jobs.log()), ("^C", vec!["INT to group 11".into()]));
    // Opened as /dev/console, the background may read it.
    file.tty().received(b"x\n");
    assert_eq!(read(&*file, 100).as_deref(), Ok("x\n"));
    file.tty().leader_exits(10);
    assert_eq!(jobs.log(), ["HUP to group 11", "CONT to group 11"]);
    assert_eq!(write(&*file, "next"), Ok(4));
    let other = file.tty().open(OpenFlags::RDWR, OpenedAs::Terminal, None).unwrap();
    file.tty().hang_up();
    assert_eq!((write(&*file, "next"), write(&*other, "next")), (Ok(4), Err(Errno::EIO)));
}

#[test]
fn output_waits_for_the_device() {
    let (device, _, file) = console(10);
    let text = "x".repeat(50_000);
    let written = write(&*file, &text).unwrap();
    assert_eq!((device.taken().len(), written), (10, 10 + 16 * 1024));
    assert_eq!((write(&*file, "y"), file.poll()), (Err(Errno::EAGAIN), PollEvents::empty()));
    let woken = Arc::new(Count::default());
    let _watch = file.queue().unwrap().watch(woken.clone());
    device.room.store(100_000, Ordering::Relaxed);
    file.tty().output_possible();
    assert_eq!((woken.take(), device.taken().len()), (1, 16 * 1024));
    assert_eq!(write(&*file, &text), Ok(50_000));
    assert_eq!(device.taken(), text);
}

#[test]
fn stopped_output_stays_here() {
    let (device, _, file) = console(1000);
    file.tty().received(b"\x13");
    assert_eq!(write(&*file, "x"), Err(Errno::EAGAIN));
    file.tty().received(b"ab\x11");
    assert_eq!(device.taken(), "ab");
}

#[test]
fn input_waits_in_the_device_until_somebody_reads_and_none_is_lost() {
    let (device, _, file) = console(100_000);
    let tty = file.tty().clone();
    let mut termios = tty.termios();
    (termios.iflag, termios.oflag, termios.lflag) = (0, 0, 0);
    tty.set_termios(termios, false);
    let sent: Vec<u8> = (0..200_000u32).map(|at| (at.wrapping_mul(at) >> 3) as u8).collect();
    let (mut fed, mut seen) = (0, Vec::new());
    let feed = |fed: &mut usize| {
        while *fed < sent.len() {
            let room = tty.input_room(1000.min(sent.len() - *fed));
            if room == 0 {
                break;
            }
            assert_eq!(tty.received(&sent[*fed..*fed + room]), room, "it has said so");
            *fed += room;
        }
    };
    while seen.len() < sent.len() {
        feed(&mut fed);
        assert!(fed - seen.len() <= 40_000, "what nobody reads stays in the device");
        let asked = device.asked.swap(0, Ordering::Relaxed);
        seen.extend(read_with(&*file, 3000, WAITING).unwrap());
        assert!(fed == sent.len() || device.asked.load(Ordering::Relaxed) > 0, "after {asked} times before");
    }
    assert!(seen == sent);
}

#[test]
fn nothing_is_taken_in_while_nobody_has_it_open() {
    let (device, _, file) = console(1000);
    let tty = file.tty().clone();
    drop(file);
    assert_eq!(tty.input_room(10), 0);
    let asked = device.asked.load(Ordering::Relaxed);
    let _file = tty.open(OpenFlags::RDWR, OpenedAs::Terminal, None).unwrap();
    assert_eq!((tty.input_room(10), device.asked.load(Ordering::Relaxed)), (10, asked + 1));
}

#[test]
fn a_channel_carries_every_byte_as_it_is_from_the_start() {
    let (device, jobs) = (Arc::new(Device::default()), Jobs::new());
    device.room.store(1 << 20, Ordering::Relaxed);
    let tty = Tty::channel(DeviceNumber { major: 229, minor: 1 }, device.clone(), jobs.clone());
    let writer = tty.open(OpenFlags::WRONLY, OpenedAs::Terminal, None).unwrap();
    let reader = tty.open(OpenFlags::empty(), OpenedAs::Terminal, None).unwrap();
    assert!(jobs.caller.lock().unwrap().terminal.is_none(), "it is nobody's controlling terminal");
    let all: Vec<u8> = (0..40_000u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    let (mut sent, mut fed, mut seen) = (0, 0, Vec::new());
    while sent < all.len() {
        sent += write(&*writer, &all[sent..]).unwrap();
    }
    assert!(*device.taken.lock().unwrap() == all);
    device.taken.lock().unwrap().clear();
    while seen.len() < all.len() {
        let room = tty.input_room(all.len() - fed);
        assert_eq!(tty.received(&all[fed..fed + room]), room);
        fed += room;
        seen.extend(read_with(&*reader, 5000, NOT_WAITING).unwrap());
    }
    assert!(seen == all && device.taken.lock().unwrap().is_empty(), "without an echo");
    assert_eq!(read_with(&*reader, 5000, NOT_WAITING), Err(Errno::EAGAIN));
}
