//! Reads of bytes that are no lines: VMIN and VTIME.

use super::*;

fn raw(min: u8, time: u8) -> Pair {
    let pair = Pair::new();
    pair.set(|termios| {
        (termios.iflag, termios.oflag, termios.lflag) = (0, 0, 0);
        (termios.cc[VMIN as usize], termios.cc[VTIME as usize]) = (min, time);
    });
    pair
}

#[test]
fn bytes_are_read_as_they_come() {
    let pair = raw(1, 0);
    assert_eq!(pair.line(), Err(Errno::EAGAIN));
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(pair.types(&all), "");
    assert_eq!(read_with(&*pair.slave, 3, WAITING), Ok(vec![0, 1, 2]));
    assert_eq!(read_with(&*pair.slave, 300, WAITING), Ok(all[3..].to_vec()));
    assert_eq!(write(&*pair.slave, "a\n"), Ok(2));
    assert_eq!(pair.shown(), "a\n");
}

#[test]
fn a_read_waits_for_vmin_bytes_or_for_as_many_as_it_takes() {
    let pair = raw(3, 0);
    pair.types("ab");
    assert_eq!(pair.line(), Err(Errno::EAGAIN));
    assert!(!pair.slave.poll().contains(PollEvents::IN));
    assert_eq!(read(&*pair.slave, 2).as_deref(), Ok("ab"));
    pair.types("abc");
    assert!(pair.slave.poll().contains(PollEvents::IN));
    assert_eq!(pair.line().as_deref(), Ok("abc"));
    pair.types("d");
    assert_eq!(read_with(&*pair.slave, 9, NOT_WAITING), Ok(b"d".to_vec()));
    assert_eq!(read_with(&*pair.slave, 9, NOT_WAITING), Err(Errno::EAGAIN));
    assert_eq!(pair.slave.read_deadline(5), None);
}

#[test]
fn without_vmin_and_vtime_a_read_takes_what_there_is() {
    let pair = raw(0, 0);
    assert_eq!(pair.line().as_deref(), Ok(""));
    pair.types("x");
    assert_eq!(pair.line().as_deref(), Ok("x"));
}

#[test]
fn vtime_bounds_a_read() {
    let pair = raw(0, 2);
    assert_eq!((pair.line(), pair.slave.read_deadline(5)), (Err(Errno::EAGAIN), Some(200_000_005)));
    let mut bytes = [0; 4];
    assert_eq!(pair.slave.read_whatever(&mut SliceSink::new(&mut bytes)), Ok(0));
    pair.types("x");
    assert_eq!(pair.line().as_deref(), Ok("x"));

    // With VMIN the time runs from the last byte.
    let pair = raw(3, 1);
    assert_eq!((pair.line(), pair.slave.read_deadline(5)), (Err(Errno::EAGAIN), None));
    pair.types("xy");
    assert!(pair.slave.poll().contains(PollEvents::IN));
    assert_eq!(pair.line(), Err(Errno::EAGAIN));
    assert!(pair.slave.read_deadline(0).is_some_and(|deadline| deadline > 100_000_000));
    assert_eq!(pair.slave.read_whatever(&mut SliceSink::new(&mut bytes)), Ok(2));
}

#[test]
fn what_was_typed_survives_a_change_of_mode() {
    let pair = Pair::new();
    pair.types("line\npart");
    pair.set(|termios| termios.lflag &= !ICANON);
    assert_eq!(read(&*pair.slave, 7).as_deref(), Ok("line\npa"));
    pair.set(|termios| termios.lflag |= ICANON);
    assert_eq!(pair.line().as_deref(), Ok("rt"));
    pair.types("more\n");
    assert_eq!(pair.line().as_deref(), Ok("more\n"));
    // Flushing settings lose it.
    pair.types("lost\n");
    pair.master.tty().set_termios(pair.master.tty().termios(), true);
    assert_eq!(pair.line(), Err(Errno::EAGAIN));
}

#[test]
fn a_master_that_writes_much_waits_for_the_reader() {
    let pair = raw(1, 0);
    let all: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    let (mut written, mut got) = (0, Vec::new());
    let mut waits = 0;
    while got.len() < all.len() {
        match write(&*pair.master, &all[written..]) {
            Ok(len) => written += len,
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                assert_eq!(pair.master.poll().contains(PollEvents::OUT), written == all.len());
                waits += 1;
            }
        }
        if written == all.len() || !pair.master.poll().contains(PollEvents::OUT) {
            got.extend(read_with(&*pair.slave, 3000, WAITING).unwrap());
        }
    }
    assert!(got == all && waits <= all.len() / 3000);
}

#[test]
fn a_program_that_writes_much_waits_for_the_master() {
    let pair = Pair::new();
    let written = write(&*pair.slave, "0123456789abcde\n".repeat(10_000)).unwrap();
    assert!((15_000..=17 * 1024).contains(&written), "{written}");
    assert_eq!(write(&*pair.slave, "x"), Err(Errno::EAGAIN));
    let woken = Arc::new(Count::default());
    let _watch = pair.slave.queue().unwrap().watch(woken.clone());
    assert!(pair.shown().starts_with("0123456789abcde\r\n0"));
    assert_eq!(woken.take(), 1);
    assert!(pair.slave.poll().contains(PollEvents::OUT));
}
