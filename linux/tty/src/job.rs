//! Job control: whose terminal it is, and who may use it now.

use alloc::sync::Arc;

use linux_base::abi::general::{SIGCONT, SIGHUP, SIGTTIN, SIGTTOU};
use linux_base::{Errno, Result};

use crate::tty::Tty;

/// `ERESTARTSYS` of Linux, which no program sees: a signal has been sent to the caller. The call is made again when it goes on,
/// or `EINTR` if a handler without `SA_RESTART` ran.
pub fn restart() -> Errno {
    Errno::from_number(512)
}

/// Which terminal, among all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TtyId(pub(crate) u64);

/// The process that makes a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Its process ID.
    pub pid: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Its controlling terminal.
    pub terminal: Option<TtyId>,
}

impl Caller {
    /// Whether it leads its session.
    pub fn is_leader(&self) -> bool {
        self.pid == self.session
    }
}

/// What terminals need of processes; the kernel implements it. None of it waits.
pub trait JobControl: Send + Sync {
    /// Who makes the call that runs now.
    fn caller(&self) -> Caller;

    /// Whether the caller blocks or ignores a signal.
    fn ignores(&self, signal: u32) -> bool;

    /// Whether the caller's process group is orphaned.
    fn is_orphaned(&self) -> bool;

    /// Whether the caller has `CAP_SYS_ADMIN`.
    fn is_admin(&self) -> bool;

    /// The session of a process group; `None` if there is no such group.
    fn session_of(&self, group: i32) -> Option<i32>;

    /// Sends a signal to each process of a group.
    fn signal_group(&self, group: i32, signal: u32);

    /// Sends a signal to the process that leads a session, if it is still there.
    fn signal_leader(&self, session: i32, signal: u32);

    /// Each process of a session has, or has no longer, a controlling terminal.
    fn set_terminal(&self, session: i32, terminal: Option<Arc<Tty>>);

    /// The caller alone has no controlling terminal any more.
    fn leave_terminal(&self);
}

/// Which session and group a terminal belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Owners {
    pub session: Option<i32>,
    /// The foreground.
    pub group: Option<i32>,
}

impl Tty {
    fn is_callers(&self, caller: &Caller) -> bool {
        caller.terminal == Some(self.id())
    }

    /// Whether the caller may read. A group in the background is stopped ([`restart`]), or
    /// gets `EIO` if nobody could continue it.
    pub(crate) fn check_read(&self) -> Result<()> {
        self.check(SIGTTIN)
    }

    /// Whether the caller may change the terminal, or write with `TOSTOP`.
    pub(crate) fn check_change(&self) -> Result<()> {
        self.check(SIGTTOU)
    }

    fn check(&self, signal: u32) -> Result<()> {
        let jobs = self.jobs();
        let caller = jobs.caller();
        let Some(foreground) = self.owners().group else { return Ok(()) };
        if !self.is_callers(&caller) || caller.group == foreground {
            return Ok(());
        }
        if jobs.ignores(signal) {
            return if signal == SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if jobs.is_orphaned() {
            return Err(Errno::EIO);
        }
        jobs.signal_group(caller.group, signal);
        Err(restart())
    }

    /// Makes it the controlling terminal of the caller's session if that has none: what `open` does without `O_NOCTTY`.
    pub(crate) fn adopt_caller(self: &Arc<Self>) {
        let caller = self.jobs().caller();
        if caller.is_leader() && caller.terminal.is_none() && self.owners().session.is_none() {
            self.become_terminal_of(caller.session, caller.group);
        }
    }

    /// Makes it the controlling terminal of a session, with a group in the foreground. For the kernel's first process; programs
    /// use `TIOCSCTTY`.
    pub fn become_terminal_of(self: &Arc<Self>, session: i32, group: i32) {
        self.set_owners(Owners { session: Some(session), group: Some(group) });
        self.jobs().set_terminal(session, Some(self.clone()));
    }

    /// `TIOCSCTTY`.
    pub(crate) fn set_controlling(self: &Arc<Self>, steals: bool, can_read: bool) -> Result<()> {
        let jobs = self.jobs();
        let (caller, owners) = (jobs.caller(), self.owners());
        if caller.is_leader() && owners.session == Some(caller.session) {
            return Ok(());
        }
        if !caller.is_leader() || caller.terminal.is_some() {
            return Err(Errno::EPERM);
        }
        if let Some(robbed) = owners.session {
            if !steals || !jobs.is_admin() {
                return Err(Errno::EPERM);
            }
            jobs.set_terminal(robbed, None);
        }
        if !can_read && !jobs.is_admin() {
            return Err(Errno::EPERM);
        }
        self.become_terminal_of(caller.session, caller.group);
        Ok(())
    }

    /// `TIOCNOTTY`.
    pub(crate) fn leave(&self) -> Result<()> {
        let jobs = self.jobs();
        let caller = jobs.caller();
        if !self.is_callers(&caller) {
            return Err(Errno::ENOTTY);
        }
        if caller.is_leader() {
            self.disown(caller.session);
        } else {
            jobs.leave_terminal();
        }
        Ok(())
    }

    /// The leader of the session ends: the foreground is told, and the terminal is nobody's. It stays as it is for who comes next:
    /// a pseudo-terminal as on Linux, the console because a guest has no other.
    pub fn leader_exits(&self, session: i32) {
        if self.owners().session != Some(session) {
            return;
        }
        self.disown(session);
    }

    fn disown(&self, session: i32) {
        let owners = self.owners();
        self.set_owners(Owners::default());
        if let Some(group) = owners.group {
            self.jobs().signal_group(group, SIGHUP);
            self.jobs().signal_group(group, SIGCONT);
        }
        self.jobs().set_terminal(session, None);
    }

    /// The line is gone: the leader of the session is told, and files that are open see the end.
    pub(crate) fn tell_leader_of_hang_up(&self) {
        let owners = self.owners();
        self.set_owners(Owners::default());
        if let Some(session) = owners.session {
            self.jobs().signal_leader(session, SIGHUP);
            self.jobs().signal_leader(session, SIGCONT);
            self.jobs().set_terminal(session, None);
        }
    }

    /// `TIOCGPGRP`; through a master anybody may ask.
    pub(crate) fn foreground(&self, through_master: bool) -> Result<i32> {
        if !through_master && !self.is_callers(&self.jobs().caller()) {
            return Err(Errno::ENOTTY);
        }
        Ok(self.owners().group.unwrap_or(0))
    }

    /// `TIOCSPGRP`.
    pub(crate) fn set_foreground(&self, group: i32) -> Result<()> {
        match self.check_change() {
            Err(Errno::EIO) => return Err(Errno::ENOTTY),
            other => other?,
        }
        if group < 0 {
            return Err(Errno::EINVAL);
        }
        let jobs = self.jobs();
        let (caller, mut owners) = (jobs.caller(), self.owners());
        if !self.is_callers(&caller) || owners.session != Some(caller.session) {
            return Err(Errno::ENOTTY);
        }
        match jobs.session_of(group) {
            None => return Err(Errno::ESRCH),
            Some(session) if session != caller.session => return Err(Errno::EPERM),
            Some(_) => owners.group = Some(group),
        }
        self.set_owners(owners);
        Ok(())
    }

    /// `TIOCGSID`.
    pub(crate) fn session(&self, through_master: bool) -> Result<i32> {
        if !through_master && !self.is_callers(&self.jobs().caller()) {
            return Err(Errno::ENOTTY);
        }
        self.owners().session.ok_or(Errno::ENOTTY)
    }
}
