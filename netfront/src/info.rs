//! What XenStore says about a network device before it is connected.

use alloc::format;
use alloc::string::String;
use core::fmt;

use xen::PAGE_SIZE;
use xen::xenbus::{Device, DeviceError};

use crate::pool::MAX_PAGES;
use crate::{Config, ETHERNET_HEADER, MAX_TX_FRAME, NetError};

/// The MTU where the toolstack names none.
const DEFAULT_MTU: usize = 1500;
/// What IPv4 asks of every link.
const MIN_MTU: usize = 68;
/// The longest that a back end takes when packets may have several slots.
const MAX_MTU: usize = MAX_TX_FRAME - ETHERNET_HEADER;

const VLAN_TAG: usize = 4;
/// Queues at most; their event channels are dear.
pub(crate) const MAX_QUEUES: usize = 8;
/// Slots of the longest packet that a back end hands over: 64 KiB that begin anywhere, and an extra info.
const LONG_PACKET: usize = 18;

/// Something that the back end does, or not, per version of IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// Over IPv4.
    pub ipv4: bool,
    /// Over IPv6.
    pub ipv6: bool,
}

/// The properties of a network device, and what both ends have agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The guest's hardware address.
    pub mac: [u8; 6],
    /// Bytes of the longest IP packet.
    pub mtu: usize,
    /// Checksums the back end completes.
    pub checksum: Offload,
    /// TCP segments longer than the MTU that the back end divides.
    pub segmentation: Offload,
    /// Whether the back end may hand over TCP segments longer than the MTU.
    pub rx_segments: bool,
    /// Pairs of rings.
    pub queues: usize,
    /// Whether each ring has an event channel of its own.
    pub split_events: bool,
    /// Whether the back end holds back frames for groups that it was not told of.
    pub multicast_control: bool,
    /// Whether the administrator lets us believe the back end (`trusted`). No page is shared that ever held anything but frames
    /// for the same back end, and what it writes is judged as a copy, in either case. One that is not trusted is not believed
    /// that it has verified a frame's checksum.
    pub trusted: bool,
    /// Whether frames may be longer by a VLAN tag.
    pub(crate) vlan_tags: bool,
    /// Bytes of the longest frame that the stack may hand over.
    pub(crate) max_frame: usize,
    /// Pages for receiving, per queue.
    pub(crate) rx_buffers: usize,
}

impl Info {
    /// Reads both directories. The back end is in `InitWait`, so its keys are there.
    pub(crate) fn read<D: Device>(device: &D, config: &Config) -> Result<Self, NetError> {
        device.prefetch_backend(&[
            "feature-rx-copy",
            "feature-sg",
            "feature-no-csum-offload",
            "feature-ipv6-csum-offload",
            "feature-gso-tcpv4",
            "feature-gso-tcpv6",
            "feature-split-event-channels",
            "feature-multicast-control",
            "multi-queue-max-queues",
        ]);
        if !device.backend_feature("feature-rx-copy")? {
            return Err(NetError::Unsupported { device: device.name().into(), feature: "feature-rx-copy" });
        }
        let mac = read_own(device, "mac", "a unicast hardware address", parse_mac)?;
        let mac = mac.ok_or_else(|| DeviceError::Missing { path: path(device, "mac") })?;
        let scatter = device.backend_feature("feature-sg")?;
        let mtu = Self::read_mtu(device, scatter)?;
        let checksum = Offload {
            ipv4: !device.backend_feature("feature-no-csum-offload")?,
            ipv6: device.backend_feature("feature-ipv6-csum-offload")?,
        };
        // Long segments take several slots, and what is divided gets its checksums then.
        let divides = scatter && config.tx_segmentation;
        let segmentation = Offload {
            ipv4: device.backend_feature("feature-gso-tcpv4")? && divides && checksum.ipv4,
            ipv6: device.backend_feature("feature-gso-tcpv6")? && divides && checksum.ipv6,
        };
        let max_queues = device.backend_number("multi-queue-max-queues", 1)?;
        let max_queues = usize::try_from(max_queues).unwrap_or(MAX_QUEUES).clamp(1, MAX_QUEUES);
        let queues = config.queues.clamp(1, max_queues);
        let rx_buffers = (config.rx_buffers / queues).max(1);
        let info = Self {
            mac,
            mtu,
            checksum,
            segmentation,
            rx_segments: config.rx_segments && rx_buffers >= 2 * LONG_PACKET,
            queues,
            split_events: config.split_events && device.backend_feature("feature-split-event-channels")?,
            multicast_control: config.multicast_control
                && device.backend_feature("feature-multicast-control")?,
            trusted: read_own(device, "trusted", "0 or 1", parse_trusted)?.unwrap_or(true),
            vlan_tags: config.vlan_tags,
            max_frame: mtu + ETHERNET_HEADER,
            rx_buffers,
        };
        Ok(info.limit_segments(config.tx_buffers))
    }

    /// The MTU that the toolstack has set; `scatter` says whether packets may have several slots.
    pub(crate) fn read_mtu<D: Device>(device: &D, scatter: bool) -> Result<usize, NetError> {
        let mtu = read_own(device, "mtu", "a number from 68 to 65521", parse_mtu)?.unwrap_or(DEFAULT_MTU);
        // A back end that takes packets of one slot only is not asked to carry more than an ordinary one.
        Ok(if scatter { mtu } else { mtu.min(DEFAULT_MTU) })
    }

    /// Long TCP segments have to fit four times into the pages for sending, so that one can be written while others are on their
    /// way.
    fn limit_segments(mut self, pages: usize) -> Self {
        let segment = (pages.min(MAX_PAGES) / 4 * PAGE_SIZE).min(MAX_TX_FRAME);
        if segment <= self.max_frame {
            self.segmentation = Offload::default();
        }
        if self.segmentation != Offload::default() {
            self.max_frame = segment;
        }
        self
    }

    /// Bytes of the longest frame that is not to be divided.
    pub(crate) fn whole_frame(&self) -> usize {
        let tag = if self.vlan_tags { VLAN_TAG } else { 0 };
        (self.mtu + ETHERNET_HEADER + tag).min(MAX_TX_FRAME)
    }

    /// Another MTU, as far as `bytes` of buffers for sending allow.
    pub(crate) fn set_mtu(&mut self, mtu: usize, bytes: usize) {
        self.mtu = mtu.min(bytes.saturating_sub(ETHERNET_HEADER)).max(MIN_MTU);
        let whole = self.mtu + ETHERNET_HEADER;
        let divides = self.segmentation != Offload::default() && self.max_frame > whole;
        if !divides {
            self.segmentation = Offload::default();
            self.max_frame = whole;
        }
    }

    /// Whether the longest packets that the back end could hand over fit into the buffers.
    pub(crate) fn rx_scatter(&self) -> bool {
        self.rx_buffers >= LONG_PACKET
    }
}

impl fmt::Display for Info {
    /// What was agreed, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = |offload: Offload| match (offload.ipv4, offload.ipv6) {
            (true, true) => "v4 v6",
            (true, false) => "v4",
            (false, true) => "v6",
            (false, false) => "none",
        };
        let yes = |agreed| if agreed { "yes" } else { "no" };
        write!(f, "mtu {}, queues {}, split events {}", self.mtu, self.queues, yes(self.split_events))?;
        write!(f, ", checksums {}, segments out {}", families(self.checksum), families(self.segmentation))?;
        write!(
            f,
            ", segments in {}, multicast filter {}",
            yes(self.rx_segments),
            yes(self.multicast_control)
        )?;
        write!(f, ", trusted {}", yes(self.trusted))
    }
}

fn path<D: Device>(device: &D, key: &str) -> String {
    format!("device/{}/{key}", device.name())
}

fn read_own<D: Device, T>(
    device: &D,
    key: &str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, DeviceError> {
    let Some(text) = device.read(key)? else { return Ok(None) };
    match parse(text.trim()) {
        Some(value) => Ok(Some(value)),
        None => Err(DeviceError::Malformed { path: path(device, key), value: text, expected }),
    }
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let unicast = mac[0] & 1 == 0 && mac != [0; 6];
    (parts.next().is_none() && unicast).then_some(mac)
}

fn parse_mtu(text: &str) -> Option<usize> {
    text.parse().ok().filter(|mtu| (MIN_MTU..=MAX_MTU).contains(mtu))
}

fn parse_trusted(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}
