//! The testbed's test of itself, on real Xen: what its users rely on, from the exit code to the forwarded port.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::qemu::RunDir;
use crate::{Event, Forward, Outcome, Progress, Testbed, XenVersion};

/// Stands in for a guest: a network namespace with a port of the bridge, configured by DHCP and router advertisements.
/// It says "listening", waits for a line, and leaves traces in the share, on the disk and in its output.
const SCENE: &str = r#"
set -eu
xl list >/dev/null
ip netns add guest
ip link add vguest type veth peer name eth0 netns guest
ip link set vguest master xenbr0 up
in_guest() { ip netns exec guest "$@"; }
in_guest ip link set lo up
in_guest ip link set eth0 up
printf '%s\n' '#!/bin/sh' '[ "$1" != bound ] || echo "$ip/$mask $router $dns" >/tmp/lease' >/tmp/udhcpc
chmod +x /tmp/udhcpc
in_guest busybox udhcpc -q -n -i eth0 -s /tmp/udhcpc >/dev/null 2>&1
grep -q '^10\.0\.0\.1[0-9][0-9]/24 10\.0\.0\.1 10\.0\.0\.1$' /tmp/lease
in_guest ip addr add 10.0.0.2/24 dev eth0
for name in dom0.test test.example; do
    in_guest busybox nslookup -type=a $name 10.0.0.1 | grep -q 'Address: 10\.0\.0\.1$'
    in_guest busybox nslookup -type=aaaa $name 10.0.0.1 | grep -q 'Address: fd00:10::1$'
done
tries=0
until in_guest ip -6 addr show dev eth0 scope global | grep -q 'fd00:10:.*dynamic'; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ]; then echo 'no router advertisement' >&2; exit 1; fi
    sleep 0.1
done
in_guest socat TCP-LISTEN:80,fork,reuseaddr 'SYSTEM:read line; echo "guest got $line"' &
until in_guest ss -Htln | grep -q ':80 '; do sleep 0.1; done
dd if=/dev/vdb bs=512 count=1 status=none | head -c 5
printf written | dd of=/dev/vdb bs=512 seek=1 conv=notrunc status=none
read -r question </host/question
echo "answer to $question" >/host/answer
echo listening
read -r word
echo "told $word" >&2
exit 42
"#;

/// Runs every check on `version`; the first that fails is the error.
pub fn selftest(version: XenVersion, progress: Progress) -> Result<()> {
    type Check = fn(XenVersion, Progress) -> Result<()>;
    let checks: [(&str, Check); 6] = [
        ("a command sees share, disk and network, and its output and exit code come back", scene),
        ("a long run of output arrives whole", long_output),
        ("the time limit ends a run", time_limit),
        ("a panic of dom0 is told", dom0_panic),
        ("a reset of the machine is told", reset),
        ("a dom0 that falls silent is told", silence),
    ];
    for (name, check) in checks {
        let start = Instant::now();
        check(version, progress).with_context(|| format!("Xen {version}: {name}"))?;
        progress(&format!("Xen {version}: {name}: ok, {:.1} s", start.elapsed().as_secs_f32()));
    }
    Ok(())
}

fn scene(version: XenVersion, progress: Progress) -> Result<()> {
    let dir = RunDir::new()?;
    let (share, disk) = (dir.path.join("share"), dir.path.join("disk,1.img"));
    fs::create_dir(&share)?;
    fs::write(share.join("question"), "42?\n")?;
    let mut sectors = vec![0; 1 << 20];
    sectors[..5].copy_from_slice(b"disk\n");
    fs::write(&disk, sectors)?;

    let forward = Forward { host: 0, guest: Ipv4Addr::new(10, 0, 0, 2), port: 80 };
    let testbed = testbed(version).share(&share).disk(&disk).forward(forward);
    let mut session = testbed.start(&["sh", "-c", SCENE])?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outcome = loop {
        match session.next(Duration::from_secs(60))? {
            Event::Ready => progress(&format!(
                "Xen {version}: ready for `xl create` after {:.1} s",
                session.boot_time().unwrap_or_default().as_secs_f32()
            )),
            Event::Stdout(bytes) => {
                stdout.extend(bytes);
                if stdout.ends_with(b"listening\n") {
                    ensure_eq(
                        "the forwarded port's answer",
                        &*ask(session.forwards()[0].host)?,
                        "guest got hello\n",
                    )?;
                    session.send_input(b"go on\n")?;
                }
            }
            Event::Stderr(bytes) => stderr.extend(bytes),
            Event::Idle => {}
            Event::Ended(outcome) => break outcome,
        }
    };
    ensure_eq("stderr", &*String::from_utf8_lossy(&stderr), "told go on\n")?;
    ensure_eq("outcome", outcome, Outcome::Exited(42))?;
    ensure_eq("stdout", &*String::from_utf8_lossy(&stdout), "disk\nlistening\n")?;
    ensure_eq("/host/answer", &*fs::read_to_string(share.join("answer"))?, "answer to 42?\n")?;
    ensure_eq("sector 1 of the disk", &fs::read(&disk)?[512..520], b"written\0")?;
    Ok(())
}

/// Sends a line to a port of the loopback and returns what comes back.
fn ask(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"hello\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("no answer over the forwarded port")?;
    Ok(answer)
}

fn long_output(version: XenVersion, _: Progress) -> Result<()> {
    const LINES: usize = 200_000;
    let output = testbed(version).output(&["seq", &LINES.to_string()])?;
    ensure_eq("outcome", output.outcome, Outcome::Exited(0))?;
    let expected: String = (1..=LINES).map(|n| format!("{n}\n")).collect();
    ensure!(output.stdout == expected.as_bytes(), "{} of {} bytes came", output.stdout.len(), expected.len());
    Ok(())
}

fn time_limit(version: XenVersion, _: Progress) -> Result<()> {
    let output = testbed(version).timeout(Duration::from_secs(15)).output(&["sleep", "1000"])?;
    ensure_eq("outcome", output.outcome, Outcome::TimedOut)
}

fn dom0_panic(version: XenVersion, _: Progress) -> Result<()> {
    let output = testbed(version).output(&["sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000"])?;
    ensure_eq("outcome", output.outcome, Outcome::Dom0Crash)?;
    ensure!(
        output.log_tail.contains("sysrq triggered crash"),
        "the log does not say why: {}",
        output.log_tail
    );
    Ok(())
}

fn reset(version: XenVersion, _: Progress) -> Result<()> {
    let output = testbed(version).output(&["sh", "-c", "xl debug-keys R; sleep 1000"])?;
    ensure_eq("outcome", output.outcome, Outcome::XenCrash)
}

fn silence(version: XenVersion, _: Progress) -> Result<()> {
    // Nothing is left that could speak: init and its heart beat are stopped.
    let command = "for pid in $(pgrep -f testbed-init); do [ $pid = 1 ] || kill -STOP $pid; done; sleep 1000";
    let output = testbed(version).silence_limit(Duration::from_secs(15)).output(&["sh", "-c", command])?;
    ensure_eq("outcome", output.outcome, Outcome::Hang)
}

fn testbed(version: XenVersion) -> crate::Builder {
    Testbed::builder().xen(version).timeout(Duration::from_secs(180))
}

fn ensure_eq<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    what: &str,
    seen: T,
    expected: U,
) -> Result<()> {
    if seen != expected {
        bail!("{what} is {seen:?} and not {expected:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scene_is_a_valid_shell_script() {
        let path = std::env::temp_dir().join(format!("testbed-scene-{}", std::process::id()));
        fs::write(&path, SCENE).unwrap();
        let status = std::process::Command::new("sh").arg("-n").arg(&path).status().unwrap();
        fs::remove_file(path).unwrap();
        assert!(status.success());
    }
}
