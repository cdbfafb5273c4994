//! What is on the other side of a tap.

use alloc::sync::Arc;

use linux_base::Result;

use crate::tap::Tap;

/// A frame that a device has received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// From the Ethernet header on.
    pub bytes: &'a [u8],
    /// Nobody has computed its TCP or UDP checksum.
    pub is_blank: bool,
    /// If it is a TCP segment longer than the MTU: bytes in each piece that it is to be divided into.
    pub segment_len: Option<u16>,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is on its way.
    Sent,
    /// It is lost: the device is away, or has no room, or does not take such frames.
    Lost,
}

/// A network device of the guest, which belongs to at most one tap. It gives what it receives to [`Tap::deliver`], as long as
/// [`Tap::has_room`], and calls [`Tap::room_to_send`] when there is room again. None of its functions waits.
pub trait Port: Send + Sync {
    /// The tap is there. `EBUSY` if there is one already.
    fn attach(&self, tap: &Arc<Tap>) -> Result<()>;

    /// The tap is gone.
    fn detach(&self);

    /// The hardware address; `None` until the device is connected.
    fn mac(&self) -> Option<[u8; 6]>;

    /// Whether a frame may be sent; also while the device is away, when frames are lost. If not, it is told when there is.
    fn has_room(&self) -> bool;

    /// Whether the device divides long TCP segments itself.
    fn divides(&self, is_ipv6: bool) -> bool;

    /// Sends a frame, whose TCP or UDP checksum it computes or leaves to who can; a long TCP segment with the length of its pieces.
    fn send(&self, frame: &[u8], segment_len: Option<u16>) -> Outcome;

    /// Lets the other side see what was sent.
    fn flush(&self);

    /// The program has read: there is room in the tap again, that there was not.
    fn has_read(&self);
}

/// The devices that taps can be joined to.
pub trait Ports: Send + Sync {
    /// The device of a tap by its name: `ENODEV` if there is none, `EPERM` if the caller may not, `EBUSY` if it is in other use.
    fn find(&self, name: &str) -> Result<Arc<dyn Port>>;
}

/// The number of the vif that a tap named as the toolstack names it, `vifDOMAIN.N-emu`, belongs to.
pub fn vif_of(name: &str) -> Option<u32> {
    let number = |digits: &str| -> Option<u32> {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    let (domain, vif) = name.strip_prefix("vif")?.strip_suffix("-emu")?.split_once('.')?;
    number(domain)?;
    number(vif)
}
