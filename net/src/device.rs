//! The devices as smoltcp sees them: an interface's own device, the frame in hand, and the way out.

use core::cell::Cell;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::loopback::{self, Loopback};

/// What an interface sends and receives through.
pub(crate) enum Port<D> {
    Loopback(Loopback),
    Device(D),
    /// The device was taken out and may be put back.
    Absent,
}

pub(crate) enum PortRx<'a, D: Device + 'a> {
    Loopback(loopback::Received<'a>),
    Device(D::RxToken<'a>),
}

/// Room for a frame, which notes when it is used.
pub(crate) struct PortTx<'a, D: Device + 'a> {
    room: Room<'a, D>,
    used: Option<&'a Cell<bool>>,
}

enum Room<'a, D: Device + 'a> {
    Loopback(loopback::Sender<'a>),
    Device(D::TxToken<'a>),
}

impl<D: Device> Port<D> {
    pub(crate) fn receive(&mut self, now: Instant) -> Option<(PortRx<'_, D>, PortTx<'_, D>)> {
        match self {
            Port::Loopback(device) => {
                let (rx, tx) = device.receive()?;
                Some((PortRx::Loopback(rx), PortTx { room: Room::Loopback(tx), used: None }))
            }
            Port::Device(device) => {
                let (rx, tx) = device.receive(now)?;
                Some((PortRx::Device(rx), PortTx { room: Room::Device(tx), used: None }))
            }
            Port::Absent => None,
        }
    }

    pub(crate) fn transmit<'a>(
        &'a mut self,
        now: Instant,
        used: Option<&'a Cell<bool>>,
    ) -> Option<PortTx<'a, D>> {
        let room = match self {
            Port::Loopback(device) => device.transmit().map(Room::Loopback),
            Port::Device(device) => device.transmit(now).map(Room::Device),
            Port::Absent => None,
        };
        room.map(|room| PortTx { room, used })
    }
}

/// The loopback interface's capabilities: whole IP packets, which nothing corrupts.
pub(crate) fn loopback_capabilities() -> DeviceCapabilities {
    let mut caps = DeviceCapabilities::default();
    caps.medium = Medium::Ip;
    caps.max_transmission_unit = loopback::MTU;
    caps.checksum = smoltcp::phy::ChecksumCapabilities::ignored();
    caps
}

impl<'a, D: Device> PortRx<'a, D> {
    pub(crate) fn meta(&self) -> PacketMeta {
        match self {
            PortRx::Loopback(_) => PacketMeta::default(),
            PortRx::Device(token) => token.meta(),
        }
    }

    pub(crate) fn consume<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            PortRx::Loopback(token) => token.consume(f),
            PortRx::Device(token) => token.consume(f),
        }
    }
}

impl<'a, D: Device> TxToken for PortTx<'a, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        if let Some(used) = self.used {
            used.set(true);
        }
        match self.room {
            Room::Loopback(token) => token.consume(len, f),
            Room::Device(token) => token.consume(len, f),
        }
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        if let Room::Device(token) = &mut self.room {
            token.set_meta(meta);
        }
    }
}

/// A device that holds one received frame, and the room to answer it.
pub(crate) struct OneFrame<'f, T> {
    pub(crate) frame: Option<(&'f [u8], T)>,
    pub(crate) meta: PacketMeta,
    pub(crate) caps: &'f DeviceCapabilities,
}

pub(crate) struct FrameToken<'f>(&'f [u8], PacketMeta);

impl RxToken for FrameToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }

    fn meta(&self) -> PacketMeta {
        self.1
    }
}

impl<'f, T: TxToken> Device for OneFrame<'f, T> {
    type RxToken<'a>
        = FrameToken<'f>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'f>, T)> {
        self.frame.take().map(|(frame, tx)| (FrameToken(frame, self.meta), tx))
    }

    fn transmit(&mut self, _now: Instant) -> Option<T> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.caps.clone()
    }
}

/// The way out, which notes what became of each attempt to send.
pub(crate) struct Outlet<'p, D> {
    pub(crate) port: &'p mut Port<D>,
    pub(crate) caps: &'p DeviceCapabilities,
    /// A frame was begun. If smoltcp sent nothing all the same, the neighbour's hardware address is not known yet.
    pub(crate) begun: bool,
    /// A frame was sent, if only to ask for that address.
    pub(crate) used: Cell<bool>,
    /// The device has no room.
    pub(crate) full: bool,
}

impl<D: Device> Device for Outlet<'_, D> {
    type RxToken<'a>
        = FrameToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = PortTx<'a, D>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, PortTx<'_, D>)> {
        None
    }

    fn transmit(&mut self, now: Instant) -> Option<PortTx<'_, D>> {
        let token = self.port.transmit(now, Some(&self.used));
        self.begun |= token.is_some();
        self.full |= token.is_none();
        token
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.caps.clone()
    }
}
