//! Readiness, as `poll(2)` names it.

bitflags::bitflags! {
    /// What can be done with a file now; the bits are those of `poll(2)` and, but for edge and exclusive, of `epoll_ctl(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PollEvents: u32 {
        /// There is something to read.
        const IN = 0x001;
        /// There is urgent data.
        const PRI = 0x002;
        /// There is room to write.
        const OUT = 0x004;
        /// An error is to be told. Reported whether asked for or not.
        const ERR = 0x008;
        /// The other end has hung up. Reported whether asked for or not.
        const HUP = 0x010;
        /// The descriptor is not open.
        const NVAL = 0x020;
        /// As [`PollEvents::IN`].
        const RDNORM = 0x040;
        /// Priority band data to read.
        const RDBAND = 0x080;
        /// As [`PollEvents::OUT`].
        const WRNORM = 0x100;
        /// Priority band data may be written.
        const WRBAND = 0x200;
        /// A message is there (unused).
        const MSG = 0x400;
        /// The other end has shut down its writing.
        const RDHUP = 0x2000;
    }
}

impl PollEvents {
    /// Readable, with both names for it.
    pub const READABLE: Self = Self::IN.union(Self::RDNORM);
    /// Writable, with both names for it.
    pub const WRITABLE: Self = Self::OUT.union(Self::WRNORM);
    /// What is reported whether asked for or not.
    pub const ALWAYS: Self = Self::ERR.union(Self::HUP).union(Self::NVAL);
}
