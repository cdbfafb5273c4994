//! The back end's side of the handshake: it takes what the front end published at its word and complains otherwise.

use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

use xen::xenbus::Device;
use xen::{Back, Scattered};

use super::{Backend, Connection, Lane};

impl Backend {
    pub(super) fn connect(&self) -> Result<Connection, String> {
        let protocol = self.device.front("protocol");
        if protocol.as_deref() != Some("x86_64-abi") {
            return Err(format!("protocol {protocol:?}"));
        }
        let most = self.offered("max-ring-pages", 1).max(1).ilog2();
        let order = self.within("ring-page-order", 0, self.offered("max-ring-page-order", 0).max(most))?;
        let pages = 1u32 << order;
        // Both schemes say the same, or neither says anything.
        let pages_said = self.device.front_number("num-ring-pages").unwrap_or(1);
        if pages_said != pages {
            return Err(format!("{pages_said} ring pages of order {order}"));
        }
        let queues = self.within("multi-queue-num-queues", 1, self.offered("multi-queue-max-queues", 1))?;
        let mut lanes = Vec::new();
        for number in 0..queues {
            let place = if queues > 1 { format!("queue-{number}/") } else { String::new() };
            lanes.push(self.lane(&place, pages)?);
        }
        if queues > 1
            && (self.device.front("ring-ref").is_some() || self.device.front("event-channel").is_some())
        {
            return Err("several queues, and one at the top as well".into());
        }
        let offers =
            self.device.read_backend("feature-persistent").is_ok_and(|key| key.as_deref() == Some("1"));
        let wants = self.device.front("feature-persistent").as_deref() == Some("1");
        Ok(Connection { lanes, persistent: offers && wants, mapped: BTreeMap::new() })
    }

    fn offered(&self, key: &'static str, default: u64) -> u32 {
        self.device.backend_number(key, default).map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// A number of the front end that is no more than was offered.
    fn within(&self, key: &str, default: u32, most: u32) -> Result<u32, String> {
        let number = self.device.front_number(key).unwrap_or(default);
        if number > most.max(default) { Err(format!("{key} {number} of {most}")) } else { Ok(number) }
    }

    fn lane(&self, place: &str, pages: u32) -> Result<Lane, String> {
        let number = |key: String| self.device.front_number(&key).ok_or(format!("no {key}"));
        let grefs = (0..pages).map(|page| match pages {
            1 => number(format!("{place}ring-ref")),
            _ => number(format!("{place}ring-ref{page}")),
        });
        let map = |gref: Result<u32, String>| {
            self.peer.map_rw(gref?).map_err(|error| format!("{place}ring-ref: {error:?}"))
        };
        let pages = grefs.map(map).collect::<Result<Vec<_>, _>>()?;
        let port = self.peer.bind(number(format!("{place}event-channel"))?);
        let port = port.ok_or("the event channel can not be bound")?;
        Ok(Lane { ring: Back::new(Scattered::new(pages)), port, pending: Vec::new() })
    }
}
