//! From a received packet to the connection, the listener or the answer that it is for.

use smoltcp::phy::TxToken;
use smoltcp::wire::{Ipv4Packet, TcpControl, TcpPacket, TcpRepr};

use super::engine::Seq;
use super::listener::Admission;
use super::{FlowKey, reply};
use crate::core_::{Core, Kind};
use crate::frame::IpSeen;

impl Core {
    /// Takes in a TCP segment that came whole; `tx` is the room to answer it, if there is.
    pub(crate) fn receive_segment<T: TxToken>(
        &mut self,
        link: usize,
        frame: &[u8],
        ip: &IpSeen<'_>,
        tx: Option<T>,
    ) {
        let l = &self.links[link];
        // Only a host speaks TCP, and only to a host; nobody else sends from our address.
        let own = |addr| l.is_loopback() || l.has_addr(addr);
        if !ip.src.is_unicast() || !own(ip.dst) || (!l.is_loopback() && l.has_addr(ip.src)) {
            return;
        }
        let checksum = &l.caps.checksum;
        if checksum.ipv4.rx() && ip.src.version() == smoltcp::wire::IpVersion::Ipv4 {
            match Ipv4Packet::new_checked(ip.packet) {
                Ok(packet) if packet.verify_checksum() => {}
                _ => return,
            }
        }
        let Ok(packet) = TcpPacket::new_checked(ip.payload) else { return };
        let Ok(segment) = TcpRepr::parse(&packet, &ip.src, &ip.dst, checksum) else { return };
        let key = FlowKey { local: (segment.dst_port, ip.dst), remote: (segment.src_port, ip.src) };
        if let Some(index) = self.tcp.index.get(&key).copied() {
            return self.receive_for(link, index, &segment);
        }
        if let Some(answer) = self.receive_unknown(link, key, &segment)
            && let Some(tx) = tx
        {
            reply::send(frame, (ip.dst, ip.src), &answer, &self.links[link].caps, tx);
        }
    }

    /// A segment of a connection that there is.
    fn receive_for(&mut self, link: usize, index: u32, segment: &TcpRepr<'_>) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(index).filter(|flow| flow.link == link) else { return };
        let Kind::Tcp(tcp) = &mut flow.kind else { return };
        tcp.connection.receive(segment, now, &mut self.tcp.pool);
        self.settle_tcp(index);
        self.touch(index);
    }

    /// A segment of no connection: a call, the confirmation of a cookie, or something to refuse.
    fn receive_unknown(
        &mut self,
        link: usize,
        key: FlowKey,
        segment: &TcpRepr<'_>,
    ) -> Option<TcpRepr<'static>> {
        let opens = segment.control == TcpControl::Syn && segment.ack_number.is_none();
        let listener = self.listener_for(&key);
        if self.tcp.time_wait.contains(&key, self.now) {
            if opens && listener.is_some() {
                self.tcp.time_wait.remove(&key);
            } else if segment.control == TcpControl::Rst || segment.segment_len() == 0 {
                return None;
            } else {
                return reply::acknowledgement(segment);
            }
        }
        match (listener, segment.control, segment.ack_number) {
            (Some(listener), TcpControl::Syn, None) => match self.admit(link, key, listener, segment) {
                Admission::Connection(index) => {
                    self.touch(index);
                    None
                }
                Admission::Cookie(answer) => Some(answer),
                Admission::Later => None,
            },
            (Some(listener), TcpControl::None | TcpControl::Psh | TcpControl::Fin, Some(ack)) => {
                let (caller, answer) = (Seq(segment.seq_number.0 as u32) - 1, Seq(ack.0 as u32) - 1);
                match self.tcp.keys.check(&key, caller, answer, self.now) {
                    Some(mss) => {
                        if let Some(index) = self.confirm(link, key, listener, segment, mss) {
                            self.receive_for(link, index, segment);
                        }
                        None
                    }
                    None => reply::refusal(segment),
                }
            }
            _ => reply::refusal(segment),
        }
    }
}
