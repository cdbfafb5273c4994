//! Pseudo-terminals: making, locking, hanging up, packet mode, the other calls.

use super::*;
use linux_base::Facts;
use linux_base::abi::ioctl::*;
use linux_base::stat::DeviceNumber;

#[test]
fn a_pair_is_made_unlocked_and_opened() {
    let ptys = Ptys::new(Jobs::new());
    let first = ptys.open_master(NODE, None).unwrap();
    let second = ptys.open_master(NODE, None).unwrap();
    assert_eq!(ptys.indices(), [0, 1]);
    let memory = Memory::of(&[]);
    second.ioctl(TIOCGPTN, 0, &memory).unwrap();
    assert_eq!(memory.u32(), 1);
    assert_eq!(ptys.open_slave(1, OpenFlags::RDWR).err(), Some(Errno::EIO));
    assert_eq!(ptys.open_slave(2, OpenFlags::RDWR).err(), Some(Errno::ENOENT));
    second.ioctl(TIOCSPTLCK, 0, &Memory::of(&[0; 4])).unwrap();
    let slave = ptys.open_slave(1, OpenFlags::RDWR).unwrap();
    let stat = slave.stat().unwrap();
    assert_eq!((stat.mode.0, stat.uid, stat.gid), (0o20620, 1000, 5));
    assert_eq!(DeviceNumber::decode(stat.rdev), DeviceNumber { major: 136, minor: 1 });
    ptys.get(1).unwrap().set_node(Node { uid: 7, ..NODE });
    assert_eq!(slave.stat().map(|stat| stat.uid), Ok(7));
    assert_eq!(ptys.get(1).unwrap().stat(), slave.stat());
    drop(first);
    assert_eq!(ptys.indices(), [1]);
    assert_eq!(ptys.open_master(NODE, None).unwrap().index(), 0);
}

#[test]
fn the_master_sees_when_the_last_slave_closes() {
    let Pair { ptys, master, slave, .. } = Pair::new();
    let woken = Arc::new(Count::default());
    let _watch = master.queue().unwrap().watch(woken.clone());
    write(&*slave, "last").unwrap();
    woken.take();
    let duplicate = slave.clone();
    drop(slave);
    assert_eq!((woken.take(), master.poll().contains(PollEvents::HUP)), (0, false));
    drop(duplicate);
    assert_eq!((woken.take(), master.poll().contains(PollEvents::HUP)), (1, true));
    assert_eq!(read(&*master, 100).as_deref(), Ok("last"));
    assert_eq!(read(&*master, 100), Err(Errno::EIO));
    let _again = ptys.open_slave(0, OpenFlags::RDWR).unwrap();
    assert_eq!(read(&*master, 100), Err(Errno::EAGAIN));
    assert!(!master.poll().contains(PollEvents::HUP));
}

#[test]
fn a_master_that_nobody_has_opened_the_slave_of_waits() {
    let ptys = Ptys::new(Jobs::new());
    let master = ptys.open_master(NODE, None).unwrap();
    assert_eq!((read(&*master, 1), master.poll()), (Err(Errno::EAGAIN), PollEvents::WRITABLE));
}

#[test]
fn when_the_master_closes_the_slave_hangs_up() {
    let Pair { jobs, ptys, master, slave } = Pair::new();
    let woken = Arc::new(Count::default());
    let _watch = slave.queue().unwrap().watch(woken.clone());
    write(&*master, "unread\n").unwrap();
    woken.take();
    drop(master);
    assert_eq!(
        (woken.take(), jobs.log()),
        (1, vec!["HUP to leader of 10".into(), "CONT to leader of 10".into()])
    );
    assert_eq!(jobs.caller().terminal, None);
    assert_eq!(read(&*slave, 9).as_deref(), Ok(""));
    assert_eq!(write(&*slave, "x"), Err(Errno::EIO));
    assert_eq!(slave.ioctl(TCGETS, 0, &Memory::of(&[])), Err(Errno::EIO));
    assert!(slave.poll().contains(PollEvents::HUP | PollEvents::IN | PollEvents::OUT));
    assert_eq!(
        (ptys.indices(), slave.tty().open(OpenFlags::RDWR, OpenedAs::Terminal, None).err()),
        (vec![], Some(Errno::EIO))
    );
}

#[test]
fn packet_mode_tells_of_flushes_and_of_flow() {
    let pair = Pair::new();
    let set = |on: u32| pair.master.ioctl(TIOCPKT, 0, &Memory::of(&on.to_le_bytes()));
    set(1).unwrap();
    write(&*pair.slave, "hi").unwrap();
    assert_eq!(read_with(&*pair.master, 9, WAITING), Ok(b"\0hi".to_vec()));
    write(&*pair.master, "\x13").unwrap();
    assert!(pair.master.poll().contains(PollEvents::PRI | PollEvents::IN));
    assert_eq!(read_with(&*pair.master, 9, WAITING), Ok(vec![TIOCPKT_STOP as u8]));
    write(&*pair.master, "\x11").unwrap();
    assert_eq!(read_with(&*pair.master, 9, WAITING), Ok(vec![TIOCPKT_START as u8]));
    pair.ioctl(TCFLSH, u64::from(TCIFLUSH)).unwrap();
    assert_eq!(read_with(&*pair.master, 9, WAITING), Ok(vec![TIOCPKT_FLUSHREAD as u8]));
    pair.set(|termios| termios.iflag &= !IXON);
    assert_eq!(read_with(&*pair.master, 9, WAITING), Ok(vec![TIOCPKT_NOSTOP as u8]));
    set(0).unwrap();
    write(&*pair.slave, "hi").unwrap();
    assert_eq!(read(&*pair.master, 9).as_deref(), Ok("hi"));
}

#[test]
fn other_calls_of_terminals() {
    let pair = Pair::new();
    let memory = Memory::of(&[]);
    let call = |command, at| pair.slave.ioctl(command, at, &memory);
    assert_eq!(call(TIOCSTI, 0), Err(Errno::EIO));
    assert_eq!(call(0x1234, 0), Err(Errno::ENOTTY));
    assert_eq!(call(TCGETS, 1000), Err(Errno::EFAULT));
    pair.types("abc\nde");
    assert_eq!((call(FIONREAD, 0), memory.u32()), (Ok(0), 4));
    write(&*pair.slave, "1234").unwrap();
    assert_eq!((call(TIOCOUTQ, 0), memory.u32()), (Ok(0), 4));
    assert_eq!((pair.master.ioctl(FIONREAD, 0, &memory), memory.u32()), (Ok(0), 4));
    assert_eq!(call(TCFLSH, 3), Err(Errno::EINVAL));
    assert_eq!(call(TCFLSH, u64::from(TCIOFLUSH)), Ok(0));
    assert_eq!((pair.line(), pair.shown()), (Err(Errno::EAGAIN), String::new()));
    assert_eq!((call(TIOCGDEV, 0), memory.u32()), (Ok(0), 0x8800));
    assert_eq!((call(TCSBRK, 1), call(TIOCEXCL, 0)), (Ok(0), Ok(0)));
    assert_eq!(pair.ptys.open_slave(0, OpenFlags::RDWR).err(), Some(Errno::EBUSY));
    *pair.jobs.is_admin.lock().unwrap() = true;
    assert!(pair.ptys.open_slave(0, OpenFlags::RDWR).is_ok());
}

#[test]
fn the_settings_are_the_same_from_both_ends() {
    let pair = Pair::new();
    let memory = Memory::of(&[]);
    pair.master.ioctl(TCGETS2, 0, &memory).unwrap();
    let raw = Termios { lflag: 0, ..Termios::default() };
    assert_eq!(pair.master.ioctl(TCSETS2, 0, &Memory::of(&raw.to_bytes())), Ok(0));
    assert_eq!(pair.slave.tty().termios(), raw);
    assert_eq!(pair.types("x"), "");
    assert_eq!(pair.line().as_deref(), Ok("x"));
}
