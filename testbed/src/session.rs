//! A running command in dom0: its output as events, its input, and the judgement on how it ended.
//!
//! Threads read the ports; everything is decided in [`Session::next`], by one thread.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::log::LogWatch;
use crate::qemu::{Qemu, RunDir, Sockets};
use crate::{Forward, Outcome, host};

/// dom0 is up within 10 s; a busy machine may take several times that.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// How long the rest of the log or output may take to arrive.
const GRACE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(100);

/// Something that happened in a [`Session`].
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// dom0 is up and the command starts.
    Ready,
    /// The command wrote to its standard output.
    Stdout(Vec<u8>),
    /// The command wrote to its standard error.
    Stderr(Vec<u8>),
    /// Nothing happened in the given time.
    Idle,
    /// It is over; no other event follows.
    Ended(Outcome),
}

enum Message {
    Control(String),
    Out(Vec<u8>),
    Err(Vec<u8>),
    Closed,
}

/// When a run ends without the command's doing.
pub(crate) struct Limits {
    pub whole: Option<Duration>,
    pub silence: Duration,
}

/// A command running in dom0. Dropping it ends QEMU.
pub struct Session {
    qemu: Qemu,
    messages: Receiver<Message>,
    open_outputs: u32,
    control: UnixStream,
    input: UnixStream,
    monitor: UnixStream,
    log: LogWatch,
    log_path: PathBuf,
    job: String,
    forwards: Vec<Forward>,
    started: Instant,
    ready_at: Option<Instant>,
    heard_at: Instant,
    silence_limit: Duration,
    deadline: Option<Instant>,
    ending: Option<(Outcome, Instant)>,
    ended: Option<Outcome>,
    // Dropped last: the sockets and messages are in it.
    _dir: RunDir,
}

impl Session {
    pub(crate) fn new(
        qemu: Qemu,
        dir: RunDir,
        sockets: Sockets,
        log_path: PathBuf,
        job: String,
        forwards: Vec<Forward>,
        limits: Limits,
    ) -> Result<Session> {
        let (sender, messages) = sync_channel(256);
        let control = sockets.control.try_clone()?;
        let to_control = sender.clone();
        thread::spawn(move || read_lines(sockets.control, &to_control));
        let to_out = sender.clone();
        thread::spawn(move || read_bytes(sockets.out, &to_out, Message::Out));
        thread::spawn(move || read_bytes(sockets.err, &sender, Message::Err));
        let monitor = sockets.monitor.try_clone()?;
        thread::spawn(move || std::io::copy(&mut &sockets.monitor, &mut std::io::sink()));
        let now = Instant::now();
        Ok(Session {
            qemu,
            messages,
            open_outputs: 2,
            control,
            input: sockets.input,
            monitor,
            log: LogWatch::open(&log_path)?,
            log_path,
            job,
            forwards,
            started: now,
            ready_at: None,
            heard_at: now,
            silence_limit: limits.silence,
            deadline: limits.whole.map(|limit| now + limit),
            ending: None,
            ended: None,
            _dir: dir,
        })
    }

    /// The next event, or [`Event::Idle`] after `wait`. Fails only if QEMU itself does.
    pub fn next(&mut self, wait: Duration) -> Result<Event> {
        let until = Instant::now() + wait;
        loop {
            if let Some(outcome) = self.ended {
                return Ok(Event::Ended(outcome));
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left.min(TICK)) {
                Ok(message) => {
                    self.heard_at = Instant::now();
                    match message {
                        Message::Out(bytes) => return Ok(Event::Stdout(bytes)),
                        Message::Err(bytes) => return Ok(Event::Stderr(bytes)),
                        Message::Closed => self.open_outputs -= 1,
                        Message::Control(line) => {
                            if self.control_line(&line)? {
                                return Ok(Event::Ready);
                            }
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // All readers have gone: QEMU is ending.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(left.min(TICK)),
            }
            if let Some(outcome) = self.judge()? {
                self.qemu.kill();
                self.ended = Some(outcome);
            } else if Instant::now() >= until {
                return Ok(Event::Idle);
            }
        }
    }

    /// Waits until dom0 is up; false if the run ended first.
    pub fn wait_ready(&mut self) -> Result<bool> {
        loop {
            match self.next(Duration::from_secs(3600))? {
                Event::Ready => return Ok(true),
                Event::Ended(_) => return Ok(false),
                _ => {}
            }
        }
    }

    /// Writes to the command's standard input.
    pub fn send_input(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.input.write_all(bytes)
    }

    /// Ends the command's standard input.
    pub fn close_input(&mut self) {
        _ = self.input.shutdown(Shutdown::Both);
    }

    /// The forwards, with the ports that were chosen for those that asked for any.
    pub fn forwards(&self) -> &[Forward] {
        &self.forwards
    }

    /// Time from the start of QEMU until dom0 was ready for `xl create`.
    pub fn boot_time(&self) -> Option<Duration> {
        self.ready_at.map(|ready| ready - self.started)
    }

    /// The console log of Xen and dom0.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read(&self.log_path).unwrap_or_default();
        host::tail(&String::from_utf8_lossy(&log).replace('\r', ""), lines)
    }

    /// Takes a line of dom0's; true if dom0 has become ready.
    fn control_line(&mut self, line: &str) -> Result<bool> {
        if line == "ready" {
            self.ready_at = Some(Instant::now());
            let message = format!("job {}\n{}", self.job.len(), self.job);
            // A dom0 that dies here is found by its log or by silence.
            _ = self.control.write_all(message.as_bytes());
            return Ok(true);
        }
        if let Some(code) = line.strip_prefix("exit ") {
            let Ok(code) = code.parse() else { bail!("dom0 reports exit code `{code}`, which is none") };
            // QEMU flushes the disks; its end closes the ports, and so we know when the output is complete.
            _ = self.monitor.write_all(b"quit\n");
            self.ending = Some((Outcome::Exited(code), Instant::now()));
        }
        Ok(false)
    }

    fn judge(&mut self) -> Result<Option<Outcome>> {
        let now = Instant::now();
        if let Some((outcome, since)) = self.ending {
            let exited = matches!(outcome, Outcome::Exited(_));
            let is_complete = self.open_outputs == 0 && (!exited || self.qemu.ended().is_some());
            // QEMU may have to flush a large disk before it ends.
            let grace = if exited { 30 * GRACE } else { GRACE };
            return Ok((is_complete || now - since > grace).then_some(outcome));
        }
        if let Some(crash) = self.log.poll() {
            self.ending = Some((crash, now));
            return Ok(None);
        }
        if let Some(status) = self.qemu.ended() {
            if let Some(crash) = self.log.poll() {
                self.ending = Some((crash, now));
                return Ok(None);
            }
            if !status.success() {
                bail!("QEMU failed ({status}):\n{}", self.qemu.messages().trim_end());
            }
            // No message on the way out: a triple fault.
            self.ending = Some((Outcome::XenCrash, now));
            return Ok(None);
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Ok(Some(Outcome::TimedOut));
        }
        let is_hung = match self.ready_at {
            None => now - self.started > BOOT_LIMIT,
            Some(_) => now - self.heard_at > self.silence_limit,
        };
        Ok(is_hung.then_some(Outcome::Hang))
    }
}

fn read_lines(stream: UnixStream, to: &SyncSender<Message>) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if to.send(Message::Control(line)).is_err() {
            return;
        }
    }
}

fn read_bytes(mut stream: UnixStream, to: &SyncSender<Message>, wrap: fn(Vec<u8>) -> Message) {
    let mut buffer = vec![0; 65536];
    while let Ok(len) = stream.read(&mut buffer)
        && len > 0
    {
        if to.send(wrap(buffer[..len].to_vec())).is_err() {
            return;
        }
    }
    _ = to.send(Message::Closed);
}
