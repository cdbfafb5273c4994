//! The rings of a connected device with their event channels: [`Queues`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use xen::{DomId, Doorbell, EventPort, EventSeq, GrantError, PeerMisbehaved, Platform, Port};

use crate::info::Info;
use crate::rx::RxQueue;
use crate::stats::Stats;
use crate::storm::{Storm, Verdict};
use crate::tx::Sender;
use crate::{Config, NetError};

/// The event channels of a queue.
struct QueueEvents<P: Platform> {
    /// Of frames sent, and of those received if there is no other.
    tx: EventPort<P>,
    rx: Option<EventPort<P>>,
}

pub(crate) struct Queues<P: Platform> {
    pub tx: Sender<P>,
    pub rx: Vec<RxQueue<P>>,
    events: Vec<QueueEvents<P>>,
    /// The queue that is looked at first for a received frame.
    turn: usize,
    storm: Storm,
}

impl<P: Platform> Queues<P> {
    /// Grants and posts everything for the device `name`.
    pub fn new(
        platform: &P,
        peer: DomId,
        name: &str,
        info: &Info,
        config: &Config,
    ) -> Result<Self, NetError> {
        let grant = |error: GrantError| NetError::Grant { device: name.into(), error };
        let start = config.first_index;
        let tx = Sender::new(platform, peer, config.tx_buffers, info, start).map_err(grant)?;
        let (mut rx, mut events) = (Vec::new(), Vec::new());
        rx.try_reserve_exact(info.queues).map_err(|_| grant(GrantError::OutOfMemory))?;
        events.try_reserve_exact(info.queues).map_err(|_| grant(GrantError::OutOfMemory))?;
        let port = || {
            EventPort::alloc(platform, peer).map_err(|error| NetError::Event { device: name.into(), error })
        };
        for _ in 0..info.queues {
            rx.push(RxQueue::new(platform, peer, info, start).map_err(grant)?);
            let rx = if info.split_events { Some(port()?) } else { None };
            events.push(QueueEvents { tx: port()?, rx });
        }
        Ok(Self { tx, rx, events, turn: 0, storm: Storm::default() })
    }

    /// The keys by which the back end finds it all.
    pub fn keys(&self) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        let count = self.rx.len();
        if count > 1 {
            keys.push(("multi-queue-num-queues".into(), format!("{count}")));
        }
        for (number, (rx, events)) in self.rx.iter().zip(&self.events).enumerate() {
            let prefix = if count > 1 { format!("queue-{number}/") } else { String::new() };
            let mut key = |name: &str, value: u32| keys.push((format!("{prefix}{name}"), format!("{value}")));
            key("tx-ring-ref", self.tx.ring_page(number).gref().raw());
            key("rx-ring-ref", rx.ring_page().gref().raw());
            match &events.rx {
                None => key("event-channel", events.tx.port().raw()),
                Some(rx) => {
                    key("event-channel-tx", events.tx.port().raw());
                    key("event-channel-rx", rx.port().raw());
                }
            }
        }
        keys
    }

    /// All event channels and their counts so far.
    pub fn events(&self) -> impl Iterator<Item = (Port, EventSeq)> {
        self.ports().map(|port| (port.port(), port.seq()))
    }

    fn ports(&self) -> impl Iterator<Item = &EventPort<P>> {
        self.events.iter().flat_map(|events| core::iter::once(&events.tx).chain(&events.rx))
    }

    /// Wakes the back end, whether it asked for it or not.
    pub fn notify_all(&self) {
        self.ports().for_each(EventPort::notify);
    }

    /// Shows the back end all frames sent and buffers freed since, and wakes it where it sleeps.
    pub fn flush(&mut self, stats: &mut Stats) {
        for (number, events) in self.events.iter().enumerate() {
            let tx = self.tx.publish(number) == Doorbell::Ring;
            let rx = self.rx[number].publish() == Doorbell::Ring;
            match &events.rx {
                Some(port) if rx => {
                    port.notify();
                    stats.notifications += 1;
                }
                _ => {}
            }
            if tx || rx && events.rx.is_none() {
                events.tx.notify();
                stats.notifications += 1;
            }
        }
    }

    /// Whether there is something to receive. While there is no room for an answer to it there is not.
    pub fn has_received(&self) -> bool {
        !self.tx.speechless() && self.rx.iter().any(RxQueue::has_responses)
    }

    /// Asks for events. `true`: there is something already.
    pub fn arm(&mut self, platform: &P, stats: &mut Stats) -> bool {
        let count = self.ports().fold(0u32, |sum, port| sum.wrapping_add(port.seq().0));
        match self.storm.judge(count, stats, || platform.now_ns()) {
            Verdict::Leave => {}
            Verdict::Mute => self.ports().for_each(EventPort::mute),
            Verdict::Unmute => self.ports().for_each(EventPort::unmute),
        }
        // A frame received is left where it is while there is no room for an answer to it.
        let room = self.tx.starved() && self.tx.arm();
        room || !self.tx.speechless() && self.rx.iter_mut().any(RxQueue::arm)
    }

    /// Until when no events are taken.
    pub fn quiet_until(&self) -> Option<u64> {
        self.storm.quiet_until()
    }

    /// The next received frame: its queue and its length. The queues take turns.
    pub fn receive(&mut self, stats: &mut Stats) -> Result<Option<(usize, usize)>, PeerMisbehaved> {
        let count = self.rx.len();
        for number in (self.turn..count).chain(0..self.turn) {
            if let Some(len) = self.rx[number].receive(&mut stats.rx)? {
                self.turn = (number + 1) % count;
                return Ok(Some((number, len)));
            }
        }
        Ok(None)
    }
}
