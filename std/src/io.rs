//! `Read` and `Write`, and one error for whatever they read and write.

use core::fmt;

/// Why reading or writing failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The network.
    Net(net::Error),
    /// A file system.
    Fs(crate::fs::Error),
    /// A disk.
    Block(blkfront::Error),
    /// A channel to another domain.
    Vchan(crate::vchan::Error),
    /// It ended before what was asked for had come.
    UnexpectedEof,
    /// It took nothing more.
    WriteZero,
}

/// What the functions here return.
pub type Result<T> = core::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(error) => error.fmt(f),
            Self::Fs(error) => error.fmt(f),
            Self::Block(error) => error.fmt(f),
            Self::Vchan(error) => error.fmt(f),
            Self::UnexpectedEof => f.write_str("the end came too early"),
            Self::WriteZero => f.write_str("nothing more can be written"),
        }
    }
}

impl core::error::Error for Error {}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<crate::fs::Error> for Error {
    fn from(error: crate::fs::Error) -> Self {
        Self::Fs(error)
    }
}

impl From<blkfront::Error> for Error {
    fn from(error: blkfront::Error) -> Self {
        Self::Block(error)
    }
}

impl From<crate::vchan::Error> for Error {
    fn from(error: crate::vchan::Error) -> Self {
        Self::Vchan(error)
    }
}

/// Something bytes come out of.
pub trait Read {
    /// Reads some bytes, at most as many as fit; 0 is the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Fills the buffer.
    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => return Err(Error::UnexpectedEof),
                count => filled += count,
            }
        }
        Ok(())
    }
}

/// Something bytes go into.
pub trait Write {
    /// Writes some of the bytes; returns how many.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Writes all of them.
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.write(rest)? {
                0 => return Err(Error::WriteZero),
                count => rest = &rest[count..],
            }
        }
        Ok(())
    }
}
