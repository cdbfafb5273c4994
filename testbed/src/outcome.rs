//! How a run in the testbed ended, and the exit code that says so.

use std::fmt;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with this exit code (128 + n after signal n).
    Exited(u8),
    /// dom0's kernel panicked, or dom0 went down before the command ended.
    Dom0Crash,
    /// Xen panicked, or the machine reset without a word.
    XenCrash,
    /// dom0 did not come up, or has shown no sign of life for too long.
    Hang,
    /// The time limit of the run passed.
    TimedOut,
}

impl Outcome {
    /// Exit code of a failure of the testbed itself: QEMU does not start, set-up fails.
    pub const TESTBED_FAILED: u8 = 125;

    /// The exit code of `cargo xtask xen`: the command's own, or 120 to 123.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Exited(code) => code,
            Outcome::Dom0Crash => 120,
            Outcome::XenCrash => 121,
            Outcome::Hang => 122,
            Outcome::TimedOut => 123,
        }
    }

    /// Whether the command ended with exit code 0.
    pub fn success(self) -> bool {
        self == Outcome::Exited(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Exited(code) => write!(f, "exit code {code}"),
            Outcome::Dom0Crash => f.write_str("dom0 crashed"),
            Outcome::XenCrash => f.write_str("Xen crashed"),
            Outcome::Hang => f.write_str("dom0 hangs: no sign of life"),
            Outcome::TimedOut => f.write_str("timed out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_an_exit_code_of_its_own() {
        let all = [Outcome::Dom0Crash, Outcome::XenCrash, Outcome::Hang, Outcome::TimedOut];
        let codes: Vec<u8> = all.iter().map(|outcome| outcome.exit_code()).collect();
        assert_eq!(codes, [120, 121, 122, 123]);
        assert!(!codes.contains(&Outcome::TESTBED_FAILED));
    }

    #[test]
    fn the_exit_code_of_the_command_is_passed_through() {
        for code in 0..=255 {
            assert_eq!(Outcome::Exited(code).exit_code(), code);
        }
        assert!(Outcome::Exited(0).success());
        assert!(!Outcome::Exited(1).success() && !Outcome::TimedOut.success());
    }
}
