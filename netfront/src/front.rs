//! The life of a network device: connect, run, lose the back end, come back, close.

use alloc::string::String;
use alloc::vec::Vec;

use xen::xenbus::{Device, DeviceError, State};
use xen::{EventSeq, PeerMisbehaved, Platform, Port};

use crate::groups::Groups;
use crate::info::Info;
use crate::queues::Queues;
use crate::stats::{Stats, TxStats};
use crate::tx::Sender;
use crate::{Config, NetError};

/// How often a back end that has closed is looked at again, at first and at most.
const POLL_NS: core::ops::RangeInclusive<u64> = 10_000_000..=200_000_000;

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

/// A network device.
///
/// The thread that owns it goes round: read [`NetFront::events`]; let the stack poll; [`NetFront::flush`]; and when
/// [`NetFront::arm`] says that nothing has come meanwhile, wait for an event on any of those ports past its count, but no longer
/// than [`NetFront::quiet_until`]. A thread that watches the back end's state passes changes on by [`NetFront::backend_changed`],
/// and asks [`NetFront::link`] when `carrier` or `mtu` change.
pub struct NetFront<P: Platform, D: Device> {
    platform: P,
    device: D,
    config: Config,
    info: Info,
    /// `None` while not connected.
    queues: Option<Queues<P>>,
    /// Keys in XenStore that describe a connection; they are taken back when it ends.
    published: Vec<String>,
    groups: Groups,
    error: Option<PeerMisbehaved>,
    stats: Stats,
}

impl<P: Platform, D: Device> NetFront<P, D> {
    /// Connects to the back end of `device`, which the toolstack has prepared.
    pub fn connect(platform: &P, device: D, config: Config) -> Result<Self, NetError> {
        let deadline = platform.now_ns().saturating_add(config.timeout_ns);
        device.wait_backend(&[State::InitWait], "back end in InitWait", Some(deadline))?;
        // That this side gives up is for the toolstack to see, too; the first error is the one to tell.
        let give_up = |_: &NetError| drop(device.publish(&[], State::Closed));
        let info = Info::read(&device, &config).inspect_err(give_up)?;
        let mut front = Self {
            platform: platform.clone(),
            device,
            config,
            info,
            queues: None,
            published: Vec::new(),
            groups: Groups::default(),
            error: None,
            stats: Stats::default(),
        };
        front.connect_queues(deadline)?;
        Ok(front)
    }

    /// The hardware address, the MTU, and what was agreed with the back end.
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

    /// The event channels to wait on, each with the count of its events so far. Read them before polling. None while not
    /// connected.
    pub fn events(&self) -> impl Iterator<Item = (Port, EventSeq)> {
        self.queues.iter().flat_map(Queues::events)
    }

    /// Until when events are not listened to, because many of them brought nothing. Poll again then, whatever else happens.
    pub fn quiet_until(&self) -> Option<u64> {
        self.queues.as_ref().filter(|_| self.error.is_none())?.quiet_until()
    }

    /// Shows the back end all frames sent and buffers freed since, and wakes it if it sleeps.
    pub fn flush(&mut self) {
        self.tell_groups();
        let Some((queues, stats)) = self.queues() else { return };
        queues.flush(stats);
    }

    /// Whether the back end has put something into a ring for received frames. Costs next to nothing, and asks for no event.
    pub fn has_received(&self) -> bool {
        self.queues.as_ref().filter(|_| self.error.is_none()).is_some_and(Queues::has_received)
    }

    /// Flushes and asks for an event. `true`: there is something already, poll again before sleeping. An event comes for each
    /// batch of received frames; for sent ones only when there was no room for another.
    #[must_use = "what came meanwhile brings no event"]
    pub fn arm(&mut self) -> bool {
        self.flush();
        let platform = self.platform.clone();
        let Some((queues, stats)) = self.queues() else { return false };
        queues.arm(&platform, stats)
    }

    /// Asks for frames sent to a multicast group, by its hardware address. Without effect, and needless, unless
    /// [`Info::multicast_control`]. Goes on over a reconnect. Frames for all (broadcast) come in any case.
    pub fn join(&mut self, group: [u8; 6]) {
        self.groups.join(group);
    }

    /// Takes back a [`NetFront::join`].
    pub fn leave(&mut self, group: [u8; 6]) {
        self.groups.leave(group);
    }

    fn tell_groups(&mut self) {
        if self.info.multicast_control
            && let Some(queues) = self.queues.as_mut().filter(|_| self.error.is_none())
        {
            self.groups.tell(|membership, group| queues.tx.tell(membership, group));
        }
    }

    /// Asks XenStore for the state of the link, and for the MTU if it is up. Reacts to what it finds as
    /// [`NetFront::backend_changed`] does.
    pub fn link(&mut self) -> Result<Link, NetError> {
        let state = self.device.backend_state()?;
        let link = self.backend_changed(state)?;
        if link == Link::Up {
            let scatter = self.device.backend_feature("feature-sg")?;
            self.set_mtu(Info::read_mtu(&self.device, scatter)?);
        }
        let carrier = link != Link::Up || self.device.backend_number("carrier", 1)? != 0;
        Ok(if carrier { link } else { Link::NoCarrier })
    }

    /// Frames get as long as the buffers that there are for them allow; more takes a reconnect.
    fn set_mtu(&mut self, mtu: usize) {
        if let Some(queues) = &mut self.queues {
            self.info.set_mtu(mtu, queues.tx.bytes());
            queues.tx.limit(&self.info);
        }
    }

    /// Takes notice of a state of the back end. When it is closing, the connection is given up and the device closed, which
    /// waits for the back end to let go of its pages.
    pub fn backend_changed(&mut self, state: State) -> Result<Link, NetError> {
        if state == State::Closing {
            self.shut(self.platform.now_ns().saturating_add(self.config.timeout_ns))?;
        } else if self.is_anew()? {
            self.disconnect();
        } else if matches!(state, State::Closed | State::Unknown) && self.queues.is_some() {
            if self.error.is_none() {
                self.device.publish(&[], State::Closing)?;
            }
            self.disconnect();
            self.retract()?;
            self.device.publish(&[], State::Closed)?;
        }
        Ok(match (&self.error, &self.queues) {
            (Some(_), _) => Link::Failed,
            (None, Some(_)) => Link::Up,
            (None, None) => Link::Closed,
        })
    }

    /// Whether the toolstack has made another device in the place of this one, of which this side has said nothing yet.
    fn is_anew(&self) -> Result<bool, DeviceError> {
        let state = self.device.read("state")?;
        Ok(self.queues.is_some() && state.is_some_and(|state| state.trim() == "1"))
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
        self.info = Info::read(&self.device, &self.config)?;
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
        self.has_room(Sender::ready)
    }

    /// Whether a received frame may be answered.
    pub(crate) fn can_answer(&mut self) -> bool {
        self.has_room(Sender::can_answer)
    }

    fn has_room(&mut self, ask: fn(&mut Sender<P>, &mut TxStats) -> Result<bool, PeerMisbehaved>) -> bool {
        let Some((queues, stats)) = self.queues() else { return false };
        match ask(&mut queues.tx, &mut stats.tx) {
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

    /// The queue and the length of the next received frame.
    pub(crate) fn rx_ready(&mut self) -> Option<(usize, usize)> {
        let (queues, stats) = self.queues()?;
        let received = queues.receive(stats);
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
        let peer = self.device.backend_domain();
        let queues = Queues::new(&self.platform, peer, self.device.name(), &self.info, &self.config)?;
        let keys = queues.keys();
        self.queues = Some(queues);
        self.groups.forget();
        let result = self.publish_queues(keys, deadline);
        if result.is_err() {
            // Best effort: the first error is the one to report.
            let _ = self.device.publish(&[], State::Closing);
            self.disconnect();
            let _ = self.retract();
            let _ = self.device.publish(&[], State::Closed);
        } else {
            self.stats.connects += 1;
        }
        result
    }

    fn publish_queues(&mut self, keys: Vec<(String, String)>, deadline: u64) -> Result<(), NetError> {
        let info = &self.info;
        let yes = |wanted: bool| if wanted { "1" } else { "0" };
        let mut all: Vec<(&str, &str)> =
            keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        all.extend([
            ("request-rx-copy", "1"),
            ("feature-rx-notify", "1"),
            ("feature-sg", yes(info.rx_scatter())),
            ("feature-no-csum-offload", "0"),
            ("feature-ipv6-csum-offload", "1"),
            ("feature-gso-tcpv4", yes(info.rx_segments)),
            ("feature-gso-tcpv6", yes(info.rx_segments)),
            ("request-multicast-control", yes(info.multicast_control)),
        ]);
        let published = self.device.publish(&all, State::Connected);
        self.published = connection_keys(&keys);
        published?;
        self.device.wait_backend(&[State::Connected], "back end in Connected", Some(deadline))?;
        // The buffers were posted before the back end listened.
        if let Some(queues) = &self.queues {
            queues.notify_all();
        }
        Ok(())
    }

    /// Takes the keys of the connection that has ended out of XenStore.
    fn retract(&mut self) -> Result<(), DeviceError> {
        let keys: Vec<_> = self.published.iter().map(String::as_str).collect();
        self.device.retract(&keys)?;
        self.published.clear();
        Ok(())
    }

    /// Tells the back end that we close, waits until it has let go, and frees everything.
    fn shut(&mut self, deadline: u64) -> Result<(), NetError> {
        if self.queues.is_none() {
            return Ok(());
        }
        if self.device.backend_state()? == State::Closing {
            // It lets go of our pages when it sees us close, and only `Closed` tells that it has. After that nothing more is said:
            // a toolstack that is fast has made another device by then, in the same place.
            let told = self.device.publish(&[], State::Closed).map_err(NetError::from);
            let closed = told.and_then(|()| {
                // The last two are the next device's.
                let wanted = [State::Closed, State::Unknown, State::Initialising, State::InitWait];
                self.poll_backend(&wanted, "back end in Closed", deadline)
            });
            self.disconnect();
            self.retract()?;
            return closed;
        }
        let state = if self.error.is_some() { State::Closed } else { State::Closing };
        let wanted = [State::Closing, State::Closed, State::Unknown];
        let told = self.device.publish(&[], state);
        let closed = told
            .and_then(|()| self.device.wait_backend(&wanted, "back end in Closing", Some(deadline)))
            .map(drop)
            .map_err(NetError::from);
        self.disconnect();
        self.retract()?;
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
            if state == State::Unknown {
                // The toolstack has removed it.
                return Err(DeviceError::BackendGone { device: self.device.name().into(), state }.into());
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

/// What to take back of these keys; of those of a queue, all by its directory.
fn connection_keys(keys: &[(String, String)]) -> Vec<String> {
    let mut published: Vec<String> =
        keys.iter().map(|(key, _)| key.split('/').next().unwrap_or(key).into()).collect();
    published.dedup();
    published
}
