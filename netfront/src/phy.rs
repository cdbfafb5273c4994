//! [`NetFront`] as a device of smoltcp.

use core::num::NonZeroUsize;

use smoltcp::phy::{self, Checksum, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;
use xen::Platform;
use xen::xenbus::Device;

use crate::rx::RxQueue;
use crate::stats::TxStats;
use crate::tx::Sender;
use crate::{ETHERNET_HEADER, NetFront};

/// A received frame, in private memory.
pub struct RxFrame<'a, P: Platform> {
    rx: &'a RxQueue<P>,
    len: usize,
}

/// Room for a frame to send.
pub struct TxFrame<'a, P: Platform> {
    tx: &'a mut Sender<P>,
    stats: &'a mut TxStats,
    meta: PacketMeta,
}

impl<P: Platform> RxFrame<'_, P> {
    /// If this is a TCP segment longer than the MTU: bytes in each piece that it was to be divided into. Who sends it on says so
    /// by the packet's `segmentation_offload_size`.
    pub fn segment_len(&self) -> Option<u16> {
        self.rx.segment_len()
    }

    /// Whether its checksum is blank: it comes from this machine, and who sends it on to where checksums are looked at completes it
    /// ([`crate::offload`]).
    pub fn is_blank(&self) -> bool {
        self.rx.is_blank()
    }
}

impl<P: Platform> phy::RxToken for RxFrame<'_, P> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.rx.frame(self.len))
    }
}

impl<P: Platform> phy::TxToken for TxFrame<'_, P> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let segment_len = self.meta.segmentation_offload_size.map(|size| size.get());
        self.tx.send(len, segment_len, write, self.stats)
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.meta = meta;
    }
}

impl<P: Platform, D: Device> phy::Device for NetFront<P, D> {
    type RxToken<'a>
        = RxFrame<'a, P>
    where
        Self: 'a;
    type TxToken<'a>
        = TxFrame<'a, P>
    where
        Self: 'a;

    /// A received frame, if there is also room for an answer to it.
    fn receive(&mut self, _: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if !self.can_answer() {
            return None;
        }
        let (queue, len) = self.rx_ready()?;
        let (queues, stats) = self.queues()?;
        let tx = TxFrame { tx: &mut queues.tx, stats: &mut stats.tx, meta: PacketMeta::default() };
        Some((RxFrame { rx: queues.rx.get(queue)?, len }, tx))
    }

    fn transmit(&mut self, _: Instant) -> Option<Self::TxToken<'_>> {
        if !self.tx_ready() {
            return None;
        }
        let (queues, stats) = self.queues()?;
        Some(TxFrame { tx: &mut queues.tx, stats: &mut stats.tx, meta: PacketMeta::default() })
    }

    /// TCP and UDP checksums are this driver's affair in either direction, whatever the back end can do.
    fn capabilities(&self) -> DeviceCapabilities {
        let info = self.info();
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = info.mtu + ETHERNET_HEADER;
        capabilities.checksum.tcp = Checksum::None;
        capabilities.checksum.udp = Checksum::None;
        let longest = NonZeroUsize::new(info.max_frame);
        capabilities.segmentation.tcpv4 = longest.filter(|_| info.segmentation.ipv4);
        capabilities.segmentation.tcpv6 = longest.filter(|_| info.segmentation.ipv6);
        capabilities
    }
}
