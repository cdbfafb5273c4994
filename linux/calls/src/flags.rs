//! Names of flags and numbers, as strace prints them.

use alloc::format;
use alloc::string::String;

use crate::Kind;

type Names = &'static [(u64, &'static str)];

const OPEN: Names = &[
    (0o1, "O_WRONLY"),
    (0o2, "O_RDWR"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4010000, "O_SYNC"),
    (0o10000, "O_DSYNC"),
    (0o20000, "O_ASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100000, "O_LARGEFILE"),
    (0o20200000, "O_TMPFILE"),
    (0o200000, "O_DIRECTORY"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
];
const PROT: Names = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"), (0x0100_0000, "PROT_GROWSDOWN")];
const MAP: Names = &[
    (3, "MAP_SHARED_VALIDATE"),
    (1, "MAP_SHARED"),
    (2, "MAP_PRIVATE"),
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x40, "MAP_32BIT"),
    (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"),
    (0x1000, "MAP_EXECUTABLE"),
    (0x2000, "MAP_LOCKED"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x10000, "MAP_NONBLOCK"),
    (0x20000, "MAP_STACK"),
    (0x40000, "MAP_HUGETLB"),
    (0x10_0000, "MAP_FIXED_NOREPLACE"),
];
const CLONE: Names = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"),
    (0x4000, "CLONE_VFORK"),
    (0x8000, "CLONE_PARENT"),
    (0x1_0000, "CLONE_THREAD"),
    (0x4_0000, "CLONE_SYSVSEM"),
    (0x8_0000, "CLONE_SETTLS"),
    (0x10_0000, "CLONE_PARENT_SETTID"),
    (0x20_0000, "CLONE_CHILD_CLEARTID"),
    (0x100_0000, "CLONE_CHILD_SETTID"),
];
const SOCK_FLAGS: Names = &[(0o4000, "SOCK_NONBLOCK"), (0o2000000, "SOCK_CLOEXEC")];

const SIGNALS: [&str; 32] = [
    "0",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];
const CLOCKS: &[&str] = &[
    "CLOCK_REALTIME",
    "CLOCK_MONOTONIC",
    "CLOCK_PROCESS_CPUTIME_ID",
    "CLOCK_THREAD_CPUTIME_ID",
    "CLOCK_MONOTONIC_RAW",
    "CLOCK_REALTIME_COARSE",
    "CLOCK_MONOTONIC_COARSE",
    "CLOCK_BOOTTIME",
];
const WHENCE: &[&str] = &["SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"];
const SIG_HOW: &[&str] = &["SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK"];
const FUTEX: &[&str] = &[
    "FUTEX_WAIT",
    "FUTEX_WAKE",
    "FUTEX_FD",
    "FUTEX_REQUEUE",
    "FUTEX_CMP_REQUEUE",
    "FUTEX_WAKE_OP",
    "FUTEX_LOCK_PI",
    "FUTEX_UNLOCK_PI",
    "FUTEX_TRYLOCK_PI",
    "FUTEX_WAIT_BITSET",
    "FUTEX_WAKE_BITSET",
];
const FCNTL: &[&str] = &[
    "F_DUPFD", "F_GETFD", "F_SETFD", "F_GETFL", "F_SETFL", "F_GETLK", "F_SETLK", "F_SETLKW", "F_SETOWN",
    "F_GETOWN",
];
const EPOLL_OP: &[&str] = &["0", "EPOLL_CTL_ADD", "EPOLL_CTL_DEL", "EPOLL_CTL_MOD"];
const SOCK_TYPE: &[&str] = &["0", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"];

/// The name of a signal.
pub fn signal(number: u64) -> String {
    match SIGNALS.get(usize::try_from(number).unwrap_or(usize::MAX)) {
        Some(name) => (*name).into(),
        None if (32..=64).contains(&number) => format!("SIGRT_{}", number - 32),
        None => format!("{}", number as i32),
    }
}

/// An argument that is a set of flags or a number with a name; `None` for other kinds.
pub fn name(kind: Kind, value: u64) -> Option<String> {
    Some(match kind {
        Kind::Open => match value & 3 {
            0 => join("O_RDONLY", OPEN, value & 0xffff_ffff),
            _ => join("", OPEN, value & 0xffff_ffff),
        },
        Kind::Prot => join("", PROT, value).replace_empty("PROT_NONE"),
        Kind::Map => join("", MAP, value).replace_empty("0"),
        Kind::Clone => join("", CLONE, value & !0xff).and_signal(value & 0xff),
        Kind::SockType => join(list(SOCK_TYPE, value & 0xf).as_str(), SOCK_FLAGS, value & !0xf & 0xffff_ffff),
        Kind::Signal => signal(value),
        Kind::Clock => list(CLOCKS, value),
        Kind::Whence => list(WHENCE, value),
        Kind::SigHow => list(SIG_HOW, value),
        Kind::Fcntl => match value & 0xffff_ffff {
            1030 => "F_DUPFD_CLOEXEC".into(),
            1031 => "F_SETPIPE_SZ".into(),
            1032 => "F_GETPIPE_SZ".into(),
            36 => "F_OFD_GETLK".into(),
            37 => "F_OFD_SETLK".into(),
            38 => "F_OFD_SETLKW".into(),
            _ => list(FCNTL, value),
        },
        Kind::EpollOp => list(EPOLL_OP, value),
        Kind::Futex => {
            let mut text = list(FUTEX, value & 0x7f);
            if value & 0x80 != 0 {
                text += "_PRIVATE";
            }
            if value & 0x100 != 0 {
                text += "|FUTEX_CLOCK_REALTIME";
            }
            text
        }
        Kind::Family => match value & 0xffff_ffff {
            1 => "AF_UNIX".into(),
            2 => "AF_INET".into(),
            10 => "AF_INET6".into(),
            16 => "AF_NETLINK".into(),
            17 => "AF_PACKET".into(),
            other => format!("{other}"),
        },
        _ => return None,
    })
}

trait Text {
    fn replace_empty(self, other: &str) -> String;
    fn and_signal(self, signal: u64) -> String;
}

impl Text for String {
    fn replace_empty(self, other: &str) -> String {
        if self.is_empty() { other.into() } else { self }
    }

    fn and_signal(mut self, number: u64) -> String {
        if number != 0 || self.is_empty() {
            if !self.is_empty() {
                self.push('|');
            }
            self += &signal(number);
        }
        self
    }
}

fn list(names: &[&str], value: u64) -> String {
    let index = usize::try_from(value & 0xffff_ffff).unwrap_or(usize::MAX);
    names.get(index).map_or_else(|| format!("{}", value as i32), |name| (*name).into())
}

fn join(first: &str, names: Names, value: u64) -> String {
    let mut text = String::from(first);
    let mut rest = value;
    for (bits, name) in names {
        if rest & bits == *bits {
            if !text.is_empty() {
                text.push('|');
            }
            text += name;
            rest &= !bits;
        }
    }
    if rest != 0 {
        if !text.is_empty() {
            text.push('|');
        }
        text += &format!("{rest:#x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_and_the_rest_is_shown() {
        assert_eq!(name(Kind::Open, 0).unwrap(), "O_RDONLY");
        assert_eq!(name(Kind::Open, 0o102).unwrap(), "O_RDWR|O_CREAT");
        assert_eq!(name(Kind::Map, 0x22).unwrap(), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(name(Kind::Clone, 17).unwrap(), "SIGCHLD");
        assert_eq!(name(Kind::SockType, 0o2000001).unwrap(), "SOCK_STREAM|SOCK_CLOEXEC");
        assert_eq!(name(Kind::Prot, 0).unwrap(), "PROT_NONE");
        assert_eq!(name(Kind::Signal, u64::MAX).unwrap(), "-1");
        assert_eq!(name(Kind::Size, 1), None);
    }
}
