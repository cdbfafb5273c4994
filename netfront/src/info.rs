//! What XenStore says about a network device before it is connected.

use alloc::format;
use alloc::string::String;

use xen::PAGE_SIZE;
use xen::xenbus::{Device, DeviceError};

use crate::pool::MAX_PAGES;
use crate::{ETHERNET_HEADER, MAX_TX_FRAME, NetError};

/// The MTU where the toolstack names none.
const DEFAULT_MTU: usize = 1500;
/// What IPv4 asks of every link.
const MIN_MTU: usize = 68;
/// The longest that a back end takes when packets may have several slots.
const MAX_MTU: usize = MAX_TX_FRAME - ETHERNET_HEADER;

/// What the back end does with frames whose TCP or UDP checksum is blank: finish them. Per version of IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offload {
    /// Over IPv4.
    pub ipv4: bool,
    /// Over IPv6.
    pub ipv6: bool,
}

/// The fixed properties of a network device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The guest's hardware address.
    pub mac: [u8; 6],
    /// Bytes of the longest IP packet.
    pub mtu: usize,
    /// Checksums the back end completes.
    pub checksum: Offload,
    /// Whether the back end divides long TCP segments over IPv4.
    pub segmentation: bool,
    /// Bytes of the longest frame that the stack may hand over.
    pub(crate) max_frame: usize,
}

impl Info {
    /// Reads both directories. The back end is in `InitWait`, so its keys are there.
    pub(crate) fn read<D: Device>(device: &D) -> Result<Self, NetError> {
        device.prefetch_backend(&[
            "feature-rx-copy",
            "feature-sg",
            "feature-no-csum-offload",
            "feature-ipv6-csum-offload",
            "feature-gso-tcpv4",
        ]);
        if !device.backend_feature("feature-rx-copy")? {
            return Err(NetError::Unsupported { device: device.name().into(), feature: "feature-rx-copy" });
        }
        let mac = read_own(device, "mac", "a unicast hardware address", parse_mac)?;
        let mac = mac.ok_or_else(|| DeviceError::Missing { path: path(device, "mac") })?;
        let mtu = read_own(device, "mtu", "a number from 68 to 65521", parse_mtu)?.unwrap_or(DEFAULT_MTU);
        let scatter = device.backend_feature("feature-sg")?;
        // A back end that takes packets of one slot only is not asked to carry more than an ordinary one.
        let mtu = if scatter { mtu } else { mtu.min(DEFAULT_MTU) };
        let checksum = Offload {
            ipv4: !device.backend_feature("feature-no-csum-offload")?,
            ipv6: device.backend_feature("feature-ipv6-csum-offload")?,
        };
        let segmentation = scatter && checksum.ipv4 && device.backend_feature("feature-gso-tcpv4")?;
        Ok(Self { mac, mtu, checksum, segmentation, max_frame: mtu + ETHERNET_HEADER })
    }

    /// Settles what is sent: long TCP segments if they are `wanted`, can be divided, and fit four times into `pages` pages, so
    /// that one can be written while others are on their way.
    pub(crate) fn limit(mut self, wanted: bool, pages: usize) -> Self {
        let segment = (pages.min(MAX_PAGES) / 4 * PAGE_SIZE).min(MAX_TX_FRAME);
        self.segmentation &= wanted && segment > self.max_frame;
        if self.segmentation {
            self.max_frame = segment;
        }
        self
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
