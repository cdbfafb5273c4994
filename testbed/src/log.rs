//! Follows the console log of Xen and dom0 and recognises the end of either.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::outcome::Outcome;

/// Reads what was added to the log since the last look.
pub(crate) struct LogWatch {
    file: File,
    line: Vec<u8>,
}

impl LogWatch {
    /// Opens the log, which must exist.
    pub(crate) fn open(path: &Path) -> std::io::Result<LogWatch> {
        Ok(LogWatch { file: File::open(path)?, line: Vec::new() })
    }

    /// The first crash that the new lines tell of.
    pub(crate) fn poll(&mut self) -> Option<Outcome> {
        let mut new = Vec::new();
        _ = self.file.read_to_end(&mut new);
        for byte in new {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let crash = crash_in(&String::from_utf8_lossy(&self.line));
            self.line.clear();
            if crash.is_some() {
                return crash;
            }
        }
        None
    }
}

/// What one line of the log says about the end of Xen or dom0.
pub(crate) fn crash_in(line: &str) -> Option<Outcome> {
    let has = |text: &str| line.contains(text);
    if has("Panic on CPU") {
        return Some(Outcome::XenCrash);
    }
    let dom0 = has("Kernel panic - not syncing")
        || has("Hardware Dom0 crashed")
        || has("Hardware Dom0 halted")
        || has("Hardware Dom0 shutdown")
        || has("Domain 0 (vcpu#") && has("crashed");
    dom0.then_some(Outcome::Dom0Crash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_crash_of_a_guest_is_not_one_of_dom0() {
        assert_eq!(crash_in("(XEN) Domain 10 (vcpu#0) crashed on cpu#1:"), None);
        assert_eq!(crash_in("(XEN) Domain 0 (vcpu#0) crashed on cpu#1:"), Some(Outcome::Dom0Crash));
    }

    #[test]
    fn panics_of_dom0_and_of_xen_are_told_apart() {
        let dom0 = "[   12.3] Kernel panic - not syncing: sysrq triggered crash";
        assert_eq!(crash_in(dom0), Some(Outcome::Dom0Crash));
        assert_eq!(
            crash_in("(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds."),
            Some(Outcome::Dom0Crash)
        );
        assert_eq!(crash_in("(XEN) Panic on CPU 0:"), Some(Outcome::XenCrash));
        assert_eq!(crash_in("(XEN) Std. Loglevel: Errors, warnings and info"), None);
    }

    #[test]
    fn a_line_that_arrives_in_pieces_is_seen_once_it_is_whole() {
        let path = std::env::temp_dir().join(format!("testbed-log-{}", std::process::id()));
        let mut log = File::create(&path).unwrap();
        let mut watch = LogWatch::open(&path).unwrap();
        log.write_all(b"(XEN) Panic o").unwrap();
        assert_eq!(watch.poll(), None);
        log.write_all(b"n CPU 0:\nmore\n").unwrap();
        assert_eq!(watch.poll(), Some(Outcome::XenCrash));
        assert_eq!(watch.poll(), None);
        std::fs::remove_file(path).unwrap();
    }
}
