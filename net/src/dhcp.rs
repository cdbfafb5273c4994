//! DHCPv4, and what changes in an interface's addresses mean for the rest.

use alloc::boxed::Box;
use alloc::vec::Vec;
use smoltcp::socket::dhcpv4::{Event, RetryConfig, Socket};
use smoltcp::time::Duration;
use smoltcp::wire::{DhcpOption, IpAddress, IpCidr};

use crate::core_::Core;
use crate::link::Lease;

/// Option 12 of RFC 2132.
const HOST_NAME: u8 = 12;

/// A DHCP client that tells the server `hostname`.
pub(crate) fn client(hostname: Option<&str>) -> Socket<'static> {
    let mut socket = Socket::new();
    let mut retry = RetryConfig::default();
    // A lost first packet should not cost ten seconds.
    retry.discover_timeout = Duration::from_secs(2);
    retry.initial_request_timeout = Duration::from_secs(1);
    socket.set_retry_config(retry);
    if let Some(name) = hostname.filter(|name| !name.is_empty() && name.len() < 64) {
        // smoltcp borrows the options; an interface lives as long as the guest.
        let data: &'static [u8] = Box::leak(name.as_bytes().to_vec().into_boxed_slice());
        let options: &'static [DhcpOption<'static>] =
            Box::leak(Box::new([DhcpOption { kind: HOST_NAME, data }]));
        socket.set_outgoing_options(options);
    }
    socket
}

impl Core {
    /// Takes over what the DHCP client has learnt.
    pub(crate) fn settle_misc(&mut self, index: u32) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        let link = flow.link;
        let Some((_, smoltcp::socket::Socket::Dhcpv4(socket))) = flow.set.iter_mut().next() else { return };
        let lease = match socket.poll() {
            None => return,
            Some(Event::Deconfigured) => None,
            Some(Event::Configured(config)) => {
                // smoltcp panics when it is to look up a router that is no host.
                let router = config.router.filter(|router| IpAddress::Ipv4(*router).is_unicast());
                let dns: Vec<_> = config.dns_servers.iter().map(|server| (*server).into()).collect();
                Some(Lease { cidr: IpCidr::Ipv4(config.address), router, dns })
            }
        };
        self.links[link].set_lease(lease);
        self.addresses_changed(link);
    }

    pub(crate) fn addresses_changed(&mut self, link: usize) {
        self.wake_config();
        self.neighbours_changed(link);
        let misc = self.links[link].misc;
        self.touch(misc);
    }

    /// Expires what smoltcp keeps for an interface, and notices addresses that routers gave or took back.
    pub(crate) fn maintain(&mut self, link: usize) {
        let l = &mut self.links[link];
        l.advertised_dns.retain(|(_, until)| *until > self.now);
        let iface = &mut l.iface;
        let before = iface.slaac_updated_at();
        iface.poll_maintenance(self.now);
        if iface.slaac_updated_at() != before {
            self.addresses_changed(link);
        }
    }
}
