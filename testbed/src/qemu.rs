//! The QEMU process: its command line, its sockets, and that it never outlives us.
//!
//! We listen on a UNIX socket per virtio-serial port and QEMU connects to them, so nothing is lost before we read.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::accel::Accel;
use crate::{host, job};

/// The virtio-serial ports, in the order of their numbers, from 1; `dom0/init` knows them by number.
pub(crate) const PORTS: [&str; 4] = ["control", "out", "err", "in"];
const MONITOR: &str = "monitor";

/// A machine that boots Xen.
pub(crate) struct Machine<'a> {
    pub accel: Accel,
    pub cpus: u32,
    pub mem_mib: u32,
    pub xen: &'a Path,
    pub xen_args: String,
    /// The multiboot modules: file and command line.
    pub modules: Vec<(&'a Path, String)>,
    pub console: Console<'a>,
}

/// Where the machine's serial port goes.
pub(crate) enum Console<'a> {
    File(&'a Path),
    /// QEMU's standard output.
    Stdout,
}

impl Machine<'_> {
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args = Args::default();
        args.add(&["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"]);
        args.add(&self.accel.args());
        args.add(&["-smp", &self.cpus.to_string(), "-m", &self.mem_mib.to_string()]);
        args.option("-kernel", [self.xen.into()]);
        args.add(&["-append", &self.xen_args]);
        let mut modules = OsString::new();
        for (file, cmdline) in &self.modules {
            if !modules.is_empty() {
                modules.push(",");
            }
            modules.push(escape(file));
            if !cmdline.is_empty() {
                modules.push(" ");
                modules.push(cmdline.replace(',', ",,"));
            }
        }
        args.option("-initrd", [modules]);
        match self.console {
            Console::File(file) => args.option("-chardev", ["file,id=log,path=".into(), escape(file)]),
            Console::Stdout => args.add(&["-chardev", "stdio,id=log,signal=off"]),
        }
        args.add(&["-serial", "chardev:log"]);
        args.0
    }
}

/// A list of arguments.
#[derive(Default)]
pub(crate) struct Args(pub Vec<OsString>);

impl Args {
    pub(crate) fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    /// `name` and its value, which is put together from `parts`.
    pub(crate) fn option<const N: usize>(&mut self, name: &str, parts: [OsString; N]) {
        self.0.push(name.into());
        self.0.push(parts.into_iter().collect());
    }

    /// The root disk, whose changes are dropped, and the user's disks, which are written through.
    pub(crate) fn disks(&mut self, root: &Path, disks: &[PathBuf]) {
        let root = [(root, "on")];
        let all = root.into_iter().chain(disks.iter().map(|disk| (disk.as_path(), "off")));
        for (index, (file, snapshot)) in all.enumerate() {
            let options = format!(",format=raw,if=none,id=disk{index},snapshot={snapshot},cache=writeback");
            self.option("-drive", ["file=".into(), escape(file), options.into()]);
            self.add(&["-device", &format!("virtio-blk-pci,drive=disk{index}")]);
        }
    }

    pub(crate) fn share(&mut self, dir: &Path) {
        let tag = job::SHARE_TAG;
        let options = format!(",mount_tag={tag},security_model=none,multidevs=remap");
        self.option("-virtfs", ["local,path=".into(), escape(dir), options.into()]);
    }

    pub(crate) fn forwards(&mut self, forwards: &[crate::Forward]) {
        if forwards.is_empty() {
            return;
        }
        let mut net = String::from("user,id=net");
        for (dom0_port, forward) in (job::DOM0_PORT_BASE..).zip(forwards) {
            net += &format!(",hostfwd=tcp:127.0.0.1:{}-{}:{dom0_port}", forward.host, job::DOM0_USER_ADDRESS);
        }
        self.add(&["-netdev", &net, "-device", "virtio-net-pci,netdev=net,romfile="]);
    }

    pub(crate) fn ports(&mut self, dir: &RunDir, interactive: bool) {
        self.add(&["-device", "virtio-serial-pci"]);
        if interactive {
            self.add(&["-chardev", "stdio,id=tty,signal=off", "-device", "virtconsole,chardev=tty,nr=0"]);
        }
        for (number, name) in (1..).zip(PORTS) {
            self.socket(dir, name);
            self.add(&["-device", &format!("virtserialport,chardev={name},nr={number}")]);
        }
        self.socket(dir, MONITOR);
        self.add(&["-mon", &format!("chardev={MONITOR},mode=readline")]);
    }

    fn socket(&mut self, dir: &RunDir, name: &str) {
        let options = format!("socket,id={name},server=off,path=");
        self.option("-chardev", [options.into(), escape(&dir.path.join(name))]);
    }
}

/// QEMU reads a comma as the end of an option unless it is doubled.
fn escape(path: &Path) -> OsString {
    let text = path.as_os_str();
    match text.to_str() {
        Some(text) => text.replace(',', ",,").into(),
        None => text.to_owned(),
    }
}

/// A directory for the sockets and messages of one run, removed with the value.
pub(crate) struct RunDir {
    pub path: PathBuf,
}

impl RunDir {
    pub(crate) fn new() -> Result<RunDir> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base = std::env::temp_dir();
        remove_dead(&base);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("testbed-{}-{count}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(RunDir { path })
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what runs left behind that were killed.
fn remove_dead(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("testbed-")?.split_once('-'));
        if pid.is_some_and(|(pid, _)| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A running QEMU. It is killed when this value is dropped, and by the kernel when the thread that started it ends.
pub(crate) struct Qemu {
    child: Child,
    messages: PathBuf,
}

impl Qemu {
    /// Starts QEMU; `stdout` is where a `stdio` character device goes.
    pub(crate) fn start(args: Vec<OsString>, dir: &RunDir, stdin: Stdio, stdout: Stdio) -> Result<Qemu> {
        let qemu = host::find("qemu-system-x86_64").context("qemu-system-x86_64 is not installed")?;
        let messages = dir.path.join("qemu.messages");
        let mut command = host::command("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(qemu).args(args);
        command.stdin(stdin).stdout(stdout).stderr(File::create(&messages)?);
        let child = command.spawn().context("cannot start QEMU")?;
        Ok(Qemu { child, messages })
    }

    /// The status with which QEMU ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What QEMU has said on its standard error.
    pub(crate) fn messages(&self) -> String {
        fs::read_to_string(&self.messages).unwrap_or_default()
    }

    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The sockets that QEMU connects to.
pub(crate) struct Listeners(Vec<UnixListener>);

/// Our ends of the sockets.
pub(crate) struct Sockets {
    pub control: UnixStream,
    pub out: UnixStream,
    pub err: UnixStream,
    pub input: UnixStream,
    pub monitor: UnixStream,
}

impl Listeners {
    pub(crate) fn bind(dir: &RunDir) -> Result<Listeners> {
        let mut listeners = Vec::new();
        for name in PORTS.into_iter().chain([MONITOR]) {
            let path = dir.path.join(name);
            let listener = UnixListener::bind(&path)
                .with_context(|| format!("cannot create socket {}", path.display()))?;
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
        Ok(Listeners(listeners))
    }

    /// Waits until QEMU has connected everywhere; it does so before it starts the machine.
    pub(crate) fn accept(self, qemu: &mut Qemu) -> Result<Sockets> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut streams = Vec::new();
        for listener in self.0 {
            let stream = loop {
                match listener.accept() {
                    Ok((stream, _)) => break stream,
                    Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error.into()),
                    Err(_) => {}
                }
                if let Some(status) = qemu.ended() {
                    bail!("QEMU does not start ({status}):\n{}", qemu.messages().trim_end());
                }
                if Instant::now() > deadline {
                    bail!("QEMU does not connect to its sockets:\n{}", qemu.messages().trim_end());
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            stream.set_nonblocking(false)?;
            streams.push(stream);
        }
        let [control, out, err, input, monitor] =
            <[UnixStream; 5]>::try_from(streams).ok().context("one stream per listener")?;
        Ok(Sockets { control, out, err, input, monitor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_files_and_command_lines_do_not_end_an_option() {
        let machine = Machine {
            accel: Accel::Tcg,
            cpus: 2,
            mem_mib: 64,
            xen: Path::new("/xen"),
            xen_args: "a,b".into(),
            modules: vec![(Path::new("/k,1"), "x=1,2".into()), (Path::new("/i"), String::new())],
            console: Console::File(Path::new("/log")),
        };
        let args = machine.args();
        let after = |name: &str| args[args.iter().position(|arg| arg == name).unwrap() + 1].to_str().unwrap();
        assert_eq!(after("-initrd"), "/k,,1 x=1,,2,/i");
        assert_eq!(after("-append"), "a,b");
    }

    #[test]
    fn only_the_root_disk_is_a_snapshot() {
        let mut args = Args::default();
        args.disks(Path::new("/root.img"), &["/data.img".into()]);
        let text: Vec<&str> = args.0.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert!(text[1].starts_with("file=/root.img") && text[1].contains("snapshot=on"));
        assert!(text[5].starts_with("file=/data.img") && text[5].contains("snapshot=off"));
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let dir = RunDir::new().unwrap();
        let child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = child.id();
        drop(Qemu { child, messages: dir.path.join("none") });
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }
}
