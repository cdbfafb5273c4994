//! What Linux does with pipes, eventfds and epoll (`recorded.txt`, made by `record.py`), done here again.

use std::collections::BTreeMap;

use super::*;
use crate::eventfd::Takes;
use crate::{Control, Epoll, EpollEvent, EventFd, Pipe, PipeEnd};

/// What `poll` was asked for.
const ALL: u32 = 0x3c7 | PollEvents::ALWAYS.bits();

/// Files by the numbers of the recording.
struct Case {
    files: BTreeMap<u64, Arc<OpenFile>>,
    epolls: Vec<Arc<Epoll>>,
}

impl Case {
    fn new() -> Self {
        let mut files = BTreeMap::new();
        for number in 0..2 {
            let (reader, writer) = Pipe::pair((0, 0));
            files.insert(2 * number, open(reader, OpenFlags::empty()));
            files.insert(2 * number + 1, open(writer, OpenFlags::WRONLY));
        }
        for (number, takes) in [(100, Takes::Everything), (101, Takes::One)] {
            files.insert(number, open(EventFd::new(0, takes), OpenFlags::RDWR));
        }
        let epolls: Vec<_> = (0..2).map(|_| Epoll::new()).collect();
        for (number, epoll) in (200..).zip(&epolls) {
            files.insert(number, open(epoll.clone(), OpenFlags::RDWR));
        }
        Self { files, epolls }
    }

    /// Does a line of the recording and says what came of it.
    fn step(&mut self, words: &[&str]) -> String {
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let file = |at: usize| self.files[&number(at)].file();
        let say = |result: Result<u64>| match result {
            Ok(value) => value.to_string(),
            Err(errno) => errno.name().into(),
        };
        match words[0] {
            "write" if number(1) >= 100 => {
                say(write(&**file(1), &number(2).to_le_bytes()).map(|len| len as u64))
            }
            "write" => say(write(&**file(1), &vec![0; number(2) as usize]).map(|len| len as u64)),
            "read" if number(1) >= 100 => {
                say(read(&**file(1), 8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())))
            }
            "read" => say(read(&**file(1), number(2) as usize).map(|bytes| bytes.len() as u64)),
            "size" if number(1) >= 100 => "EBADF".into(),
            "size" => {
                let end = self.files[&number(1)].downcast::<PipeEnd>().unwrap();
                say(end.pipe().set_capacity(number(2) as usize, false).map(|size| size as u64))
            }
            "close" => say(self.files.remove(&number(1)).map(|_| 0).ok_or(linux_base::Errno::EBADF)),
            "add" | "mod" | "del" => {
                let events = u32::from_str_radix(words[3], 16).unwrap();
                let event = EpollEvent { events, data: number(2) };
                let control = match words[0] {
                    "add" => Control::Add(event),
                    "mod" => Control::Modify(event),
                    _ => Control::Delete,
                };
                let instance = &self.epolls[number(1) as usize];
                say(instance.control(number(2) as i32, &self.files[&number(2)], control).map(|()| 0))
            }
            "wait" => {
                let mut told = Vec::new();
                let collected = self.epolls[number(1) as usize].collect(number(2) as usize, &mut |event| {
                    told.push((event.data, event.events));
                    Ok(())
                });
                assert_eq!(collected, Ok(told.len()));
                if number(2) == 10 {
                    told.sort_unstable();
                }
                let told: Vec<_> = told.iter().map(|(file, events)| format!("{file}:{events:x}")).collect();
                if told.is_empty() { "-".into() } else { told.join(" ") }
            }
            "poll" => format!("{:x}", file(1).poll().bits() & ALL),
            other => panic!("what is {other}"),
        }
    }
}

#[test]
fn files_do_what_they_do_on_linux() {
    let path = std::env::var("EVENT_RECORDING");
    let recording =
        path.map_or(include_str!("recorded.txt").into(), |path| std::fs::read_to_string(path).unwrap());
    let (mut cases, mut failed) = (0, 0);
    for recorded in recording.split("case\n").skip(1) {
        let mut case = Case::new();
        cases += 1;
        let mut done = String::new();
        for line in recorded.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let given = if words[0] == "wait" { 3 } else { words.len() - 1 };
            let (got, wanted) = (case.step(&words), words[given..].join(" "));
            done += &format!("    {line} => {got}\n");
            if got != wanted {
                println!("case {cases}:\n{done}");
                failed += 1;
                break;
            }
        }
    }
    assert!(failed == 0 && cases > 10, "{failed} of {cases} differ");
}
