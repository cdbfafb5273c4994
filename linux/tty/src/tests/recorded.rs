//! What a Linux pseudo-terminal does with random keys (`recorded.txt`, made by `record.py`), done here again.

use super::*;

fn bytes_of(hex: &str) -> Vec<u8> {
    let hex = if hex == "-" { "" } else { hex };
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Does one line of the recording, and says what came of it.
fn step(pair: &Pair, words: &[&str]) -> String {
    let outcome = |result: Result<String>| result.unwrap_or_else(|errno| format!("{errno:?}"));
    match words {
        ["set", flags @ ..] => {
            let flags: Vec<u32> = flags.iter().map(|flag| u32::from_str_radix(flag, 16).unwrap()).collect();
            pair.set(|termios| {
                (termios.iflag, termios.oflag, termios.lflag) = (flags[0], flags[1], flags[2]);
                for (index, value) in [(VEOL, flags[3]), (VEOL2, flags[4]), (VMIN, flags[5])] {
                    termios.cc[index as usize] = value as u8;
                }
            });
            String::new()
        }
        ["type", keys] => {
            let keys = bytes_of(keys);
            assert_eq!(write(&*pair.master, &keys), Ok(keys.len()));
            String::new()
        }
        ["write", text, _] => outcome(write(&*pair.slave, bytes_of(text)).map(|len| len.to_string())),
        ["read", len, _] => {
            let read = read_with(&*pair.slave, len.parse().unwrap(), NOT_WAITING);
            outcome(read.map(|bytes| show(&bytes)))
        }
        ["shown", _] => {
            let mut all = Vec::new();
            while let Ok(bytes) = read_with(&*pair.master, 4096, WAITING) {
                all.extend(bytes);
            }
            show(&all)
        }
        _ => panic!("what is {words:?}"),
    }
}

fn expected(words: &[&str]) -> String {
    match words {
        ["write" | "read", _, "again"] => "EAGAIN".into(),
        ["write", _, len] => (*len).into(),
        ["read", _, bytes] | ["shown", bytes] => show(&bytes_of(bytes)),
        _ => String::new(),
    }
}

#[test]
fn keys_do_what_they_do_on_linux() {
    let path = std::env::var("TTY_RECORDING");
    let recording =
        path.map_or(include_str!("recorded.txt").into(), |path| std::fs::read_to_string(path).unwrap());
    let (mut cases, mut failed) = (0, 0);
    for case in recording.split("case\n").skip(1) {
        let pair = Pair::new();
        pair.slave.tty().set_owners(Default::default());
        cases += 1;
        let mut done = String::new();
        for line in case.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (got, wanted) = (step(&pair, &words), expected(&words));
            let shown = if words[0] == "type" { show(&bytes_of(words[1])) } else { line.into() };
            done += &format!("    {shown} => {got}\n");
            if got != wanted {
                println!("case {cases}, Linux has {wanted}:\n{done}");
                failed += 1;
                break;
            }
        }
    }
    assert!(failed == 0 && cases > 50, "{failed} of {cases} differ");
}
