//! `/dev/xen/gntdev`: what other domains grant.
//!
//! A map is announced by an ioctl, which gives it an offset; `mmap` there brings its pages in, whole. It ends when neither the open
//! file nor an area of memory has it: a peer that is told so finds its pages free.

mod copy;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_base::file::{MapKind, Mapping, UserMemory};
use linux_base::stat::Facts;
use linux_base::{Errno, File, Mutex, Result, Stat};
use linux_mm::{ForeignArea, Pager};

use crate::devices::PortHold;
use crate::refuse::refused;
use crate::request::{self, Fields, element, ioctl};
use crate::{Devices, GrantedPage};

const MAP_GRANT_REF: u32 = ioctl(b'G', 0, 24);
const UNMAP_GRANT_REF: u32 = ioctl(b'G', 1, 16);
const GET_OFFSET_FOR_VADDR: u32 = ioctl(b'G', 2, 24);
const SET_UNMAP_NOTIFY: u32 = ioctl(b'G', 7, 16);
const GRANT_COPY: u32 = ioctl(b'G', 8, 16);

const PAGE: u64 = 4096;
/// Pages of all maps of an open file.
pub const MAX_PAGES: usize = 4096;
/// Pages in the maps of all programs, those that are forgotten and still in memory included.
pub(crate) const MAX_PAGES_OF_ALL: usize = 4 * MAX_PAGES;

/// What is to happen to a map when it goes.
#[derive(Default)]
struct Notify {
    /// At which byte of the map a 0 is stored.
    clear: Option<u64>,
    /// Which port is notified.
    port: Option<PortHold>,
}

/// Where a map is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// An area was made for it.
    Begun,
    At {
        address: u64,
        is_writable: bool,
    },
}

struct Map {
    devices: Arc<Devices>,
    pages: Vec<GrantedPage>,
    place: Mutex<Place>,
    notify: Mutex<Notify>,
}

impl Drop for Map {
    fn drop(&mut self) {
        let notify = core::mem::take(&mut *self.notify.lock());
        // By the grant: the pages are mapped no more.
        if let Some(at) = notify.clear
            && let Some(page) = self.pages.get((at / PAGE) as usize)
        {
            let _ = self.devices.host().write_grant(*page, (at % PAGE) as usize, &[0]);
        }
        if let Some(port) = &notify.port {
            port.notify();
        }
        self.devices.uncount_mapped(self.pages.len());
    }
}

/// That a map is in an area of memory: it is gone when this is dropped.
struct Placed(Arc<Map>);

impl Drop for Placed {
    fn drop(&mut self) {
        *self.0.place.lock() = Place::Nowhere;
    }
}

/// The open device.
pub struct Gntdev {
    devices: Arc<Devices>,
    facts: Arc<dyn Facts>,
    /// By the number of their first page.
    maps: Mutex<BTreeMap<u64, Arc<Map>>>,
}

impl Gntdev {
    /// Opens it.
    pub(crate) fn new(devices: Arc<Devices>, facts: Arc<dyn Facts>) -> Self {
        Self { devices, facts, maps: Mutex::new(BTreeMap::new()) }
    }

    fn check(&self, page: GrantedPage) -> Result<GrantedPage> {
        if self.devices.may_ask(page.domain) {
            return Ok(page);
        }
        Err(refused(format_args!("grant {} of domain {}", page.gref, page.domain), Errno::EPERM))
    }

    fn map(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let count = Fields::<16>::read(memory, argument)?.u32(0) as usize;
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        if count > MAX_PAGES {
            return Err(Errno::ENOMEM);
        }
        linux_mm::ensure_room()?;
        let mut pages = Vec::new();
        pages.try_reserve_exact(count)?;
        for index in 0..count {
            let at = element(argument.checked_add(16).ok_or(Errno::EFAULT)?, index, 8)?;
            let page = Fields::<8>::read(memory, at)?;
            // The domain comes in 32 bits, and only a number of 16 can be one's.
            let domain = u16::try_from(page.u32(0)).unwrap_or(crate::DOMID_INVALID);
            pages.push(self.check(GrantedPage { domain, gref: page.u32(4) })?);
        }
        let first = {
            let mut maps = self.maps.lock();
            let total: usize = maps.values().map(|map| map.pages.len()).sum();
            if total.saturating_add(count) > MAX_PAGES {
                return Err(Errno::ENOMEM);
            }
            self.devices.count_mapped(count, MAX_PAGES_OF_ALL)?;
            let first = hole(&maps, count);
            let (place, notify) = (Mutex::new(Place::Nowhere), Mutex::new(Notify::default()));
            maps.insert(first, Arc::new(Map { devices: self.devices.clone(), pages, place, notify }));
            first
        };
        memory.write_u64(argument.checked_add(8).ok_or(Errno::EFAULT)?, first.saturating_mul(PAGE))?;
        Ok(0)
    }

    /// The map is forgotten; if it is mapped it goes on until it is unmapped.
    fn unmap(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<16>::read(memory, argument)?;
        let (first, count) = (request.u64(0) / PAGE, request.u32(8) as usize);
        let map = {
            let mut maps = self.maps.lock();
            let is_it = |map: &&Arc<Map>| count == 0 || map.pages.len() == count;
            maps.get(&first).filter(is_it).ok_or(Errno::ENOENT)?;
            maps.remove(&first).ok_or(Errno::ENOENT)?
        };
        drop(map);
        Ok(0)
    }

    /// An object for an area of memory that `mapped` fills, with the device and inode number of the node. `EINVAL` unless the
    /// range is that of a map that is nowhere yet.
    pub fn pager(&self, wanted: &Mapping, identity: (u64, u64)) -> Result<Arc<dyn Pager>> {
        let map = self.whole_map(wanted)?;
        let mut place = map.place.lock();
        if *place != Place::Nowhere {
            return Err(Errno::EINVAL);
        }
        *place = Place::Begun;
        drop(place);
        Ok(Arc::new(ForeignArea::keeping(Placed(map), identity)))
    }

    /// The map of exactly this range.
    fn whole_map(&self, wanted: &Mapping) -> Result<Arc<Map>> {
        if wanted.is_writable && !wanted.is_shared {
            return Err(Errno::EINVAL);
        }
        let map = self.maps.lock().get(&(wanted.offset / PAGE)).cloned().ok_or(Errno::EINVAL)?;
        if map.pages.len() as u64 != wanted.len.div_ceil(PAGE) {
            return Err(Errno::EINVAL);
        }
        Ok(map)
    }

    fn offset_for(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let address = Fields::<8>::read(memory, argument)?.u64(0);
        let (first, count) = {
            let maps = self.maps.lock();
            let covers = |map: &Map| {
                let Place::At { address: start, .. } = *map.place.lock() else { return false };
                let offset = address.checked_sub(start);
                offset.is_some_and(|offset| offset / PAGE < map.pages.len() as u64)
            };
            let found = maps.iter().find(|(_, map)| covers(map)).ok_or(Errno::EINVAL)?;
            (*found.0, found.1.pages.len())
        };
        memory.write_u64(argument.checked_add(8).ok_or(Errno::EFAULT)?, first.saturating_mul(PAGE))?;
        memory.write_u32(argument.checked_add(16).ok_or(Errno::EFAULT)?, count as u32)?;
        Ok(0)
    }

    fn set_notify(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let request = Fields::<16>::read(memory, argument)?;
        let (index, action, port) = (request.u64(0), request.u32(8), request.u32(12));
        let (clears, sends) = notify_actions(action)?;
        let port = if sends { Some(self.devices.hold(port)?) } else { None };
        let (first, map) = {
            let maps = self.maps.lock();
            let found = maps.range(..=index / PAGE).next_back();
            let (first, map) = found
                .filter(|(first, map)| index / PAGE - **first < map.pages.len() as u64)
                .ok_or(Errno::ENOENT)?;
            (*first, map.clone())
        };
        if clears && matches!(*map.place.lock(), Place::At { is_writable: false, .. }) {
            return Err(Errno::EINVAL);
        }
        let clear = clears.then_some(index.saturating_sub(first.saturating_mul(PAGE)));
        let old = core::mem::replace(&mut *map.notify.lock(), Notify { clear, port });
        drop(old);
        Ok(0)
    }
}

/// `UNMAP_NOTIFY_CLEAR_BYTE` and `UNMAP_NOTIFY_SEND_EVENT`
pub(crate) fn notify_actions(action: u32) -> Result<(bool, bool)> {
    if action & !3 != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((action & 1 != 0, action & 2 != 0))
}

/// The first place where so many pages have no map.
fn hole(maps: &BTreeMap<u64, Arc<Map>>, count: usize) -> u64 {
    let mut start = 0;
    for (first, map) in maps {
        if first.saturating_sub(start) >= count as u64 {
            break;
        }
        start = first.saturating_add(map.pages.len() as u64);
    }
    start
}

impl File for Gntdev {
    fn stat(&self) -> Result<Stat> {
        self.facts.stat()
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        match command {
            MAP_GRANT_REF => self.map(argument, memory),
            UNMAP_GRANT_REF => self.unmap(argument, memory),
            GET_OFFSET_FOR_VADDR => self.offset_for(argument, memory),
            SET_UNMAP_NOTIFY => self.set_notify(argument, memory),
            GRANT_COPY => self.copy(argument, memory),
            // `SET_MAX_GRANTS`, too, which is no more in Linux.
            _ => Err(Errno::ENOTTY),
        }
    }

    fn mmap(&self, wanted: &Mapping) -> Result<MapKind> {
        if *self.whole_map(wanted)?.place.lock() != Place::Nowhere {
            return Err(Errno::EINVAL);
        }
        Ok(MapKind::Foreign)
    }

    fn mapped(&self, address: u64, wanted: &Mapping) -> Result<()> {
        let map = self.whole_map(wanted)?;
        if *map.place.lock() != Place::Begun {
            return Err(Errno::EINVAL);
        }
        let mut status: Vec<i16> = request::buffer(map.pages.len())?;
        self.devices.host().map_grants(address, &map.pages, &mut status)?;
        if status.iter().any(|status| *status != 0) {
            return Err(Errno::EINVAL);
        }
        *map.place.lock() = Place::At { address, is_writable: wanted.is_writable };
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
