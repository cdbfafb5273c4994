//! Interfaces that come and go, and their devices.

use alloc::string::String;
use smoltcp::phy::{Device, DeviceCapabilities, Medium};

use crate::config::{IfConfig, Ipv4Config};
use crate::core_::{Core, Kind};
use crate::device::Port;
use crate::dhcp;
use crate::error::{Error, Result};
use crate::link::{IfIndex, Link, make_interface};
use crate::stack::Stack;

impl<D: Device> Stack<D> {
    /// Adds an interface, with the lowest number that is free. The device must be an Ethernet one, `mac` a single host's.
    pub fn add_interface(
        &mut self,
        name: &str,
        device: D,
        mac: [u8; 6],
        config: IfConfig,
    ) -> Result<IfIndex> {
        let caps = Self::checked_capabilities(&device, mac, config.mtu)?;
        let index = self.core.links.free();
        let dhcp = (config.ipv4 == Ipv4Config::Dhcp).then(|| dhcp::client(config.hostname.as_deref()));
        let misc = self.core.add_misc_flow(index, dhcp)?;
        let seed = self.core.rng.next_u64();
        let link = Link::new(String::from(name), caps, Some(mac), config, seed, misc, self.core.now);
        if let Err(error) = self.core.links.insert(index, link) {
            self.core.remove_flow(misc);
            return Err(error);
        }
        if self.ports.len() <= index {
            self.ports.resize_with(index + 1, || Port::Absent);
        }
        self.ports[index] = Port::Device(device);
        self.core.touch(misc);
        Ok(IfIndex(index))
    }

    /// Takes an interface away, with its addresses, routes and neighbours, and gives its device back if it was there. Connections over
    /// it end as [`Error::ConnectionAborted`]; listeners and UDP sockets stay. Its number is free for another.
    pub fn remove_interface(&mut self, interface: IfIndex) -> Result<Option<D>> {
        if self.core.links.get(interface.0).is_none_or(Link::is_loopback) {
            return Err(Error::NoSuchInterface(interface.0));
        }
        self.core.end_flows(interface.0);
        self.core.links.remove(interface.0);
        let port = self.ports.get_mut(interface.0).map(|port| core::mem::replace(port, Port::Absent));
        self.ports.truncate(self.core.links.len());
        self.core.wake_config();
        Ok(match port {
            Some(Port::Device(device)) => Some(device),
            _ => None,
        })
    }

    /// Whether [`Stack::add_interface`] would take it, memory apart: the device is lost otherwise.
    pub fn would_add(&self, device: &D, mac: [u8; 6], config: &IfConfig) -> Result<()> {
        Self::checked_capabilities(device, mac, config.mtu).map(drop)
    }

    /// The interface of a number.
    pub fn interface(&self, number: usize) -> Option<IfIndex> {
        self.core.links.get(number).map(|_| IfIndex(number))
    }

    fn checked_capabilities(device: &D, mac: [u8; 6], mtu: Option<usize>) -> Result<DeviceCapabilities> {
        let mut caps = device.capabilities();
        if caps.medium != Medium::Ethernet {
            return Err(Error::InvalidInput("device is not an Ethernet device"));
        }
        if mac[0] & 1 != 0 || mac == [0; 6] {
            return Err(Error::InvalidInput("hardware address is not a single host's"));
        }
        let header = 14;
        if let Some(mtu) = mtu {
            caps.max_transmission_unit = caps.max_transmission_unit.min(mtu.saturating_add(header));
        }
        if caps.max_transmission_unit < 576 + header {
            return Err(Error::InvalidInput("MTU is less than 576"));
        }
        Ok(caps)
    }

    /// Takes an interface's device out, for instance because its backend has gone. Sockets and addresses stay.
    pub fn remove_device(&mut self, interface: IfIndex) -> Option<D> {
        let port = self.ports.get_mut(interface.0).filter(|port| matches!(port, Port::Device(_)))?;
        let Port::Device(device) = core::mem::replace(port, Port::Absent) else { return None };
        if let Some(link) = self.core.links.get_mut(interface.0) {
            link.up = false;
        }
        Some(device)
    }

    /// Puts a device in. Connections go on where they were; routers are asked again.
    pub fn replace_device(&mut self, interface: IfIndex, device: D, mac: [u8; 6]) -> Result<()> {
        let missing = Error::NoSuchInterface(interface.0);
        let link = self.core.links.get_mut(interface.0).filter(|link| !link.is_loopback()).ok_or(missing)?;
        let caps = Self::checked_capabilities(&device, mac, link.config.mtu)?;
        let seed = self.core.rng.next_u64();
        link.iface = make_interface(&caps, Some(mac), &link.config, seed, self.core.now);
        for group in &link.joined {
            // There was room for it before.
            let _ = link.iface.join_multicast_group(*group);
        }
        link.caps = caps;
        link.mac = Some(mac);
        link.up = true;
        link.announced.clear();
        link.neighbours = Default::default();
        let lease = link.lease.take();
        link.set_lease(lease);
        self.ports[interface.0] = Port::Device(device);
        self.core.addresses_changed(interface.0);
        for (index, _) in self.core.flows_of(interface.0) {
            self.core.touch(index);
        }
        Ok(())
    }

    /// The device of an interface.
    pub fn device_mut(&mut self, interface: IfIndex) -> Option<&mut D> {
        match self.ports.get_mut(interface.0)? {
            Port::Device(device) => Some(device),
            _ => None,
        }
    }

    /// The devices of all interfaces that have theirs.
    pub fn devices_mut(&mut self) -> impl Iterator<Item = (IfIndex, &mut D)> {
        self.ports.iter_mut().enumerate().filter_map(|(index, port)| match port {
            Port::Device(device) => Some((IfIndex(index), device)),
            _ => None,
        })
    }
}

impl Core {
    /// Ends all that goes over an interface, which is about to be removed.
    fn end_flows(&mut self, link: usize) {
        for (index, _) in self.flows_of(link) {
            match self.flows.get(index).map(|flow| &flow.kind) {
                Some(Kind::Tcp(_)) => self.end_tcp(index),
                Some(Kind::Udp { owner, .. }) => {
                    let owner = *owner;
                    self.remove_flow(index);
                    self.leave_udp(owner, index);
                }
                Some(Kind::Ping(_)) => self.end_ping(index),
                Some(Kind::Misc) | None => drop(self.remove_flow(index)),
            }
        }
    }

    /// Lets a flow that only has something to tell stay, though its interface goes: loopback is always there.
    pub(crate) fn strand(&mut self, index: u32) {
        self.set_deadline(index, None);
        if let Some(flow) = self.flows.get_mut(index) {
            (flow.link, flow.dirty) = (0, false);
        }
    }
}
