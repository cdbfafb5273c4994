//! `/dev/xen/gntalloc`: pages of this guest that others may map.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::file::{MapKind, Mapping, UserMemory};
use linux_base::stat::Facts;
use linux_base::{Errno, File, Mutex, Result, Stat};
use linux_mm::{Frame, Pager};

use crate::devices::PortHold;
use crate::gntdev::notify_actions;
use crate::refuse::refused;
use crate::request::{Fields, element, ioctl};
use crate::{Devices, Host};

const ALLOC_GREF: u32 = ioctl(b'G', 5, 24);
const DEALLOC_GREF: u32 = ioctl(b'G', 6, 16);
const SET_UNMAP_NOTIFY: u32 = ioctl(b'G', 7, 16);

/// Others may write.
const FLAG_WRITABLE: u16 = 1;

const PAGE: u64 = 4096;
/// Pages that are granted so, by all open files; as Linux's.
pub const MAX_PAGES: usize = 1024;

/// A granted page. Dropped by the last who has it, the grant ends.
struct Granted {
    devices: Arc<Devices>,
    gref: u32,
    frame: Option<Frame>,
    /// At which byte a 0 is stored at the end, and which port is notified.
    notify: Mutex<(Option<usize>, Option<PortHold>)>,
}

impl Granted {
    /// The page is counted already.
    fn new(devices: &Arc<Devices>, domain: u16, is_writable: bool) -> Result<Self> {
        let frame = Frame::zeroed()?;
        let gref = devices.host().grant(domain, &frame, is_writable)?;
        Ok(Self { devices: devices.clone(), gref, frame: Some(frame), notify: Mutex::new((None, None)) })
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let (clear, port) = core::mem::take(&mut *self.notify.lock());
        let Some(frame) = self.frame.take() else { return };
        if let Some(at) = clear {
            frame.write(at, &[0]);
        }
        if let Some(port) = port {
            port.notify();
        }
        self.devices.end_grant(self.gref, frame);
    }
}

/// Pages whose grants should have ended while the peer still mapped them, as one does that is told of the end just now. They count on.
#[derive(Default)]
pub(crate) struct Attic(Vec<(u32, Frame)>);

impl Attic {
    /// Puts one in. Without memory for it the page is nobody's for ever.
    pub fn put(&mut self, gref: u32, frame: Frame) {
        if self.0.try_reserve(1).is_ok() {
            self.0.push((gref, frame));
        } else {
            let _ = frame.into_number();
        }
    }

    /// Tries to end the grants once more; how many did end.
    pub fn sweep(&mut self, host: &dyn Host) -> usize {
        let before = self.0.len();
        self.0.retain(|(gref, _)| !host.revoke(*gref));
        before - self.0.len()
    }
}

#[derive(Default)]
struct State {
    /// By the number of the page in the file.
    pages: BTreeMap<u64, Arc<Granted>>,
    next: u64,
}

/// The open device.
pub struct Gntalloc {
    devices: Arc<Devices>,
    facts: Arc<dyn Facts>,
    state: Mutex<State>,
    inode: u64,
}

impl Gntalloc {
    /// Opens it.
    pub(crate) fn new(devices: Arc<Devices>, facts: Arc<dyn Facts>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let inode = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { devices, facts, state: Mutex::new(State::default()), inode }
    }

    fn alloc(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<8>::read(memory, argument)?;
        let (domain, flags, count) = (request.u16(0), request.u16(2), request.u32(4) as usize);
        if !self.devices.may_offer(domain) {
            return Err(refused(format_args!("granting pages to domain {domain}"), Errno::EPERM));
        }
        self.devices.count_granted(count, MAX_PAGES)?;
        let granted = self.grant(domain, flags & FLAG_WRITABLE != 0, count).inspect_err(|(done, _)| {
            // Those that were made have uncounted themselves.
            self.devices.uncount_granted(count - done);
        });
        let granted = granted.map_err(|(_, errno)| errno)?;
        let first = {
            let mut state = self.state.lock();
            let first = state.next;
            // Numbers are not used again, so that an old one names nothing.
            state.next = first.checked_add(count as u64).ok_or(Errno::ENOSPC)?;
            for (page, number) in granted.iter().zip(first..) {
                state.pages.insert(number, page.clone());
            }
            first
        };
        memory.write_u64(argument.checked_add(8).ok_or(Errno::EFAULT)?, first.saturating_mul(PAGE))?;
        for (index, page) in granted.iter().enumerate() {
            memory
                .write_u32(element(argument.checked_add(16).ok_or(Errno::EFAULT)?, index, 4)?, page.gref)?;
        }
        Ok(0)
    }

    /// Grants so many new pages; the error says how many there were when it came, which are gone again.
    fn grant(
        &self,
        domain: u16,
        is_writable: bool,
        count: usize,
    ) -> core::result::Result<Vec<Arc<Granted>>, (usize, Errno)> {
        let mut granted = Vec::new();
        granted.try_reserve_exact(count).map_err(|error| (0, error.into()))?;
        for done in 0..count {
            let page = Granted::new(&self.devices, domain, is_writable).map_err(|errno| (done, errno))?;
            granted.push(Arc::new(page));
        }
        Ok(granted)
    }

    /// Pages of a mapping stay until it goes.
    fn dealloc(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<16>::read(memory, argument)?;
        let mut gone = Vec::new();
        {
            let mut state = self.state.lock();
            let numbers = find(&state, request.u64(0), request.u32(8).into()).ok_or(Errno::EINVAL)?;
            gone.try_reserve_exact((numbers.end - numbers.start) as usize)?;
            gone.extend(numbers.filter_map(|number| state.pages.remove(&number)));
        }
        drop(gone);
        Ok(0)
    }

    fn set_notify(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<16>::read(memory, argument)?;
        let (index, action, port) = (request.u64(0), request.u32(8), request.u32(12));
        let page = self.state.lock().pages.get(&(index / PAGE)).cloned().ok_or(Errno::ENOENT)?;
        let (clears, sends) = notify_actions(action)?;
        let port = if sends { Some(self.devices.hold(port)?) } else { None };
        let new = (clears.then_some((index % PAGE) as usize), port);
        let old = core::mem::replace(&mut *page.notify.lock(), new);
        drop(old);
        Ok(0)
    }

    /// Where the pages of a mapping come from; it keeps them.
    pub fn pager(&self, offset: u64, len: u64) -> Result<Arc<dyn Pager>> {
        let state = self.state.lock();
        let numbers = find(&state, offset, len.div_ceil(PAGE)).ok_or(Errno::ENOENT)?;
        let first = numbers.start;
        let mut pages = Vec::new();
        pages.try_reserve_exact((numbers.end - numbers.start) as usize)?;
        pages.extend(state.pages.range(numbers).map(|(_, page)| page.clone()));
        Ok(Arc::new(GrantedPages { pages, first, inode: self.inode }))
    }
}

/// The numbers of so many pages from an offset, if all are there.
fn find(state: &State, offset: u64, count: u64) -> Option<core::ops::Range<u64>> {
    let first = offset / PAGE;
    let end = first.checked_add(count)?;
    let is_whole = offset.is_multiple_of(PAGE) && count > 0;
    (is_whole && state.pages.range(first..end).count() as u64 == count).then_some(first..end)
}

struct GrantedPages {
    pages: Vec<Arc<Granted>>,
    first: u64,
    inode: u64,
}

impl Pager for GrantedPages {
    fn page(&self, index: u64, _: bool) -> Result<Option<Frame>> {
        Ok(self.page_now(index))
    }

    fn page_now(&self, index: u64) -> Option<Frame> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.pages.get(place)?.frame.clone()
    }

    fn identity(&self) -> (u64, u64) {
        // No file system has this device number.
        (u64::MAX, self.inode)
    }
}

impl File for Gntalloc {
    fn stat(&self) -> Result<Stat> {
        self.facts.stat()
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        match command {
            ALLOC_GREF => self.alloc(argument, memory),
            DEALLOC_GREF => self.dealloc(argument, memory),
            SET_UNMAP_NOTIFY => self.set_notify(argument, memory),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn mmap(&self, wanted: &Mapping) -> Result<MapKind> {
        if !wanted.is_shared {
            return Err(Errno::EINVAL);
        }
        self.pager(wanted.offset, wanted.len).map(|_| MapKind::Pages)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
