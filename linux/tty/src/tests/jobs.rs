//! Job control: signals that are typed, sessions, the foreground and the background.

use super::*;
use linux_base::abi::ioctl::*;

fn set_foreground(pair: &Pair, group: i32) -> Result<i64> {
    pair.slave.ioctl(TIOCSPGRP, 0, &Memory::of(&group.to_le_bytes()))
}

fn ask(file: &dyn File, command: u32) -> Result<u32> {
    let memory = Memory::of(&[]);
    file.ioctl(command, 0, &memory).map(|_| memory.u32())
}

#[test]
fn typed_signals_go_to_the_foreground() {
    let pair = Pair::new();
    set_foreground(&pair, 11).unwrap();
    assert_eq!(pair.types("abc\x03"), "^C");
    assert_eq!(pair.types("\x1c\x1a"), "^Z");
    assert_eq!(pair.jobs.log(), ["INT to group 11", "QUIT to group 11", "TSTP to group 11"]);
    pair.types("x\n");
    pair.jobs.run(11);
    // What was typed before the signal is gone.
    assert_eq!(pair.line().as_deref(), Ok("x\n"));
    pair.set(|termios| termios.lflag |= NOFLSH);
    assert_eq!(pair.types("abc\x03d\n"), "abc^Cd\r\n");
    assert_eq!(pair.line().as_deref(), Ok("abcd\n"));
    pair.set(|termios| termios.lflag &= !ISIG);
    pair.types("\x03\n");
    assert_eq!(pair.line().as_deref(), Ok("\x03\n"));
    assert_eq!(pair.jobs.log(), ["INT to group 11"]);
}

#[test]
fn the_first_terminal_of_a_leader_is_its_controlling_one() {
    let pair = Pair::new();
    assert_eq!(ask(&*pair.slave, TIOCGSID), Ok(10));
    assert_eq!(ask(&*pair.slave, TIOCGPGRP), Ok(10));
    let other = pair.ptys.open_master(NODE, None).unwrap();
    other.tty().state.lock().pty.is_locked = false;
    let second = other.open_peer(OpenFlags::RDWR).unwrap();
    assert_eq!(ask(&*second, TIOCGSID), Err(Errno::ENOTTY));
    assert_eq!(ask(&*second, TIOCGPGRP), Err(Errno::ENOTTY));
    assert_eq!(ask(&*other, TIOCGPGRP), Ok(0));
    assert_eq!(second.ioctl(TIOCSCTTY, 0, &Memory::of(&[])), Err(Errno::EPERM));
    // A stranger's session can not take this one, unless it is privileged.
    pair.jobs.run(20);
    pair.jobs.leave_terminal();
    assert_eq!(pair.ioctl(TIOCSCTTY, 1), Err(Errno::EPERM));
    assert_eq!(second.ioctl(TIOCSCTTY, 0, &Memory::of(&[])), Ok(0));
    assert_eq!(second.ioctl(TIOCSCTTY, 0, &Memory::of(&[])), Ok(0));
    assert_eq!(ask(&*second, TIOCGSID), Ok(20));
    pair.jobs.leave_terminal();
    *pair.jobs.is_admin.lock().unwrap() = true;
    assert_eq!(pair.ioctl(TIOCSCTTY, 0), Err(Errno::EPERM));
    assert_eq!(pair.ioctl(TIOCSCTTY, 1), Ok(0));
    assert_eq!(ask(&*pair.slave, TIOCGSID), Ok(20));
}

#[test]
fn no_controlling_terminal_when_it_is_not_wanted() {
    let pair = Pair::new();
    pair.jobs.leave_terminal();
    pair.slave.tty().set_owners(Default::default());
    for (flags, opened_as) in [
        (OpenFlags::RDWR | OpenFlags::NOCTTY, OpenedAs::Terminal),
        (OpenFlags::RDWR, OpenedAs::Console),
        (OpenFlags::WRONLY, OpenedAs::Terminal),
    ] {
        pair.slave.tty().open(flags, opened_as, None).unwrap();
        assert_eq!(pair.jobs.caller().terminal, None);
    }
}

#[test]
fn the_background_is_stopped_when_it_reads() {
    let pair = Pair::new();
    pair.types("x\n");
    set_foreground(&pair, 11).unwrap();
    pair.jobs.run(12);
    assert_eq!(pair.line(), Err(crate::job::restart()));
    assert_eq!(pair.jobs.log(), ["TTIN to group 12"]);
    pair.jobs.ignored.lock().unwrap().push(SIGTTIN);
    assert_eq!(pair.line(), Err(Errno::EIO));
    pair.jobs.ignored.lock().unwrap().clear();
    *pair.jobs.is_orphaned.lock().unwrap() = true;
    assert_eq!(pair.line(), Err(Errno::EIO));
    assert!(pair.jobs.log().is_empty());
    // Who does not have it as its terminal may read.
    pair.jobs.leave_terminal();
    assert_eq!(pair.line().as_deref(), Ok("x\n"));
}

#[test]
fn the_background_may_write_unless_tostop_forbids_it() {
    let pair = Pair::new();
    set_foreground(&pair, 11).unwrap();
    pair.jobs.run(12);
    assert_eq!(write(&*pair.slave, "a"), Ok(1));
    pair.set(|termios| termios.lflag |= TOSTOP);
    assert_eq!(write(&*pair.slave, "b"), Err(crate::job::restart()));
    assert_eq!(pair.jobs.log(), ["TTOU to group 12"]);
    pair.jobs.ignored.lock().unwrap().push(SIGTTOU);
    assert_eq!(write(&*pair.slave, "c"), Ok(1));
    assert_eq!(pair.shown(), "ac");
}

#[test]
fn the_background_can_not_change_the_terminal() {
    let pair = Pair::new();
    set_foreground(&pair, 11).unwrap();
    pair.jobs.run(12);
    let memory = Memory::of(&Termios::default().to_bytes());
    for command in [TCSETS, TCSETSW, TCSETSF, TIOCSPGRP, TCFLSH, TCXONC] {
        assert_eq!(pair.slave.ioctl(command, 0, &memory), Err(crate::job::restart()), "{command:#x}");
    }
    assert_eq!(pair.jobs.log(), vec!["TTOU to group 12"; 6]);
    // A shell ignores the signal while it takes the terminal back.
    pair.jobs.ignored.lock().unwrap().push(SIGTTOU);
    assert_eq!(set_foreground(&pair, 12), Ok(0));
    assert_eq!(ask(&*pair.slave, TIOCGPGRP), Ok(12));
}

#[test]
fn only_groups_of_the_session_can_be_in_the_foreground() {
    let pair = Pair::new();
    assert_eq!(set_foreground(&pair, 99), Err(Errno::ESRCH));
    assert_eq!(set_foreground(&pair, 20), Err(Errno::EPERM));
    assert_eq!(set_foreground(&pair, -1), Err(Errno::EINVAL));
    pair.jobs.leave_terminal();
    assert_eq!(set_foreground(&pair, 10), Err(Errno::ENOTTY));
}

#[test]
fn a_leader_may_give_the_terminal_up() {
    let pair = Pair::new();
    set_foreground(&pair, 11).unwrap();
    assert_eq!(pair.ioctl(TIOCNOTTY, 0), Ok(0));
    assert_eq!(pair.jobs.log(), ["HUP to group 11", "CONT to group 11"]);
    assert_eq!((pair.ioctl(TIOCNOTTY, 0), pair.jobs.caller().terminal), (Err(Errno::ENOTTY), None));
    assert_eq!(write(&*pair.slave, "still there"), Ok(11));
}

#[test]
fn when_the_leader_exits_the_foreground_is_told() {
    let pair = Pair::new();
    set_foreground(&pair, 11).unwrap();
    pair.slave.tty().leader_exits(20);
    assert!(pair.jobs.log().is_empty());
    pair.slave.tty().leader_exits(10);
    assert_eq!(pair.jobs.log(), ["HUP to group 11", "CONT to group 11"]);
    assert_eq!(write(&*pair.slave, "x"), Ok(1));
}

#[test]
fn a_change_of_the_windows_size_is_told() {
    let pair = Pair::new();
    let size = WindowSize { rows: 24, columns: 80, x_pixels: 0, y_pixels: 0 };
    for _ in 0..2 {
        assert_eq!(pair.master.ioctl(TIOCSWINSZ, 0, &Memory::of(&size.to_bytes())), Ok(0));
    }
    assert_eq!(pair.jobs.log(), ["WINCH to group 10"]);
    let memory = Memory::of(&[]);
    pair.slave.ioctl(TIOCGWINSZ, 0, &memory).unwrap();
    assert_eq!(memory.u32(), 24 | 80 << 16);
}
