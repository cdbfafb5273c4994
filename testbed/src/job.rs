//! The shell script that dom0's init receives: the run's share and forwards are set up, then the command is executed.
//!
//! What this file writes is read by `dom0/init`; device names follow from `qemu.rs`.

use std::fmt::Write;

use crate::forward::Forward;

/// First TCP port in dom0 that QEMU's user networking forwards to.
pub(crate) const DOM0_PORT_BASE: u16 = 20000;
/// dom0's address in QEMU's user network.
pub(crate) const DOM0_USER_ADDRESS: &str = "10.0.2.15";
/// Mount tag of the shared directory.
pub(crate) const SHARE_TAG: &str = "host";

/// What to do in dom0.
#[derive(Default)]
pub(crate) struct Job<'a> {
    pub share: bool,
    pub forwards: &'a [Forward],
    pub input: bool,
    pub action: Action<'a>,
}

/// The command itself.
#[derive(Default)]
pub(crate) enum Action<'a> {
    /// A program and its arguments, executed as they are.
    Command(&'a [String]),
    /// A shell on the interactive console, of this many rows and columns.
    Shell { rows: u16, columns: u16 },
    /// Nothing: a boot alone.
    #[default]
    Nothing,
}

impl Job<'_> {
    pub(crate) fn script(&self) -> String {
        let mut script = String::from("fail() { echo \"testbed: $1\" >&2; exit 125; }\n");
        if self.share {
            script += "modprobe -a 9pnet_virtio 9p\n";
            let options = "trans=virtio,version=9p2000.L,msize=262144,cache=none,access=any";
            _ = writeln!(script, "mount -t 9p -o {options} {SHARE_TAG} /host || fail 'cannot mount /host'");
        }
        if !self.forwards.is_empty() {
            script += &forwarding(self.forwards);
        }
        if self.input {
            script += "exec <\"$INPUT\"\n";
        }
        match self.action {
            Action::Command(words) => {
                let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
                _ = writeln!(script, "exec {}", words.join(" "));
            }
            Action::Shell { rows, columns } => {
                // hvc0 is Xen's console, which goes to the log.
                let shell = format!("stty rows {rows} cols {columns}; exec bash");
                _ = writeln!(script, "exec setsid -c -w sh -c '{shell}' </dev/hvc1 >/dev/hvc1 2>&1");
            }
            Action::Nothing => {}
        }
        script
    }
}

/// Makes `eth0` and sends each forwarded port on; replies find their way back whatever the guest's gateway is.
fn forwarding(forwards: &[Forward]) -> String {
    let mut script = String::from("modprobe virtio_net\n");
    _ = writeln!(script, "ip addr add {DOM0_USER_ADDRESS}/24 dev eth0 || fail 'no eth0'");
    script += "ip link set eth0 up\n";
    script += "nft -f - <<'END' || fail 'cannot set up port forwarding'\n";
    script += "table ip testbed {\n";
    script += " chain to_guest { type nat hook prerouting priority dstnat;\n";
    for (dom0_port, forward) in (DOM0_PORT_BASE..).zip(forwards) {
        _ = writeln!(
            script,
            "  iifname eth0 tcp dport {dom0_port} dnat to {}:{}",
            forward.guest, forward.port
        );
    }
    script += " }\n chain back { type nat hook postrouting priority srcnat;\n";
    script += "  ct status dnat oifname xenbr0 masquerade\n }\n}\nEND\n";
    script
}

/// One word of a POSIX shell command that stands for exactly `word`.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_back_each_quoted_word_unchanged() {
        let words =
            ["", "plain", "a b", "it's", "$HOME", "`id`", "a\nb", "\\", "*", "~", "-n", "x=1", "#", "'\"'"];
        for word in words {
            let script = format!("printf %s {}", quote(word));
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(output.stdout, word.as_bytes(), "{word:?}");
        }
    }

    #[test]
    fn each_forward_gets_a_port_of_dom0_of_its_own() {
        let forwards = ["1:10.0.0.2:80".parse().unwrap(), "2:10.0.0.3:81".parse().unwrap()];
        let script = Job { forwards: &forwards, ..Job::default() }.script();
        assert!(script.contains("tcp dport 20000 dnat to 10.0.0.2:80\n"));
        assert!(script.contains("tcp dport 20001 dnat to 10.0.0.3:81\n"));
    }

    #[test]
    fn a_bare_job_mounts_and_forwards_nothing() {
        let words = ["xl".to_owned(), "info".to_owned()];
        let script = Job { action: Action::Command(&words), ..Job::default() }.script();
        assert!(script.ends_with("exec xl info\n"));
        assert!(!script.contains("9p") && !script.contains("nft"));
    }
}
