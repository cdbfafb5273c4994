//! The table of system calls: numbers, names, arguments and what the personality does about each.
//!
//! - [`system_calls!`] hands the rows to a macro of the caller: the kernel makes its dispatch of them;
//! - [`CALLS`] are the same rows as data, and [`document`] makes `docs/syscalls.md` of them;
//! - [`strace`] prints a call as strace does.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod document;
mod flags;
pub mod strace;
mod table;

pub use document::document;

/// What an argument is, for printing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A descriptor.
    Fd,
    /// A descriptor of a directory, or `AT_FDCWD`.
    DirFd,
    /// A signed 32-bit number.
    Int,
    /// An unsigned 32-bit number.
    Uint,
    /// A signed 64-bit number.
    Long,
    /// A length.
    Size,
    /// A number in hexadecimal.
    Hex,
    /// An address.
    Ptr,
    /// A path.
    Path,
    /// Another string that ends with a zero byte.
    Str,
    /// A vector of strings.
    Strings,
    /// Bytes to the kernel; the next argument is their count.
    In,
    /// Bytes from the kernel; the result is their count.
    Out,
    /// A string from the kernel; the result is its length.
    OutStr,
    /// `O_*`.
    Open,
    /// Permissions, octal.
    Mode,
    /// `SEEK_*`.
    Whence,
    /// `PROT_*`.
    Prot,
    /// `MAP_*`.
    Map,
    /// The number of a signal.
    Signal,
    /// `SIG_BLOCK` and so on.
    SigHow,
    /// A pointer to a set of signals.
    SigSet,
    /// A pointer to a `timespec`.
    Timespec,
    /// `CLOCK_*`.
    Clock,
    /// `CLONE_*`.
    Clone,
    /// `FUTEX_*`.
    Futex,
    /// `F_*`.
    Fcntl,
    /// `EPOLL_CTL_*`.
    EpollOp,
    /// `AF_*`.
    Family,
    /// `SOCK_*`.
    SockType,
    /// A pointer to a `sockaddr`; the next argument is its length.
    SockAddr,
}

/// What the personality does about a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// All that programs use.
    Done,
    /// Something is missing, which is said.
    Partial(&'static str),
    /// `ENOSYS`.
    Absent,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number on x86-64.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// Its arguments in order.
    pub arguments: &'static [(&'static str, Kind)],
    /// What is done about it.
    pub state: State,
}

macro_rules! state {
    (done) => {
        State::Done
    };
    (partial $missing:literal) => {
        State::Partial($missing)
    };
    (absent) => {
        State::Absent
    };
}

macro_rules! rows {
    ($($number:literal $name:ident $module:ident ($($argument:ident: $kind:ident),*) $state:ident $($missing:literal)?;)*) => {
        /// All calls, by rising number.
        pub const CALLS: &[Call] = &[$(Call {
            number: $number,
            name: stringify!($name),
            arguments: &[$((stringify!($argument), Kind::$kind)),*],
            state: state!($state $($missing)?),
        }),*];
    };
}

system_calls!(rows);

/// The row of a number.
pub fn find(number: u64) -> Option<&'static Call> {
    let index = CALLS.binary_search_by_key(&number, |call| u64::from(call.number)).ok()?;
    CALLS.get(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise() {
        assert!(CALLS.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert_eq!(find(231).map(|call| call.name), Some("exit_group"));
        assert!(find(400).is_none() && find(u64::MAX).is_none());
    }

    #[test]
    fn no_call_has_more_arguments_than_there_are_registers() {
        assert!(CALLS.iter().all(|call| call.arguments.len() <= 6));
    }
}
