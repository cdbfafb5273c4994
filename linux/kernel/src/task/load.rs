//! A program's file becomes memory.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::abi::general::{MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN};
use linux_base::io::SliceSink;
use linux_base::{Errno, OpenFile, Result};
use linux_mm::{AddressSpace, Frame, MapObject, MapRequest, Name, PAGE_SIZE, Pager, Prot};
use linux_task::elf::{HEADER_LEN, Header, Plan, Segment};
use spin::Once;

const PAGE: u64 = PAGE_SIZE as u64;

/// A program in memory.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// What was added to its addresses.
    pub bias: u64,
    /// Address of the first instruction.
    pub entry: u64,
    /// Address behind its last byte.
    pub end: u64,
    /// First address and end of the code.
    pub code: (u64, u64),
    /// First address and end of the data.
    pub data: (u64, u64),
}

/// Reads the headers of an executable. `ENOEXEC`.
pub fn plan(open: &OpenFile) -> Result<Plan> {
    let mut bytes = [0; HEADER_LEN];
    if read(open, 0, &mut bytes)? < HEADER_LEN {
        return Err(Errno::ENOEXEC);
    }
    let header = Header::parse(&bytes)?;
    let mut headers = Vec::new();
    headers.try_reserve_exact(header.len())?;
    headers.resize(header.len(), 0);
    if read(open, header.program_headers, &mut headers)? < headers.len() {
        return Err(Errno::ENOEXEC);
    }
    Plan::parse(&header, &headers)
}

/// The path of the interpreter, if the program has one.
pub fn interpreter(open: &OpenFile, plan: &Plan) -> Result<Option<Vec<u8>>> {
    let Some((offset, len)) = plan.interpreter else { return Ok(None) };
    let mut path = alloc::vec![0; len];
    if read(open, offset, &mut path)? < len || path.pop() != Some(0) || path.contains(&0) {
        return Err(Errno::ENOEXEC);
    }
    Ok(Some(path))
}

/// Reads a file's bytes, as many as there are.
pub fn read(open: &OpenFile, offset: u64, into: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.checked_add(done as u64).ok_or(Errno::EINVAL)?;
        match open.read(Some(at), &mut SliceSink::new(rest), 0)? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

/// Where a program goes that can go anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// From this address on.
    At(u64),
    /// Among the mappings.
    Anywhere,
}

/// Maps a program.
pub fn map(space: &AddressSpace, file: &MapObject, plan: &Plan, place: Place) -> Result<Loaded> {
    let bias = if plan.is_position_independent { reserve(space, plan, place)? } else { 0 };
    for segment in &plan.segments {
        map_segment(space, file, segment, bias, plan.is_position_independent)?;
    }
    let range = |wanted: fn(&&Segment) -> bool| {
        let mut found = plan.segments.iter().filter(wanted);
        let first = found.next();
        let last = found.next_back().or(first);
        first
            .zip(last)
            .map_or((0, 0), |(first, last)| (first.start.wrapping_add(bias), last.end.wrapping_add(bias)))
    };
    Ok(Loaded {
        bias,
        entry: plan.entry.wrapping_add(bias),
        end: plan.end().wrapping_add(bias),
        code: range(|segment| segment.can_execute),
        data: range(|segment| segment.can_write),
    })
}

/// Finds room for all segments and returns the bias.
fn reserve(space: &AddressSpace, plan: &Plan, place: Place) -> Result<u64> {
    let slack = plan.alignment - PAGE;
    let len = plan.len().checked_add(slack).ok_or(Errno::ENOMEM)?;
    let hint = match place {
        Place::At(address) => address,
        Place::Anywhere => 0,
    };
    let start = space.mmap(MapRequest::anonymous(hint, len, Prot::empty(), 0))?;
    space.munmap(start, len)?;
    let aligned = start.next_multiple_of(plan.alignment);
    Ok(aligned.wrapping_sub(plan.start()))
}

fn map_segment(
    space: &AddressSpace,
    file: &MapObject,
    segment: &Segment,
    bias: u64,
    replaces: bool,
) -> Result<()> {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, segment.can_read);
    prot.set(Prot::WRITE, segment.can_write);
    prot.set(Prot::EXEC, segment.can_execute);
    let fixed = if replaces { MAP_FIXED } else { MAP_FIXED_NOREPLACE };
    let at = |address: u64| address.wrapping_add(bias);
    let file_len = segment.file_end - segment.start;
    if file_len > 0 {
        let object = MapObject { offset: segment.offset, ..file.clone() };
        let request = MapRequest::private(at(segment.start), file_len, prot, fixed, object);
        space.mmap(request).map_err(no_room)?;
        let tail = segment.file_pages_end() - segment.file_end;
        if segment.end > segment.file_end && tail > 0 && segment.can_write {
            space.zero_bytes(at(segment.file_end), tail as usize)?;
        }
    }
    let zeroes = segment.file_pages_end().max(segment.start);
    let zeroes = if file_len == 0 { segment.start } else { zeroes };
    if segment.pages_end() > zeroes {
        let request = MapRequest::anonymous(at(zeroes), segment.pages_end() - zeroes, prot, fixed);
        space.mmap(request).map_err(no_room)?;
    }
    Ok(())
}

/// A place that is taken or forbidden makes the file unfit.
fn no_room(errno: Errno) -> Errno {
    if matches!(errno, Errno::EEXIST | Errno::EPERM) { Errno::ENOMEM } else { errno }
}

/// Maps the first stack and returns the address behind it. `len` bytes of it are about to be used.
pub fn map_stack(space: &AddressSpace, len: u64, is_executable: bool) -> Result<u64> {
    let top = space.layout().stack_top & !(PAGE - 1);
    let len = len.max(128 << 10).next_multiple_of(PAGE);
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXEC, is_executable);
    let request = MapRequest {
        name: Name::Special("[stack]"),
        ..MapRequest::anonymous(top - len, len, prot, MAP_FIXED | MAP_GROWSDOWN)
    };
    space.mmap(request)?;
    Ok(top)
}

/// The two pages of the vDSO: the clock's, and the code.
struct VdsoPages([Frame; 2]);

impl Pager for VdsoPages {
    fn page(&self, index: u64, _: bool) -> Result<Option<Frame>> {
        Ok(self.page_now(index))
    }

    fn page_now(&self, index: u64) -> Option<Frame> {
        self.0.get(usize::try_from(index).ok()?).cloned()
    }

    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Maps the vDSO and returns its address; `None` where there is no page for the time.
pub fn map_vdso(space: &AddressSpace) -> Option<u64> {
    let pager = vdso()?;
    let object = |offset: u64, name| MapObject {
        pager: pager.clone(),
        offset,
        may_write: false,
        may_execute: true,
        name: Name::Special(name),
    };
    let start = space.mmap(MapRequest::anonymous(0, 2 * PAGE, Prot::empty(), 0)).ok()?;
    let fixed = |offset: u64, prot, name| {
        space.mmap(MapRequest::private(start + offset, PAGE, prot, MAP_FIXED, object(offset, name)))
    };
    fixed(0, Prot::READ, "[vvar]").ok()?;
    fixed(PAGE, Prot::READ | Prot::EXEC, "[vdso]").ok()?;
    Some(start + PAGE)
}

fn vdso() -> Option<Arc<dyn Pager>> {
    static PAGER: Once<Option<Arc<dyn Pager>>> = Once::new();
    PAGER
        .call_once(|| {
            let time = minios::user::time_page()?.direct_address() as *mut u8;
            // SAFETY: the page of the clock stays as long as the guest runs, and is written by atomics and by Xen only.
            let time = unsafe { Frame::from_static(core::ptr::NonNull::new(time)?) };
            let code = Frame::zeroed().ok()?;
            code.write(0, linux_vdso::image());
            let pager: Arc<dyn Pager> = Arc::new(VdsoPages([time, code]));
            Some(pager)
        })
        .clone()
}
