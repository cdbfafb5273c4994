//! What both ends agree on before they connect (`io/blkif.h`, "Request Transport Parameters").

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use xen::xenbus::{Device, DeviceError};

use crate::Config;

/// The most pages of a ring: what Linux's back end maps at once.
const RING_ORDER_MOST: u32 = 4;
/// The most rings.
pub(crate) const QUEUES_MOST: usize = 16;

/// The form of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Terms {
    pub ring_order: u32,
    pub queues: usize,
    pub persistent: bool,
}

/// A ring as XenStore has it.
pub(crate) struct Rendezvous {
    pub grefs: Vec<xen::GrantRef>,
    pub port: xen::Port,
}

impl Terms {
    /// The back end is `InitWait`.
    pub fn negotiate<D: Device>(device: &D, config: &Config) -> Result<Self, DeviceError> {
        device.prefetch_backend(&["max-ring-page-order", "max-ring-pages", "multi-queue-max-queues"]);
        let order = device.backend_number("max-ring-page-order", 0)?;
        let pages = device.backend_number("max-ring-pages", 1)?;
        let queues = device.backend_number("multi-queue-max-queues", 1)?;
        let trusted = device.read("trusted")?.is_none_or(|trusted| trusted.trim() != "0");
        // Two schemes for the same thing, of which a back end may know either.
        let order = order.max(pages.max(1).ilog2().into());
        let most = config.ring_order.min(RING_ORDER_MOST);
        Ok(Self {
            ring_order: u32::try_from(order).map_or(most, |order| order.min(most)),
            queues: usize::try_from(queues).unwrap_or(usize::MAX).min(config.queues.min(QUEUES_MOST)).max(1),
            persistent: config.persistent && trusted,
        })
    }

    /// What to tell the back end.
    pub fn keys(&self, rings: &[Rendezvous]) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        let mut tell = |key: String, value: String| keys.push((key, value));
        if self.ring_order > 0 {
            tell("ring-page-order".into(), format!("{}", self.ring_order));
            tell("num-ring-pages".into(), format!("{}", 1 << self.ring_order));
        }
        if rings.len() > 1 {
            tell("multi-queue-num-queues".into(), format!("{}", rings.len()));
        }
        for (number, ring) in rings.iter().enumerate() {
            let place = if rings.len() > 1 { format!("queue-{number}/") } else { String::new() };
            for (page, gref) in ring.grefs.iter().enumerate() {
                let page = if ring.grefs.len() > 1 { format!("{page}") } else { String::new() };
                tell(format!("{place}ring-ref{page}"), format!("{gref}"));
            }
            tell(format!("{place}event-channel"), format!("{}", ring.port));
        }
        tell("protocol".into(), "x86_64-abi".into());
        tell("feature-persistent".into(), if self.persistent { "1" } else { "0" }.into());
        keys
    }

    /// The keys that are no longer true when the connection has ended.
    pub fn untrue_after(&self) -> Vec<String> {
        let mut keys: Vec<String> = ["protocol", "feature-persistent"].map(String::from).into();
        if self.ring_order > 0 {
            keys.extend(["ring-page-order", "num-ring-pages"].map(String::from));
        }
        if self.queues > 1 {
            keys.push("multi-queue-num-queues".into());
            keys.extend((0..self.queues).map(|number| format!("queue-{number}")));
            return keys;
        }
        keys.push("event-channel".into());
        match self.ring_order {
            0 => keys.push("ring-ref".into()),
            order => keys.extend((0..1 << order).map(|page| format!("ring-ref{page}"))),
        }
        keys
    }
}
