//! What routers advertise beyond what smoltcp takes of it: name servers (RFC 8106); and what it must not see.

use core::net::{IpAddr, Ipv6Addr};
use smoltcp::time::Duration;
use smoltcp::wire::{Icmpv6Packet, IpAddress};

use crate::config::Ipv6Config;
use crate::core_::Core;
use crate::frame::IpSeen;

const PREFIX: u8 = 3;
const NAME_SERVERS: u8 = 25;
/// Name servers remembered of all routers of an interface.
const MOST: usize = 8;

/// The options of an advertisement: kind and whole option, or `None` where they are broken.
fn options(icmp: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    let mut rest = icmp.get(16..).unwrap_or(&[]);
    core::iter::from_fn(move || {
        let kind = *rest.first()?;
        let len = rest.get(1).map_or(0, |units| usize::from(*units) * 8);
        let (option, tail) =
            if len == 0 { (None, &[][..]) } else { (rest.get(..len), rest.get(len..).unwrap_or(&[])) };
        rest = tail;
        Some(option.map(|option| (kind, option)))
    })
}

/// Whether smoltcp takes the advertisement without panicking: it makes an address of any prefix, and insists that the
/// address is a host's.
pub(crate) fn is_sane(icmp: &[u8]) -> bool {
    options(icmp).all(|option| match option {
        None => false,
        Some((PREFIX, option)) => option.len() == 32 && option[2] <= 128 && option[16] != 0xff,
        Some(_) => true,
    })
}

/// The name servers that an advertisement names, and for how many seconds.
pub(crate) fn name_servers(icmp: &[u8]) -> impl Iterator<Item = (Ipv6Addr, u32)> {
    let named = options(icmp).flatten().filter(|(kind, option)| *kind == NAME_SERVERS && option.len() >= 24);
    named.flat_map(|(_, option)| {
        let seconds = u32::from_be_bytes([option[4], option[5], option[6], option[7]]);
        option[8..].chunks_exact(16).map(move |octets| {
            let octets: [u8; 16] = octets.try_into().expect("chunks are of 16 bytes");
            (Ipv6Addr::from(octets), seconds)
        })
    })
}

impl Core {
    /// Takes over the name servers of an advertisement.
    pub(crate) fn note_name_servers(&mut self, link: usize, ip: &IpSeen<'_>) {
        let now = self.now;
        let l = &mut self.links[link];
        let (IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) = (ip.src, ip.dst) else { return };
        let from_router =
            src.is_unicast_link_local() && ip.hop_limit == 255 && l.config.ipv6 == Ipv6Config::Slaac;
        let Ok(packet) = Icmpv6Packet::new_checked(ip.payload) else { return };
        if !from_router || (l.caps.checksum.icmpv6.rx() && !packet.verify_checksum(&src, &dst)) {
            return;
        }
        for (server, seconds) in name_servers(ip.payload) {
            let server = IpAddr::V6(server);
            l.advertised_dns.retain(|(known, _)| *known != server);
            if seconds > 0
                && !server.is_multicast()
                && !server.is_unspecified()
                && l.advertised_dns.len() < MOST
            {
                l.advertised_dns.push((server, now + Duration::from_secs(seconds.into())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_multicast_prefix_is_not_sane() {
        let mut icmp = [0u8; 48];
        icmp[16..20].copy_from_slice(&[3, 4, 64, 0xc0]);
        icmp[32] = 0x20;
        assert!(is_sane(&icmp));
        icmp[32] = 0xff;
        assert!(!is_sane(&icmp));
        icmp[32] = 0x20;
        icmp[18] = 129;
        assert!(!is_sane(&icmp));
        icmp[18] = 64;
        for units in [0, 3, 5] {
            icmp[17] = units;
            assert!(!is_sane(&icmp), "a length of {units}");
        }
    }

    #[test]
    fn name_servers_are_read_past_other_options() {
        let mut icmp = [0u8; 16 + 8 + 40];
        icmp[16..18].copy_from_slice(&[1, 1]);
        icmp[24..26].copy_from_slice(&[25, 5]);
        icmp[31] = 60;
        icmp[32..34].copy_from_slice(&[0xfd, 0]);
        icmp[63] = 9;
        let servers: std::vec::Vec<_> = name_servers(&icmp).collect();
        assert_eq!(servers, [("fd00::".parse().unwrap(), 60), ("::9".parse().unwrap(), 60)]);
        assert_eq!(name_servers(&icmp[..60]).count(), 0);
    }
}
