//! The life of a network device: connect, run, lose the back end, come back, close.

use alloc::format;

use xen::xenbus::{Device, DeviceError, State};
use xen::{Doorbell, EventPort, EventSeq, GrantError, PeerMisbehaved, Platform, Port};

use crate::info::Info;
use crate::rx::RxQueue;
use crate::stats::Stats;
use crate::tx::TxQueue;
use crate::{ETHERNET_HEADER, NetError};

/// The keys that describe a connection; they are taken back when it ends.
const CONNECTION_KEYS: [&str; 3] = ["tx-ring-ref", "rx-ring-ref", "event-channel"];
/// How often a back end that has closed is looked at again, at first and at most.
const POLL_NS: core::ops::RangeInclusive<u64> = 10_000_000..=200_000_000;

/// How a device is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Pages for receiving, up to 256. With fewer, bursts are lost earlier.
    pub rx_buffers: usize,
    /// Pages for sending, up to 256. TCP segments to be divided take up to a quarter of them: of 64 KiB with 64 pages.
    pub tx_buffers: usize,
    /// Whether TCP segments longer than the MTU are handed to the back end, which divides them, if it can.
    pub tx_segmentation: bool,
    /// Whether the back end may hand over TCP segments longer than the MTU, of up to 64 KiB.
    pub rx_segments: bool,
    /// How long the back end may take for a step of connecting or closing.
    pub timeout_ns: u64,
    /// Where the ring indices start. Only tests have a reason to choose.
    pub first_index: u32,
}

impl Default for Config {
    /// For a small guest: half a megabyte of buffers.
    fn default() -> Self {
        Self {
            rx_buffers: 64,
            tx_buffers: 64,
            tx_segmentation: true,
            rx_segments: false,
            timeout_ns: 10_000_000_000,
            first_index: 0,
        }
    }
}

/// Whether frames can flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// They can.
    Up,
    /// The back end says that there is no carrier.
    NoCarrier,
    /// The back end has closed the device; [`NetFront::reconnect`] waits for it to come back.
    Closed,
    /// The back end broke the protocol; [`NetFront::error`] says how.
    Failed,
}

pub(crate) struct Queues<P: Platform> {
    pub tx: TxQueue<P>,
    pub rx: RxQueue<P>,
    event: EventPort<P>,
}

/// A network device.
///
/// The thread that owns it goes round: read [`NetFront::seq`]; let the stack poll; [`NetFront::flush`]; and when
/// [`NetFront::arm`] says that nothing has come meanwhile, wait for an event on [`NetFront::port`] past that count. A thread
/// that watches the back end's state passes changes on by [`NetFront::backend_changed`].
pub struct NetFront<P: Platform, D: Device> {
    platform: P,
    device: D,
    config: Config,
    info: Info,
    /// `None` while not connected.
    queues: Option<Queues<P>>,
    error: Option<PeerMisbehaved>,
    stats: Stats,
}

impl<P: Platform, D: Device> NetFront<P, D> {
    /// Connects to the back end of `device`, which the toolstack has prepared.
    pub fn connect(platform: &P, device: D, config: Config) -> Result<Self, NetError> {
        let deadline = platform.now_ns().saturating_add(config.timeout_ns);
        device.wait_backend(&[State::InitWait], "back end in InitWait", Some(deadline))?;
        let info = read_info(&device, &config)?;
        let mut front = Self {
            platform: platform.clone(),
            device,
            config,
            info,
            queues: None,
            error: None,
            stats: Stats::default(),
        };
        front.connect_queues(deadline)?;
        Ok(front)
    }

    /// The hardware address, MTU and offloads.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.info.mac
    }

    /// Bytes of the longest IP packet.
    pub fn mtu(&self) -> usize {
        self.info.mtu
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The device in XenStore, to watch the back end's state by.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// How the back end broke the protocol, if it did.
    pub fn error(&self) -> Option<PeerMisbehaved> {
        self.error
    }

    /// The event channel to wait on; `None` while not connected.
    pub fn port(&self) -> Option<Port> {
        self.queues.as_ref().map(|queues| queues.event.port())
    }

    /// The count of events so far. Read it before polling.
    pub fn seq(&self) -> Option<EventSeq> {
        self.queues.as_ref().map(|queues| queues.event.seq())
    }

    /// Shows the back end all frames sent and buffers freed since, and wakes it if it sleeps.
    pub fn flush(&mut self) {
        let Some(queues) = self.queues.as_mut().filter(|_| self.error.is_none()) else { return };
        let (tx, rx) = (queues.tx.publish(), queues.rx.publish());
        if tx == Doorbell::Ring || rx == Doorbell::Ring {
            queues.event.notify();
            self.stats.notifications += 1;
        }
    }

    /// Flushes and asks for an event. `true`: there is something already, poll again before sleeping. An event comes for each
    /// batch of received frames; for sent ones only when there was no room for another.
    #[must_use = "what came meanwhile brings no event"]
    pub fn arm(&mut self) -> bool {
        self.flush();
        let Some(queues) = self.queues.as_mut().filter(|_| self.error.is_none()) else { return false };
        // A frame received is left where it is while there is no room for an answer to it.
        if queues.tx.starved() { queues.tx.arm() } else { queues.rx.arm() }
    }

    /// Asks XenStore for the state of the link. Reacts to what it finds as [`NetFront::backend_changed`] does.
    pub fn link(&mut self) -> Result<Link, NetError> {
        let state = self.device.backend_state()?;
        let link = self.backend_changed(state)?;
        let carrier = link != Link::Up || self.device.backend_number("carrier", 1)? != 0;
        Ok(if carrier { link } else { Link::NoCarrier })
    }

    /// Takes notice of a state of the back end. When it is closing, the connection is given up and the device closed, which
    /// waits for the back end to let go of its pages.
    pub fn backend_changed(&mut self, state: State) -> Result<Link, NetError> {
        if state == State::Closing {
            self.shut(self.platform.now_ns().saturating_add(self.config.timeout_ns))?;
        } else if matches!(state, State::Closed | State::Unknown) && self.queues.is_some() {
            if self.error.is_none() {
                self.device.publish(&[], State::Closing)?;
            }
            self.disconnect();
            self.device.retract(&CONNECTION_KEYS)?;
            self.device.publish(&[], State::Closed)?;
        }
        Ok(match (&self.error, &self.queues) {
            (Some(_), _) => Link::Failed,
            (None, Some(_)) => Link::Up,
            (None, None) => Link::Closed,
        })
    }

    /// Gives up the connection if there is one, and waits for the back end to offer a new one. Frames not sent yet are
    /// lost. The hardware address and MTU may be others afterwards.
    pub fn reconnect(&mut self) -> Result<(), NetError> {
        let deadline = self.platform.now_ns().saturating_add(self.config.timeout_ns);
        self.shut(deadline)?;
        // A back end that has not noticed that we were closed would take the old keys for the new.
        self.poll_backend(&[State::Closed, State::InitWait, State::Unknown], "back end in Closed", deadline)?;
        self.device.publish(&[], State::Initialising)?;
        self.poll_backend(&[State::InitWait], "back end in InitWait again", deadline)?;
        self.info = read_info(&self.device, &self.config)?;
        self.error = None;
        self.connect_queues(deadline)
    }

    /// Closes the device in good order and gives it back.
    pub fn close(mut self) -> Result<D, NetError> {
        let deadline = self.platform.now_ns().saturating_add(self.config.timeout_ns);
        self.shut(deadline)?;
        Ok(self.device)
    }

    pub(crate) fn queues(&mut self) -> Option<(&mut Queues<P>, &mut Stats)> {
        Some((self.queues.as_mut().filter(|_| self.error.is_none())?, &mut self.stats))
    }

    /// Whether a frame may be sent.
    pub(crate) fn tx_ready(&mut self) -> bool {
        let Some((queues, stats)) = self.queues() else { return false };
        match queues.tx.ready(&mut stats.tx) {
            Ok(true) => true,
            Ok(false) => {
                // What fills the ring must be seen before it can be answered.
                self.flush();
                false
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// The length of the next received frame.
    pub(crate) fn rx_ready(&mut self) -> Option<usize> {
        let (queues, stats) = self.queues()?;
        let received = queues.rx.receive(&mut stats.rx);
        received.unwrap_or_else(|error| {
            self.fail(error);
            None
        })
    }

    /// The end of a device whose back end lies. Its pages stay until the back end lets go of them or [`NetFront`] is dropped.
    fn fail(&mut self, error: PeerMisbehaved) {
        self.error = Some(error);
        // XenStore may fail too; the device is dead either way.
        let _ = self.device.publish(&[], State::Closed);
    }

    fn connect_queues(&mut self, deadline: u64) -> Result<(), NetError> {
        let queues = self.make_queues()?;
        let result = self.publish_queues(&queues, deadline);
        self.queues = Some(queues);
        if result.is_err() {
            // Best effort: the first error is the one to report.
            let _ = self.device.publish(&[], State::Closing);
            self.disconnect();
            let _ = self.device.retract(&CONNECTION_KEYS);
            let _ = self.device.publish(&[], State::Closed);
        } else {
            self.stats.connects += 1;
        }
        result
    }

    fn make_queues(&self) -> Result<Queues<P>, NetError> {
        let (platform, config, name) = (&self.platform, &self.config, self.device.name());
        let peer = self.device.backend_domain();
        let grant = |error: GrantError| NetError::Grant { device: name.into(), error };
        let offload = self.info.checksum;
        let max_frame = self.info.max_frame;
        let tx = TxQueue::new(platform, peer, config.tx_buffers, max_frame, offload, config.first_index);
        let tx = tx.map_err(grant)?;
        let longest = self.info.mtu + ETHERNET_HEADER;
        let rx =
            RxQueue::new(platform, peer, config.rx_buffers, longest, config.first_index).map_err(grant)?;
        let event = EventPort::alloc(platform, peer);
        let event = event.map_err(|error| NetError::Event { device: name.into(), error })?;
        Ok(Queues { tx, rx, event })
    }

    fn publish_queues(&self, queues: &Queues<P>, deadline: u64) -> Result<(), NetError> {
        let segments = if self.config.rx_segments { "1" } else { "0" };
        let keys = [
            ("tx-ring-ref", &*format!("{}", queues.tx.ring_page().gref())),
            ("rx-ring-ref", &*format!("{}", queues.rx.ring_page().gref())),
            ("event-channel", &*format!("{}", queues.event.port())),
            ("request-rx-copy", "1"),
            ("feature-rx-notify", "1"),
            ("feature-sg", "1"),
            ("feature-no-csum-offload", "0"),
            ("feature-ipv6-csum-offload", "1"),
            ("feature-gso-tcpv4", segments),
            ("feature-gso-tcpv6", segments),
        ];
        self.device.publish(&keys, State::Connected)?;
        self.device.wait_backend(&[State::Connected], "back end in Connected", Some(deadline))?;
        // The buffers were posted before the back end listened.
        queues.event.notify();
        Ok(())
    }

    /// Tells the back end that we close, waits until it has let go, and frees everything.
    fn shut(&mut self, deadline: u64) -> Result<(), NetError> {
        if self.queues.is_none() {
            return Ok(());
        }
        let closed = if self.device.backend_state()? == State::Closing {
            // It lets go of our pages when it sees us close, and only `Closed` tells that it has.
            let told = self.device.publish(&[], State::Closed).map_err(NetError::from);
            told.and_then(|()| {
                self.poll_backend(&[State::Closed, State::Unknown], "back end in Closed", deadline)
            })
        } else {
            let state = if self.error.is_some() { State::Closed } else { State::Closing };
            let wanted = [State::Closing, State::Closed, State::Unknown];
            let told = self.device.publish(&[], state);
            told.and_then(|()| self.device.wait_backend(&wanted, "back end in Closing", Some(deadline)))
                .map(drop)
                .map_err(NetError::from)
        };
        self.disconnect();
        self.device.retract(&CONNECTION_KEYS)?;
        self.device.publish(&[], State::Closed)?;
        closed
    }

    /// Frees rings, buffers and event channel; what the back end still maps is leaked.
    fn disconnect(&mut self) {
        self.queues = None;
    }

    /// Waits for states of a back end that comes back: none is final here, so it is polled.
    fn poll_backend(
        &self,
        wanted: &[State],
        waiting_for: &'static str,
        deadline: u64,
    ) -> Result<(), NetError> {
        let start = self.platform.now_ns();
        let mut pause = *POLL_NS.start();
        loop {
            let state = self.device.backend_state()?;
            if wanted.contains(&state) {
                return Ok(());
            }
            let now = self.platform.now_ns();
            if now >= deadline {
                let device = self.device.name().into();
                let waited_ms = (now - start) / 1_000_000;
                return Err(DeviceError::TimedOut { device, waiting_for, state, waited_ms }.into());
            }
            self.platform.wait(&[], Some(deadline.min(now + pause)));
            pause = (pause * 2).min(*POLL_NS.end());
        }
    }
}

fn read_info<D: Device>(device: &D, config: &Config) -> Result<Info, NetError> {
    Ok(Info::read(device)?.limit(config.tx_segmentation, config.tx_buffers))
}
