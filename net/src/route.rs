//! Which interface leads to an address, and from which of our addresses to go there.

use smoltcp::wire::IpAddress;

use crate::core_::Core;
use crate::error::{Error, Result};

impl Core {
    /// The interface for `dst` and the address to speak from.
    ///
    /// Our own addresses are reached through loopback. Otherwise the most specific way wins, be it on link or through a
    /// router; among equals the interface that was added first. `local` is a source address to insist on.
    pub(crate) fn route(&mut self, dst: IpAddress, local: Option<IpAddress>) -> Result<(usize, IpAddress)> {
        if dst.is_unspecified() {
            return Err(Error::AddrNotAvailable);
        }
        if let Some(local) = local
            && !self.is_local(local)
        {
            return Err(Error::AddrNotAvailable);
        }
        if self.is_local(dst) || is_loopback(dst) {
            let loopback = &self.links[0];
            let src = local.or(if is_loopback(dst) { loopback.source_for(dst) } else { Some(dst) });
            return src.map(|src| (0, src)).ok_or(Error::NetworkUnreachable);
        }
        let everywhere = dst.is_multicast() || dst.is_broadcast();
        let mut best: Option<(u8, usize, IpAddress)> = None;
        for (index, link) in self.links.iter_mut().skip(1) {
            if local.is_some_and(|local| !link.has_addr(local)) {
                continue;
            }
            let Some(way) = link.way_to(dst).or(everywhere.then_some(0)) else { continue };
            let Some(src) = local.or_else(|| link.source_for(dst)) else { continue };
            if best.is_none_or(|(best, ..)| way > best) {
                best = Some((way, index, src));
            }
        }
        best.map(|(_, index, src)| (index, src)).ok_or(Error::NetworkUnreachable)
    }

    /// Whether the address is one of this machine's.
    pub(crate) fn is_local(&self, addr: IpAddress) -> bool {
        self.links.iter().any(|(_, link)| link.has_addr(addr)) || is_loopback(addr)
    }
}

pub(crate) fn is_loopback(addr: IpAddress) -> bool {
    core::net::IpAddr::from(addr).is_loopback()
}
