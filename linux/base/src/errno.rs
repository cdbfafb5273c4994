//! Errors as system calls return them (`errno(3)`; numbers of `asm-generic/errno.h`).

use core::fmt;

/// An error number, positive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(u16);

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! errnos {
    ($($name:ident $number:literal $text:literal,)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            /// Its name, as `ENOENT`.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($number => stringify!($name),)*
                    _ => "E?",
                }
            }

            fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown error",
                }
            }
        }
    };
}

errnos! {
    EPERM 1 "operation not permitted",
    ENOENT 2 "no such file or directory",
    ESRCH 3 "no such process",
    EINTR 4 "interrupted system call",
    EIO 5 "input/output error",
    ENXIO 6 "no such device or address",
    E2BIG 7 "argument list too long",
    ENOEXEC 8 "exec format error",
    EBADF 9 "bad file descriptor",
    ECHILD 10 "no child processes",
    EAGAIN 11 "resource temporarily unavailable",
    ENOMEM 12 "cannot allocate memory",
    EACCES 13 "permission denied",
    EFAULT 14 "bad address",
    ENOTBLK 15 "block device required",
    EBUSY 16 "device or resource busy",
    EEXIST 17 "file exists",
    EXDEV 18 "invalid cross-device link",
    ENODEV 19 "no such device",
    ENOTDIR 20 "not a directory",
    EISDIR 21 "is a directory",
    EINVAL 22 "invalid argument",
    ENFILE 23 "too many open files in system",
    EMFILE 24 "too many open files",
    ENOTTY 25 "inappropriate ioctl for device",
    ETXTBSY 26 "text file busy",
    EFBIG 27 "file too large",
    ENOSPC 28 "no space left on device",
    ESPIPE 29 "illegal seek",
    EROFS 30 "read-only file system",
    EMLINK 31 "too many links",
    EPIPE 32 "broken pipe",
    EDOM 33 "numerical argument out of domain",
    ERANGE 34 "numerical result out of range",
    EDEADLK 35 "resource deadlock avoided",
    ENAMETOOLONG 36 "file name too long",
    ENOLCK 37 "no locks available",
    ENOSYS 38 "function not implemented",
    ENOTEMPTY 39 "directory not empty",
    ELOOP 40 "too many levels of symbolic links",
    ENOMSG 42 "no message of desired type",
    EIDRM 43 "identifier removed",
    ENODATA 61 "no data available",
    ETIME 62 "timer expired",
    EPROTO 71 "protocol error",
    EBADMSG 74 "bad message",
    EOVERFLOW 75 "value too large for defined data type",
    EBADFD 77 "file descriptor in bad state",
    EILSEQ 84 "invalid or incomplete multibyte character",
    ERESTART 85 "interrupted system call should be restarted",
    EUSERS 87 "too many users",
    ENOTSOCK 88 "socket operation on non-socket",
    EDESTADDRREQ 89 "destination address required",
    EMSGSIZE 90 "message too long",
    EPROTOTYPE 91 "protocol wrong type for socket",
    ENOPROTOOPT 92 "protocol not available",
    EPROTONOSUPPORT 93 "protocol not supported",
    ESOCKTNOSUPPORT 94 "socket type not supported",
    EOPNOTSUPP 95 "operation not supported",
    EPFNOSUPPORT 96 "protocol family not supported",
    EAFNOSUPPORT 97 "address family not supported by protocol",
    EADDRINUSE 98 "address already in use",
    EADDRNOTAVAIL 99 "cannot assign requested address",
    ENETDOWN 100 "network is down",
    ENETUNREACH 101 "network is unreachable",
    ENETRESET 102 "network dropped connection on reset",
    ECONNABORTED 103 "software caused connection abort",
    ECONNRESET 104 "connection reset by peer",
    ENOBUFS 105 "no buffer space available",
    EISCONN 106 "transport endpoint is already connected",
    ENOTCONN 107 "transport endpoint is not connected",
    ESHUTDOWN 108 "cannot send after transport endpoint shutdown",
    ETOOMANYREFS 109 "too many references: cannot splice",
    ETIMEDOUT 110 "connection timed out",
    ECONNREFUSED 111 "connection refused",
    EHOSTDOWN 112 "host is down",
    EHOSTUNREACH 113 "no route to host",
    EALREADY 114 "operation already in progress",
    EINPROGRESS 115 "operation now in progress",
    ESTALE 116 "stale file handle",
    EDQUOT 122 "disk quota exceeded",
    ECANCELED 125 "operation canceled",
    EOWNERDEAD 130 "owner died",
    ENOTRECOVERABLE 131 "state not recoverable",
}

impl Errno {
    /// `EWOULDBLOCK` is the same number.
    pub const EWOULDBLOCK: Self = Self::EAGAIN;
    /// `ENOTSUP` is the same number.
    pub const ENOTSUP: Self = Self::EOPNOTSUPP;

    /// The number, positive.
    pub fn number(self) -> u16 {
        self.0
    }

    /// From a positive number that another part of the system names.
    pub fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// What RAX holds when a system call fails.
    pub fn as_return_value(self) -> i64 {
        -i64::from(self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.text())
    }
}

impl core::error::Error for Errno {}

impl From<alloc::collections::TryReserveError> for Errno {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self::ENOMEM
    }
}
