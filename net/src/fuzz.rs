//! Entry points of the fuzz targets: nothing that the network sends may panic.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::task::{Context, Waker};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::{Cidr, IfConfig, Ipv4Config, Ipv6Config, Stack, TcpOptions, UdpOptions};

/// The hardware address of the fuzzed interface.
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Its IPv4 address.
pub const ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A device that receives what it was given and swallows what is sent.
#[derive(Default)]
pub struct Sink(VecDeque<Vec<u8>>);

/// A received frame.
pub struct Frame(Vec<u8>);
/// Room for a frame that nobody will see.
pub struct Nowhere;

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Nowhere {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut alloc::vec![0; len])
    }
}

impl Device for Sink {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Nowhere;

    fn receive(&mut self, _now: Instant) -> Option<(Frame, Nowhere)> {
        self.0.pop_front().map(|frame| (Frame(frame), Nowhere))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Nowhere> {
        Some(Nowhere)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = 1514;
        // So that frames need no checksums to get anywhere.
        caps.checksum = smoltcp::phy::ChecksumCapabilities::ignored();
        caps.checksum.ipv4 = Checksum::Tx;
        caps
    }
}

/// A stack with something of everything, for frames to hit.
pub struct Target {
    stack: Stack<Sink>,
    now_ns: u64,
}

impl Target {
    /// A fresh one; `dhcp` asks for the address instead of having it.
    pub fn new(dhcp: bool) -> Self {
        let mut stack = Stack::new(1);
        let cidr = Cidr::new(IpAddr::V4(ADDR), 24).expect("a host's address");
        let ipv4 = match dhcp {
            true => Ipv4Config::Dhcp,
            false => Ipv4Config::Static { cidr, gateway: Some(Ipv4Addr::new(10, 0, 0, 254)) },
        };
        let dns = alloc::vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 53))];
        let config = IfConfig { ipv4, ipv6: Ipv6Config::Slaac, dns, mtu: None, hostname: None };
        stack.add_interface("fuzz", Sink::default(), MAC, config).expect("the device is sound");
        let options = TcpOptions { rx_buffer: 512, tx_buffer: 512, ..TcpOptions::default() };
        let any = |port| (Ipv4Addr::UNSPECIFIED, port).into();
        let _ = stack.tcp_listen(any(80), 4, options);
        let _ = stack.udp_bind(any(53), UdpOptions::default());
        let _ = stack.tcp_connect_from(any(1000), (Ipv4Addr::new(10, 0, 0, 2), 80).into(), options);
        let _ = stack.dns_query("fuzz.example");
        let _ = stack.ping(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), b"fuzz", 5_000_000_000);
        Self { stack, now_ns: 0 }
    }

    /// Lets the stack receive a frame and lets some time pass.
    pub fn frame(&mut self, frame: &[u8]) {
        if let Some(device) = self.stack.device_mut(crate::IfIndex(1)) {
            device.0.push_back(frame.to_vec());
        }
        self.now_ns += 1_000_000 + 7_000_000 * frame.len() as u64;
        self.stack.poll(self.now_ns);
        let listeners = self.stack.tcp_counts();
        assert!(listeners.0 <= 64, "connections pile up");
        let mut cx = Context::from_waker(Waker::noop());
        for status in self.stack.interfaces() {
            let _ = self.stack.poll_configured(status.index, &mut cx);
        }
    }
}

/// Feeds the stack a sequence of frames: each is a length of two bytes, big-endian, and that many bytes (or what is left).
pub fn frame(data: &[u8]) {
    for dhcp in [false, true] {
        let mut target = Target::new(dhcp);
        let mut rest = data;
        while let Some((len, tail)) = rest.split_at_checked(2) {
            let len = usize::from(u16::from_be_bytes([len[0], len[1]])).min(tail.len());
            target.frame(&tail[..len]);
            rest = &tail[len..];
        }
    }
}

/// Reads any bytes as an answer of a name server.
pub fn dns_answer(data: &[u8]) {
    crate::dns::read_answer_for_fuzzing(data);
}
