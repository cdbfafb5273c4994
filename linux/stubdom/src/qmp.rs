//! A client of one of QEMU's monitors. It says hello and then hands over descriptors, one at a time: each is a command, sent
//! with the descriptor beside it, and an answer.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::json;

/// Longest line that is looked at. What QEMU answers here is a hundred bytes.
const LINE_MAX: usize = 16 << 10;
/// Commands that may wait.
const QUEUE_MAX: usize = 64;

/// What comes next on the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// QEMU's greeting.
    Greeting,
    /// The answer to our hello.
    Hello,
    /// Nothing but events.
    Idle,
    /// The answer to a command.
    Answer,
}

/// What is to be sent: a line, and with it the descriptor that the caller has named so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send<T> {
    /// The line.
    pub line: Vec<u8>,
    /// The descriptor.
    pub along: Option<T>,
}

/// What QEMU did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News<T> {
    /// It has taken the descriptor, into that set.
    Taken(T, Option<u64>),
    /// It has not.
    Refused(T, String),
}

/// The monitor is of no use any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// This is not what QEMU should say now.
    Unexpected(String),
    /// So many commands wait already.
    Busy(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(line) => write!(f, "QEMU's monitor says {line:?}"),
            Self::Busy(count) => write!(f, "QEMU's monitor has {count} descriptors to take"),
        }
    }
}

impl core::error::Error for Error {}

/// A client. `T` names a descriptor.
pub struct Client<T> {
    state: State,
    line: Vec<u8>,
    waiting: VecDeque<(T, String)>,
    sent: Option<T>,
}

impl<T> Default for Client<T> {
    fn default() -> Self {
        Self { state: State::Greeting, line: Vec::new(), waiting: VecDeque::new(), sent: None }
    }
}

impl<T: Clone> Client<T> {
    /// Wants QEMU to have a descriptor in the set of that number, or in one of its own choice. Whoever looks for the set finds
    /// it by its label.
    pub fn add_descriptor(&mut self, descriptor: T, set: Option<u32>, label: &str) -> Result<(), Error> {
        if self.waiting.len() >= QUEUE_MAX {
            return Err(Error::Busy(self.waiting.len()));
        }
        let set = set.map_or(String::new(), |set| format!("\"fdset-id\":{set},"));
        // A label is ours: letters, digits, a colon and a minus.
        let label: String =
            label.chars().filter(|c| c.is_ascii_alphanumeric() || ":-".contains(*c)).collect();
        let line = format!("{{\"execute\":\"add-fd\",\"arguments\":{{{set}\"opaque\":\"{label}\"}}}}\r\n");
        self.waiting.push_back((descriptor, line));
        Ok(())
    }

    /// What is to be sent now, if anything. Called again after each [`Client::received`].
    pub fn to_send(&mut self) -> Option<Send<T>> {
        if self.state != State::Idle {
            return None;
        }
        let (descriptor, line) = self.waiting.pop_front()?;
        self.state = State::Answer;
        self.sent = Some(descriptor.clone());
        Some(Send { line: line.into_bytes(), along: Some(descriptor) })
    }

    /// Whether there is something that [`Client::to_send`] would give.
    pub fn wants_to_send(&self) -> bool {
        self.state == State::Idle && !self.waiting.is_empty()
    }

    /// Takes what QEMU has sent: gives what is to be sent at once, and tells the news.
    pub fn received(
        &mut self,
        bytes: &[u8],
        mut tell: impl FnMut(News<T>),
    ) -> Result<Option<Send<T>>, Error> {
        let mut hello = None;
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() >= LINE_MAX || self.line.try_reserve(1).is_err() {
                    return Err(unexpected(&self.line));
                }
                self.line.push(*byte);
                continue;
            }
            let line = core::mem::take(&mut self.line);
            let line = line.trim_ascii();
            if line.is_empty() || json::member(line, "event").is_some() {
                continue;
            }
            if let Some(send) = self.line(line, &mut tell)? {
                hello = Some(send);
            }
        }
        Ok(hello)
    }

    fn line(&mut self, line: &[u8], tell: &mut impl FnMut(News<T>)) -> Result<Option<Send<T>>, Error> {
        let is_answer = json::member(line, "return");
        match (self.state, is_answer) {
            (State::Greeting, _) if json::member(line, "QMP").is_some() => {
                self.state = State::Hello;
                let line = b"{\"execute\":\"qmp_capabilities\"}\r\n".to_vec();
                return Ok(Some(Send { line, along: None }));
            }
            (State::Hello, Some(_)) => self.state = State::Idle,
            (State::Answer, answer) => {
                let Some(sent) = self.sent.take() else { return Err(unexpected(line)) };
                match (answer, json::member(line, "error")) {
                    (Some(answer), _) => {
                        tell(News::Taken(sent, json::member(answer, "fdset-id").and_then(json::number)));
                    }
                    (None, Some(error)) => {
                        let reason = json::member(error, "desc").unwrap_or(error);
                        tell(News::Refused(sent, text(reason)));
                    }
                    _ => return Err(unexpected(line)),
                }
                self.state = State::Idle;
            }
            _ => return Err(unexpected(line)),
        }
        Ok(None)
    }
}

/// The control message of `sendmsg` with the descriptors of these numbers (`SCM_RIGHTS`).
pub fn rights(descriptors: &[i32]) -> Vec<u8> {
    let len = 16 + 4 * descriptors.len();
    let mut bytes = (len as u64).to_le_bytes().to_vec();
    // SOL_SOCKET, SCM_RIGHTS.
    bytes.extend([1u32, 1].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(descriptors.iter().flat_map(|number| number.to_le_bytes()));
    bytes.resize(len.next_multiple_of(8), 0);
    bytes
}

/// The label by which libxl finds the descriptor of a disk of that number (Xen 4.20, to change a CD).
pub fn disk_label(device: u32) -> String {
    format!("stub-devid:{device}")
}

fn unexpected(line: &[u8]) -> Error {
    Error::Unexpected(text(line))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned()
}
