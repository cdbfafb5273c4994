//! Boots a guest ELF *as* dom0: no toolstack, no XenStore, no backends; a second from start to verdict.
//!
//! The guest writes with `console_io`; its lines are passed on, Xen's own go to the log.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::qemu::{Console, Machine, Qemu, RunDir};
use crate::{Accel, Progress, XenVersion, host, image};

/// What to boot.
#[derive(Clone, Debug)]
pub struct Options {
    /// Xen's version.
    pub version: XenVersion,
    /// The guest's command line.
    pub cmdline: String,
    /// The guest's memory in MiB.
    pub mem_mib: u32,
    /// When to give up.
    pub timeout: Duration,
    /// Where the whole console goes, if anywhere.
    pub log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        let (version, timeout) = (XenVersion::default(), Duration::from_secs(30));
        Options { version, cmdline: String::new(), mem_mib: 64, timeout, log: None }
    }
}

/// How the guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `SHUTDOWN_poweroff`.
    PoweredOff,
    /// `SHUTDOWN_reboot`.
    Rebooted,
    /// `SHUTDOWN_crash`, or an exception that the guest did not handle.
    Crashed,
    /// Xen panicked (a guest it cannot load included).
    XenCrash,
    /// No end in the given time.
    TimedOut,
}

impl End {
    /// 0, or a code of its own for each failure; those of [`Outcome`](crate::Outcome) where they mean the same.
    pub fn exit_code(self) -> u8 {
        match self {
            End::PoweredOff => 0,
            End::Rebooted => 119,
            End::Crashed => 120,
            End::XenCrash => 121,
            End::TimedOut => 123,
        }
    }
}

/// The result of a smoke test.
#[derive(Clone, Debug)]
pub struct Smoke {
    /// How the guest ended.
    pub end: End,
    /// The whole console: Xen's lines and the guest's.
    pub console: String,
}

/// Boots `elf` as dom0 and hands the guest's output to `output` as it comes.
pub fn smoke(
    elf: &Path,
    options: &Options,
    output: &mut dyn FnMut(&[u8]),
    progress: Progress,
) -> Result<Smoke> {
    if !elf.is_file() {
        bail!("no guest ELF {}", elf.display());
    }
    let xen = image::xen(options.version, progress)?;
    let dir = RunDir::new()?;
    let machine = Machine {
        accel: Accel::known(options.version)?,
        cpus: 1,
        mem_mib: options.mem_mib + 256,
        xen: &xen,
        xen_args: format!(
            "console=com1 com1=115200,8n1 spec-ctrl=no loglvl=info guest_loglvl=all dom0_max_vcpus=1 \
             dom0_mem={0}M,max:{0}M",
            options.mem_mib
        ),
        modules: vec![(elf, options.cmdline.clone())],
        console: Console::Stdout,
    };
    let mut qemu = Qemu::start(machine.args(), &dir, Stdio::null(), Stdio::piped())?;
    let mut stdout = qemu.child().stdout.take().context("QEMU's output is a pipe")?;
    let (sender, chunks) = channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 4096];
        while let Ok(len) = stdout.read(&mut buffer)
            && len > 0
        {
            if sender.send(buffer[..len].to_vec()).is_err() {
                return;
            }
        }
    });

    let deadline = Instant::now() + options.timeout;
    let mut console = Vec::new();
    let mut filter = Filter::default();
    let end = loop {
        match chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(chunk) => {
                console.extend_from_slice(&chunk);
                if let Some(end) = filter.push(&chunk, output) {
                    break end;
                }
            }
            Err(RecvTimeoutError::Timeout) => break End::TimedOut,
            Err(RecvTimeoutError::Disconnected) => {
                if !qemu.messages().is_empty() && console.is_empty() {
                    bail!("QEMU does not start:\n{}", qemu.messages().trim_end());
                }
                // Reset without a word: a triple fault.
                break End::XenCrash;
            }
        }
    };
    filter.flush(output);
    // Xen's registers follow its verdict on a crash.
    if matches!(end, End::Crashed | End::XenCrash) {
        let until = Instant::now() + Duration::from_millis(300);
        while let Ok(chunk) = chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
            console.extend_from_slice(&chunk);
        }
    }
    qemu.kill();
    if let Some(file) = &options.log {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::File::create(file)
            .and_then(|mut file| file.write_all(&console))
            .with_context(|| format!("cannot write log {}", file.display()))?;
    }
    Ok(Smoke { end, console: String::from_utf8_lossy(&console).replace('\r', "") })
}

impl Smoke {
    /// The last lines of the console.
    pub fn tail(&self, lines: usize) -> String {
        host::tail(&self.console, lines)
    }
}

/// Tells the guest's lines from Xen's, and finds the end in Xen's.
#[derive(Default)]
struct Filter {
    line: Vec<u8>,
    started: bool,
}

/// Xen's last words before it enters dom0; what precedes them (its banner above all) is not the guest's.
const DOM0_STARTS: &[u8] = b"(XEN) Freed ";

impl Filter {
    fn push(&mut self, bytes: &[u8], output: &mut dyn FnMut(&[u8])) -> Option<End> {
        for &byte in bytes {
            if byte == b'\r' {
                continue;
            }
            self.line.push(byte);
            if byte == b'\n' {
                let end = end_in(&self.line);
                self.flush(output);
                if end.is_some() {
                    return end;
                }
            }
        }
        None
    }

    fn flush(&mut self, output: &mut dyn FnMut(&[u8])) {
        let is_xen = self.line.starts_with(b"(XEN) ");
        if self.started && !is_xen && !self.line.is_empty() {
            output(&self.line);
        }
        self.started |= self.line.starts_with(DOM0_STARTS);
        self.line.clear();
    }
}

fn end_in(line: &[u8]) -> Option<End> {
    let text = String::from_utf8_lossy(line);
    let has = |part: &str| text.contains(part);
    if has("Panic on CPU") {
        Some(End::XenCrash)
    } else if has("Hardware Dom0 halted") {
        Some(End::PoweredOff)
    } else if has("Hardware Dom0 shutdown: rebooting") {
        Some(End::Rebooted)
    } else if has("Hardware Dom0 crashed") {
        Some(End::Crashed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_heard_and_xen_is_not_in_chunks_of_every_size() {
        let console = b" Xen 4.17\r\n(XEN) Freed 668kB init memory\r\nhello\r\n(XEN) d0v0 trap\r\nlast \
                        words\r\n(XEN) Hardware Dom0 halted: halting machine\r\n";
        for size in 1..console.len() {
            let (mut heard, mut end) = (Vec::new(), None);
            let mut filter = Filter::default();
            for chunk in console.chunks(size) {
                end = end.or(filter.push(chunk, &mut |bytes| heard.extend_from_slice(bytes)));
            }
            assert_eq!(heard, b"hello\nlast words\n");
            assert_eq!(end, Some(End::PoweredOff));
        }
    }

    #[test]
    fn each_end_has_an_exit_code_of_its_own() {
        let ends = [End::PoweredOff, End::Rebooted, End::Crashed, End::XenCrash, End::TimedOut];
        assert_eq!(ends.map(End::exit_code), [0, 119, 120, 121, 123]);
    }
}
