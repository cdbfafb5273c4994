//! Lines that are edited: typed keys, what is shown, what is read.

use super::*;

/// Keys, what is shown for them, and the lines that are read then.
type Step = (&'static str, &'static str, &'static [&'static str]);

fn run(pair: &Pair, steps: &[Step]) {
    for (keys, shown, lines) in steps {
        assert_eq!(pair.types(keys), *shown, "after {keys:?}");
        for line in *lines {
            assert_eq!(pair.line().as_deref(), Ok(*line), "after {keys:?}");
        }
        assert_eq!(pair.line(), Err(Errno::EAGAIN), "after {keys:?}");
    }
}

const ERASED: &str = "\x08 \x08";

#[test]
fn a_session_of_typing() {
    let pair = Pair::new();
    let e = |count: usize| ERASED.repeat(count);
    let steps: [Step; 15] = [
        ("ls\r", "ls\r\n", &["ls\n"]),
        ("no", "no", &[]),
        ("\n", "\r\n", &["no\n"]),
        ("a\nb\nc", "a\r\nb\r\nc", &["a\n", "b\n"]),
        ("\x7f\x7f", ERASED, &[]),
        ("x\x7fy\n", "x\x08 \x08y\r\n", &["y\n"]),
        ("\x01\x7f", e(2).insert_before("^A").leak(), &[]),
        ("one two\x17", e(3).insert_before("one two").leak(), &[]),
        ("  \x17", e(6).insert_before("  ").leak(), &[]),
        ("abc\x15", e(3).insert_before("abc").leak(), &[]),
        ("ab\x12", "ab^R\r\nab", &[]),
        ("\x16\x03\x16\n\n", "^\x08^C^\x08^J\r\n", &["ab\x03\n\n"]),
        ("\x04", "", &[""]),
        ("ab\x04", "ab", &["ab"]),
        ("\x1b[A\n", "^[[A\r\n", &["\x1b[A\n"]),
    ];
    run(&pair, &steps);
}

trait InsertBefore {
    fn insert_before(self, text: &str) -> String;
}

impl InsertBefore for String {
    fn insert_before(self, text: &str) -> String {
        format!("{text}{self}")
    }
}

#[test]
fn a_read_takes_at_most_a_line_and_an_end_of_file_with_it() {
    let pair = Pair::new();
    pair.types("hello\nmore\n");
    assert_eq!(read(&*pair.slave, 2).as_deref(), Ok("he"));
    assert_eq!(read(&*pair.slave, 4).as_deref(), Ok("llo\n"));
    assert_eq!(read(&*pair.slave, 5).as_deref(), Ok("more\n"));
    // What fits exactly takes the end-of-file character along.
    pair.types("abc\x04\x04");
    assert_eq!(read(&*pair.slave, 3).as_deref(), Ok("abc"));
    assert_eq!(read(&*pair.slave, 3).as_deref(), Ok(""));
    assert_eq!(read(&*pair.slave, 3), Err(Errno::EAGAIN));
    pair.types("abc\x04");
    assert_eq!(read(&*pair.slave, 2).as_deref(), Ok("ab"));
    assert_eq!(read(&*pair.slave, 2).as_deref(), Ok("c"));
    assert_eq!(read(&*pair.slave, 2), Err(Errno::EAGAIN));
}

#[test]
fn tabs_are_erased_to_where_they_were_typed() {
    let pair = Pair::new();
    write(&*pair.slave, "$ ").unwrap();
    assert_eq!(pair.shown(), "$ ");
    assert_eq!(pair.types("\t"), "\t");
    assert_eq!(pair.types("\x7f"), "\x08".repeat(6));
    assert_eq!(pair.types("ab\tc\t"), "ab\tc\t");
    assert_eq!(pair.types("\x7f"), "\x08".repeat(7));
    assert_eq!(pair.types("\x7f\x7f"), format!("{ERASED}{}", "\x08".repeat(4)));
}

#[test]
fn characters_of_utf_8_are_erased_whole() {
    let pair = Pair::new();
    assert_eq!(pair.types("ü\x7f"), format!("ü{ERASED}"));
    assert_eq!(pair.types("\n"), "\r\n");
    // Without IUTF8 half of it stays.
    assert_eq!(read_with(&*pair.slave, 10, WAITING), Ok(b"\xc3\n".to_vec()));
    pair.set(|termios| termios.iflag |= IUTF8);
    assert_eq!(pair.types("xü€\x7f\x7f\x7f"), format!("xü€{}", ERASED.repeat(3)));
    pair.types("grün\x17\n");
    assert_eq!(pair.line().as_deref(), Ok("\n"));
}

#[test]
fn flags_of_echo() {
    let pair = Pair::new();
    pair.set(|termios| termios.lflag &= !ECHO);
    run(&pair, &[("se\x7fcret\n", "", &["scret\n"])]);
    pair.set(|termios| termios.lflag |= ECHONL);
    run(&pair, &[("pw\n", "\r\n", &["pw\n"])]);
    pair.set(|termios| termios.lflag = ICANON | ECHO);
    run(&pair, &[("a\x01\x7f\n", "a\x01\x7f\r\n", &["a\n"]), ("ab\x15\n", "ab\x15\r\n", &["\n"])]);
    pair.set(|termios| termios.lflag = ICANON | ECHO | ECHOK | ECHOCTL);
    run(&pair, &[("ab\x15\n", "ab^U\r\n\r\n", &["\n"])]);
    pair.set(|termios| termios.lflag = ICANON | ECHO | ECHOE | ECHOPRT);
    run(&pair, &[("abc\x7f\x7fd\n", "abc\\cb/d\r\n", &["ad\n"])]);
}

#[test]
fn flags_of_input() {
    let pair = Pair::new();
    pair.set(|termios| termios.iflag = 0);
    run(&pair, &[("a\r\n", "a^M\r\n", &["a\r\n"])]);
    pair.set(|termios| termios.iflag = IGNCR);
    run(&pair, &[("a\r\n", "a\r\n", &["a\n"])]);
    pair.set(|termios| termios.iflag = ICRNL | IUCLC);
    run(&pair, &[("AbC\r", "abc\r\n", &["abc\n"])]);
    pair.set(|termios| termios.iflag = ISTRIP);
    assert_eq!(pair.types(b"\xe1\n"), "a\r\n");
    pair.set(|termios| (termios.iflag, termios.lflag) = (INLCR, ECHO));
    assert_eq!(pair.types("\n"), "\r");
}

#[test]
fn further_characters_end_lines() {
    let pair = Pair::new();
    pair.set(|termios| (termios.cc[VEOL as usize], termios.cc[VEOL2 as usize]) = (b';', b'|'));
    run(&pair, &[("a;b|c\n", "a;b|c\r\n", &["a;", "b|", "c\n"])]);
    pair.set(|termios| termios.lflag &= !IEXTEN);
    run(&pair, &[("b|c\x16\x17\n", "b|c^V^W\r\n", &["b|c\x16\x17\n"])]);
}

#[test]
fn a_long_line_loses_its_end_but_not_its_newline() {
    let pair = Pair::new();
    pair.set(|termios| termios.lflag &= !ECHO);
    pair.types("x".repeat(4094) + "abc\n");
    let line = read(&*pair.slave, 5000).unwrap();
    assert_eq!((line.len(), line.ends_with("xa\n")), (4096, true));
    // Further lines wait until there is room.
    pair.types(("y".repeat(1000) + "\n").repeat(6));
    for _ in 0..6 {
        assert_eq!(read(&*pair.slave, 5000).map(|line| line.len()), Ok(1001));
    }
    assert_eq!(pair.line(), Err(Errno::EAGAIN));
}

#[test]
fn output_is_stopped_and_goes_on() {
    let pair = Pair::new();
    assert_eq!(pair.types("a\x13b"), "a");
    assert_eq!(write(&*pair.slave, "x"), Err(Errno::EAGAIN));
    assert!(!pair.slave.poll().contains(PollEvents::OUT));
    let woken = Arc::new(Count::default());
    let _watch = pair.slave.queue().unwrap().watch(woken.clone());
    assert_eq!(pair.types("\x11"), "b");
    assert_eq!(woken.take(), 1);
    assert_eq!(write(&*pair.slave, "x\n"), Ok(2));
    assert_eq!(pair.shown(), "x\r\n");
    // Without IXANY only the start character starts it, with it any does.
    pair.types("\x13");
    assert_eq!(pair.types("k"), "");
    pair.set(|termios| termios.iflag |= IXANY);
    assert_eq!(pair.types("l"), "kl");
    // A call stops it whatever is typed.
    pair.ioctl(linux_base::abi::ioctl::TCXONC, u64::from(TCOOFF)).unwrap();
    assert_eq!(pair.types("\x11m"), "");
    pair.ioctl(linux_base::abi::ioctl::TCXONC, u64::from(TCOON)).unwrap();
    assert_eq!(pair.shown(), "m");
}
