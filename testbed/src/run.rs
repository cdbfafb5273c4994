//! Configures and runs one command in dom0.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::job::{Action, Job};
use crate::qemu::{Args, Console, Listeners, Machine, Qemu, RunDir};
use crate::session::{Event, Limits, Session};
use crate::{Accel, Forward, Outcome, XenVersion, image};

/// The way in: [`Testbed::builder`].
pub struct Testbed;

impl Testbed {
    /// A testbed of Xen 4.17, two CPUs and 2 GiB, to be configured further.
    pub fn builder() -> Builder {
        Builder {
            version: XenVersion::default(),
            cpus: 2,
            mem_mib: 2048,
            share: None,
            disks: Vec::new(),
            forwards: Vec::new(),
            timeout: None,
            silence_limit: Duration::from_secs(90),
            log: None,
            accel: None,
            progress: Box::new(|line| eprintln!("testbed: {line}")),
        }
    }
}

/// What to boot, and what the command in dom0 gets to see.
pub struct Builder {
    version: XenVersion,
    cpus: u32,
    mem_mib: u32,
    share: Option<PathBuf>,
    disks: Vec<PathBuf>,
    forwards: Vec<Forward>,
    timeout: Option<Duration>,
    silence_limit: Duration,
    log: Option<PathBuf>,
    accel: Option<Accel>,
    progress: Box<dyn Fn(&str)>,
}

/// A run whose output was captured.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub outcome: Outcome,
    /// What the command wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What the command wrote to its standard error.
    pub stderr: Vec<u8>,
    /// The end of the console log of Xen and dom0.
    pub log_tail: String,
}

impl Builder {
    /// The Xen version, with its dom0.
    pub fn xen(mut self, version: XenVersion) -> Builder {
        self.version = version;
        self
    }

    /// CPUs of the machine; dom0 has one vCPU, whatever this is.
    pub fn cpus(mut self, cpus: u32) -> Builder {
        self.cpus = cpus;
        self
    }

    /// Memory of the machine in MiB; dom0 gets half, at most 1024.
    pub fn mem_mib(mut self, mem_mib: u32) -> Builder {
        self.mem_mib = mem_mib;
        self
    }

    /// A directory of the host that is `/host` in dom0, readable and writable.
    pub fn share(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.share = Some(dir.into());
        self
    }

    /// A raw disk image; the first becomes `/dev/vdb`, the next `/dev/vdc`. Writes go to the file.
    pub fn disk(mut self, file: impl Into<PathBuf>) -> Builder {
        self.disks.push(file.into());
        self
    }

    /// A port of the host's loopback that reaches a guest.
    pub fn forward(mut self, forward: Forward) -> Builder {
        self.forwards.push(forward);
        self
    }

    /// The limit for the whole run, boot included. Without it a run may take for ever (but a hang ends it).
    pub fn timeout(mut self, limit: Duration) -> Builder {
        self.timeout = Some(limit);
        self
    }

    /// How long dom0, which says something every 10 s, may be silent before the run counts as a hang; 90 s at first.
    pub fn silence_limit(mut self, limit: Duration) -> Builder {
        self.silence_limit = limit;
        self
    }

    /// Where the console of Xen and dom0 is logged; else in a temporary place that ends with the run.
    pub fn log(mut self, file: impl Into<PathBuf>) -> Builder {
        self.log = Some(file.into());
        self
    }

    /// Overrides the choice that a probe boot makes.
    pub fn accel(mut self, accel: Accel) -> Builder {
        self.accel = Some(accel);
        self
    }

    /// Where lines about slow work go; to standard error if this is not called.
    pub fn progress(mut self, progress: impl Fn(&str) + 'static) -> Builder {
        self.progress = Box::new(progress);
        self
    }

    /// Runs a command and passes its output through; where Xen or dom0 fails, the end of the log goes to standard error.
    pub fn run<S: AsRef<str>>(self, command: &[S]) -> Result<Outcome> {
        let mut session = self.start(command)?;
        session.close_input();
        loop {
            // A reader that went away is the reader's business: the command still runs to its end.
            match session.next(Duration::from_secs(3600))? {
                Event::Stdout(bytes) => _ = write_now(std::io::stdout(), &bytes),
                Event::Stderr(bytes) => _ = write_now(std::io::stderr(), &bytes),
                Event::Ready | Event::Idle => {}
                Event::Ended(outcome) => return Ok(report(&session, outcome)),
            }
        }
    }

    /// Runs a command and captures its output.
    pub fn output<S: AsRef<str>>(self, command: &[S]) -> Result<Output> {
        let mut session = self.start(command)?;
        session.close_input();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match session.next(Duration::from_secs(3600))? {
                Event::Stdout(bytes) => stdout.extend(bytes),
                Event::Stderr(bytes) => stderr.extend(bytes),
                Event::Ready | Event::Idle => {}
                Event::Ended(outcome) => {
                    return Ok(Output { outcome, stdout, stderr, log_tail: session.log_tail(LOG_LINES) });
                }
            }
        }
    }

    /// Starts a command; its events are up to the caller, who may also send it input.
    ///
    /// QEMU ends with the thread that calls this (so that it never outlives its program): keep that thread alive.
    pub fn start<S: AsRef<str>>(self, command: &[S]) -> Result<Session> {
        let words: Vec<String> = command.iter().map(|word| word.as_ref().to_owned()).collect();
        if words.is_empty() {
            bail!("the command to run in dom0 is empty");
        }
        self.launch(Action::Command(&words))
    }

    /// A shell in dom0 on this terminal.
    pub fn shell(self) -> Result<Outcome> {
        let terminal = std::io::stdin().is_terminal().then(saved_terminal).flatten();
        let (rows, columns) = terminal_size();
        let mut session = self.launch(Action::Shell { rows, columns })?;
        let ended = loop {
            match session.next(Duration::from_secs(3600)) {
                Ok(Event::Ended(outcome)) => break Ok(outcome),
                Ok(Event::Stderr(bytes)) => _ = write_now(std::io::stderr(), &bytes),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        if let Some(settings) = terminal {
            _ = stty(&[&settings]);
        }
        Ok(report(&session, ended?))
    }

    fn launch(self, action: Action) -> Result<Session> {
        let progress = &*self.progress;
        let dom0 = image::dom0(self.version, progress)?;
        let accel = match self.accel {
            Some(accel) => accel,
            None => Accel::choose(self.version, progress)?,
        };
        let dir = RunDir::new()?;
        let log = self.log.unwrap_or_else(|| dir.path.join("xen.log"));
        if let Some(parent) = log.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        fs::write(&log, "").with_context(|| format!("cannot write log {}", log.display()))?;
        let share = self.share.map(|dir| directory(&dir)).transpose()?;
        for disk in &self.disks {
            let meta = fs::metadata(disk).with_context(|| format!("no disk {}", disk.display()))?;
            if meta.len() == 0 && meta.is_file() {
                bail!("disk {} is empty", disk.display());
            }
        }
        let forwards: Vec<Forward> = self
            .forwards
            .iter()
            .map(|forward| forward.resolved())
            .collect::<std::io::Result<_>>()
            .context("no free port on the loopback")?;

        for forward in &forwards {
            progress(&format!("127.0.0.1:{} reaches {}:{}", forward.host, forward.guest, forward.port));
        }

        let interactive = matches!(action, Action::Shell { .. });
        let dom0_mem = (self.mem_mib / 2).min(1024);
        let machine = Machine {
            accel,
            cpus: self.cpus,
            mem_mib: self.mem_mib,
            xen: &dom0.xen,
            xen_args: format!("{XEN_ARGS} dom0_mem={dom0_mem}M,max:{dom0_mem}M"),
            modules: vec![(&dom0.kernel, DOM0_ARGS.into()), (&dom0.initramfs, String::new())],
            console: Console::File(&log),
        };
        let mut args = Args(machine.args());
        args.disks(&dom0.root, &self.disks);
        if let Some(share) = &share {
            args.share(share);
        }
        args.forwards(&forwards);
        args.ports(&dir, interactive);

        let job = Job { share: share.is_some(), forwards: &forwards, input: !interactive, action }.script();
        let listeners = Listeners::bind(&dir)?;
        let (stdin, stdout) =
            if interactive { (Stdio::inherit(), Stdio::inherit()) } else { (Stdio::null(), Stdio::null()) };
        let mut qemu = Qemu::start(args.0, &dir, stdin, stdout)?;
        let sockets = listeners.accept(&mut qemu)?;
        let limits = Limits { whole: self.timeout, silence: self.silence_limit };
        Session::new(qemu, dir, sockets, log, job, forwards, limits)
    }
}

/// Lines of the log that are shown after a failure: a whole panic with its call trace.
const LOG_LINES: usize = 80;
/// No mitigations: they guard nothing here and cost much under translation. But where QEMU translates, Xen's lazy switching of the FPU
/// mixes up the vector registers of domains as soon as an HVM guest runs, in dom0 too; eager switching does not.
const XEN_ARGS: &str =
    "console=com1 com1=115200,8n1 dom0_max_vcpus=1 spec-ctrl=no,eager-fpu loglvl=info guest_loglvl=all";
const DOM0_ARGS: &str = "console=hvc0 nokaslr quiet mitigations=off";

fn directory(dir: &std::path::Path) -> Result<PathBuf> {
    let dir = dir.canonicalize().with_context(|| format!("no directory {} to share", dir.display()))?;
    if !dir.is_dir() {
        bail!("{} is not a directory, so it cannot be shared", dir.display());
    }
    Ok(dir)
}

fn write_now(mut to: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn report(session: &Session, outcome: Outcome) -> Outcome {
    if !matches!(outcome, Outcome::Exited(_)) {
        eprintln!("---- end of the Xen log ({}) ----", session.log_path().display());
        eprintln!("{}", session.log_tail(LOG_LINES));
        eprintln!("---- testbed: {outcome} (exit code {})", outcome.exit_code());
    }
    outcome
}

fn stty(args: &[&str]) -> Option<String> {
    let output =
        Command::new("stty").args(args).stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn saved_terminal() -> Option<String> {
    stty(&["-g"])
}

fn terminal_size() -> (u16, u16) {
    let size = stty(&["size"]).unwrap_or_default();
    let mut numbers = size.split_whitespace().map_while(|word| word.parse::<u16>().ok()).filter(|n| *n > 0);
    (numbers.next().unwrap_or(24), numbers.next().unwrap_or(80))
}
