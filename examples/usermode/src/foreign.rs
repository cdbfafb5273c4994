//! Frames of another domain in page tables of user mode, hypercalls on it, and grants.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use minios::Xen;
use minios::foreign::{self, Domain, Rights, Window};
use minios::hypercall::{self, Errno};
use minios::memory::Mfn;
use minios::memory::paging::MapError;
use minios::user::{Counting, Exit, Fork, Grant, table_pages};
use xen::{Access, DomId, GrantRef, Grants};

use crate::other::Other;
use crate::process::{CODE, Process, READ, WRITE, free, page};
use crate::{Outcome, Test, check, programs};

pub const TESTS: &[Test] = &[
    ("frames of another domain are read and written", read_and_written),
    ("a frame that is refused stops no other", refused),
    ("many frames are one hypercall, and so are they unmapped", batches),
    ("a frame of another domain is none of ours", not_ours),
    ("the kernel sees them through its window", window),
    ("a domain goes when nothing of it is mapped", goes),
    ("the pages of an I/O request server are mapped", resource),
    ("hypercalls on another domain", hypercalls),
    ("grants are mapped and ended", grants),
    ("a grant that does not end keeps its place", stuck),
];

const AT: u64 = 0x5000_0000;
const ESRCH: Errno = Errno(3);

fn text(error: impl core::fmt::Display) -> String {
    format!("{error}")
}

/// Maps frames of a domain in a process.
fn map(
    process: &mut Process,
    at: u64,
    other: &Other,
    frames: &[u64],
    write: bool,
) -> Result<Vec<i32>, String> {
    let mut errors = vec![-1; frames.len()];
    let domain = other.0.number();
    process.tables.map_foreign(at, domain, frames, Counting::Guest, write, &mut errors).map_err(text)?;
    Ok(errors)
}

/// Has a process use an address.
fn touch(process: &mut Process, address: u64, value: u64) -> Exit {
    let r = process.context.registers_mut();
    (r.rip, r.rdi, r.rsi) = (CODE, address, value);
    process.run_on()
}

fn read_at(process: &mut Process, address: u64) -> Result<u64, String> {
    match touch(process, address, 0) {
        Exit::Syscall => Ok(process.context.registers().rax),
        exit => Err(format!("{exit:?} at {address:#x}")),
    }
}

fn read_and_written() -> Outcome {
    let other = Other::new()?;
    let (mut writer, mut reader) = (Process::new(programs::write())?, Process::new(programs::read())?);
    check!(map(&mut writer, AT, &other, &[3, 4], true)? == [0, 0], "not mapped");
    check!(map(&mut reader, AT, &other, &[4, 3], false)? == [0, 0], "not mapped");
    for (at, value) in [(AT + 8, 11), (AT + 0x1000 + 8, 22)] {
        check!(touch(&mut writer, at, value) == Exit::Syscall, "{at:#x} is not written");
    }
    let seen = (read_at(&mut reader, AT + 8)?, read_at(&mut reader, AT + 0x1000 + 8)?);
    check!(seen == (22, 11), "{seen:?} are read");
    let mut refused = Process::new(programs::write())?;
    check!(map(&mut refused, AT, &other, &[4], false)? == [0], "not mapped");
    let exit = touch(&mut refused, AT + 8, 33);
    check!(exit != Exit::Syscall && read_at(&mut reader, AT + 8)? == 22, "it wrote: {exit:?}");
    Ok(())
}

fn refused() -> Outcome {
    let other = Other::new()?;
    let mut process = Process::new(programs::read())?;
    let hole = Other::FRAMES + 5;
    let errors = map(&mut process, AT, &other, &[7, hole, 8, 1 << 45, hole, 9, hole], true)?;
    check!(errors == [0, 22, 0, 22, 22, 0, 22], "{errors:?}");
    for (page, error) in errors.iter().enumerate() {
        let read = read_at(&mut process, AT + page as u64 * 0x1000);
        check!(read.is_ok() == (*error == 0), "page {page}: {read:?}");
    }
    let errors = map(&mut process, AT, &other, &[1, 1], true)?;
    check!(errors == [16, 0], "where something is mapped: {errors:?}");
    for (domain, errno) in [(0x7ff0, 3), (0x7ff1, 3), (0x7ff2, 3), (0, 3), (500, 3)] {
        let mut errors = [-1; 2];
        let (tables, at) = (&mut process.tables, AT + 0x10_0000);
        tables.map_foreign(at, domain, &[1, 2], Counting::Guest, true, &mut errors).map_err(text)?;
        check!(errors == [errno; 2], "domain {domain:#x}: {errors:?}");
    }
    Ok(())
}

fn batches() -> Outcome {
    let other = Other::new()?;
    let mut process = Process::new(programs::read())?;
    let frames: Vec<u64> = (0..600).collect();
    // Makes the tables.
    map(&mut process, AT, &other, &frames, true)?;
    process.tables.clear_range(AT + 0x1000..AT + 0x20_0000, &mut |_, _| {}).map_err(text)?;
    process.tables.clear_range(AT + 0x20_1000..AT + 0x40_0000, &mut |_, _| {}).map_err(text)?;
    let (start, before) = (minios::time::now_ns(), hypercall::count());
    check!(
        map(&mut process, AT + 0x1000, &other, &frames[..256], true)?.iter().all(|error| *error == 0),
        "not mapped"
    );
    let (mapped, calls) = (minios::time::now_ns(), hypercall::count() - before);
    check!(calls == 1, "{calls} hypercalls for 256 pages");
    let before = hypercall::count();
    let mut own = 0;
    process.tables.clear_range(AT + 0x1000..AT + 0x10_1000, &mut |_, _| own += 1).map_err(text)?;
    let (cleared, calls) = (minios::time::now_ns(), hypercall::count() - before);
    check!(own == 0 && calls == 1, "{own} pages of ours, {calls} hypercalls to unmap 256 pages");
    minios::println!(
        "256 foreign pages: {} us to map, {} us to unmap",
        (mapped - start) / 1000,
        (cleared - mapped) / 1000
    );
    check!(
        read_at(&mut process, AT + 0x1000).is_err() && read_at(&mut process, AT).is_ok(),
        "unmapped is not"
    );
    Ok(())
}

fn not_ours() -> Outcome {
    let other = Other::new()?;
    let mut process = Process::new(programs::read())?;
    check!(map(&mut process, AT, &other, &[5, 6], true)? == [0, 0], "not mapped");
    process.map(AT + 0x2000, page()?, WRITE)?;
    process.commit()?;
    check!(process.tables.entry(AT).is_none(), "it is taken for a page of ours");
    let leaf = process.tables.foreign(AT).ok_or("it is not found")?;
    check!(leaf.write && leaf.grant.is_none(), "{leaf:?}");
    let mut seen = Vec::new();
    process.tables.visit(AT..AT + 0x10_0000, &mut |at, _| seen.push(at));
    check!(seen == [AT + 0x2000], "{seen:x?} are seen");
    process.tables.protect(AT..AT + 0x10_0000, &mut |_, _| READ).map_err(text)?;
    check!(process.tables.foreign(AT) == Some(leaf), "its protection was changed");
    // SAFETY: the child only maps the page for reading, and goes first.
    let child = unsafe {
        process.tables.fork_copy(core::iter::once(0..AT + 0x10_0000), &mut |at, _| {
            if at >= AT { Fork::Share } else { Fork::Skip }
        })
    };
    let mut child = child.map_err(text)?;
    check!(child.entry(AT + 0x2000).is_some() && child.foreign(AT).is_none(), "a child has it");
    child.clear_range(0..minios::user::USER_END, &mut |_, _| {}).map_err(text)?;
    let mut gone = Vec::new();
    process.tables.clear_range(AT..AT + 0x20_0000, &mut |at, pfn| gone.push((at, pfn))).map_err(text)?;
    gone.iter().for_each(|(_, pfn)| crate::process::free(*pfn));
    check!(gone.len() == 1 && gone[0].0 == AT + 0x2000, "{gone:x?} were ours");
    Ok(())
}

fn window() -> Outcome {
    let other = Other::new()?;
    let (mut writer, mut reader) = (Process::new(programs::write())?, Process::new(programs::read())?);
    let frames: Vec<u64> = (20..20 + Window::PAGES as u64).collect();
    for process in [&mut writer, &mut reader] {
        check!(map(process, AT, &other, &frames, true)?.iter().all(|error| *error == 0), "not mapped");
    }
    let mut window = Window::new().map_err(text)?;
    let domain = other.0.number();
    let word = |window: &Window, page: usize| {
        // SAFETY: an aligned word of a page that is shown.
        unsafe { window.as_ptr().add(page * 0x1000 + 16).cast::<u64>() }
    };
    for (first, count) in [(0, 1), (3, Window::PAGES - 3), (1, 2)] {
        let shown: Vec<_> = (first..first + count).filter_map(|page| process_frame(&writer, page)).collect();
        let mut run = vec![Mfn(0); count + 1];
        let found = writer.tables.foreign_run(AT + first as u64 * 0x1000, &mut run).map(|(_, found)| found);
        let expected = (count + 1).min(Window::PAGES - first);
        check!(found == Some(expected) && run[..count] == shown, "a run of {found:?} frames at {first}");
        let done = window.show(domain, &shown, Rights::Write).map_err(text)?;
        check!(done == count, "{done} of {count} are shown");
        for page in 0..count {
            let value = (first + page) as u64 * 3 + 1;
            let at = AT + (first + page) as u64 * 0x1000 + 16;
            check!(touch(&mut writer, at, value) == Exit::Syscall, "not written");
            // SAFETY: shown.
            let seen = unsafe { word(&window, page).read_volatile() };
            check!(seen == value, "page {page} of {count}: {seen} and not {value}");
            // SAFETY: shown, for writing.
            unsafe { word(&window, page).write_volatile(value + 1) };
            let seen = read_at(&mut reader, at)?;
            check!(seen == value + 1, "page {page} of {count}: the program reads {seen}");
        }
    }
    let frame = process_frame(&writer, 0).ok_or("no frame")?;
    let refused = window.show(domain, &[frame, Mfn(1 << 38)], Rights::Read);
    check!(refused == Ok(1), "a frame that is not there: {refused:?}");
    check!(window.show(0, &[frame], Rights::Read).is_err(), "a frame is shown as our own");
    window.close().map_err(text)
}

fn process_frame(process: &Process, page: usize) -> Option<Mfn> {
    process.tables.foreign(AT + page as u64 * 0x1000).map(|leaf| leaf.frame)
}

fn goes() -> Outcome {
    for clears in [false, true] {
        let other = Other::new()?;
        let domain = other.0.number();
        let mut process = Process::new(programs::read())?;
        let mut window = Window::new().map_err(text)?;
        check!(map(&mut process, AT, &other, &[1, 2, 3], true)? == [0; 3], "not mapped");
        let frame = process_frame(&process, 1).ok_or("no frame")?;
        check!(window.show(domain, &[frame], Rights::Write) == Ok(1), "not shown");
        drop(other);
        check!(Domain::new(domain).is_ok(), "it is gone while its frames are mapped");
        window.close().map_err(text)?;
        if clears {
            process.tables.clear_range(AT..AT + 0x3000, &mut |_, _| {}).map_err(text)?;
        } else {
            drop(process);
        }
        check!(Domain::new(domain) == Err(ESRCH), "it is there after all was unmapped");
    }
    Ok(())
}

fn resource() -> Outcome {
    const CREATE_IOREQ_SERVER: u8 = 1;
    let other = Other::new()?;
    let mut operation = vec![0u8; 64];
    (operation[0], operation[8]) = (CREATE_IOREQ_SERVER, 1);
    let mut buffers = [operation];
    foreign::dm_op(other.0, &mut buffers).map_err(text)?;
    let id = u32::from(u16::from_le_bytes([buffers[0][12], buffers[0][13]]));
    let kind = 0;
    let size = foreign::resource_size(other.0, kind, id).map_err(text)?;
    check!(size >= 2, "{size} frames");
    let mut frames = [0; 2];
    foreign::acquire_resource(other.0, kind, id, 0, &mut frames).map_err(text)?;
    check!(frames[0] != 0 && frames[0] != frames[1], "{frames:?}");
    let mut reader = Process::new(programs::read())?;
    let mut errors = [-1; 2];
    let domain = other.0.number();
    reader.tables.map_foreign(AT, domain, &frames, Counting::Machine, true, &mut errors).map_err(text)?;
    check!(errors == [0, 0], "{errors:?}");
    let seen = (read_at(&mut reader, AT)?, read_at(&mut reader, AT + 0x1000)?);
    check!(seen == (0, 0), "{seen:?}");
    let refused = foreign::acquire_resource(other.0, kind, id + 7, 0, &mut frames);
    check!(refused.is_err(), "a server that is not there");
    Ok(())
}

fn hypercalls() -> Outcome {
    for (number, what) in [(0, "ourselves"), (501, "nobody"), (0x7ff0, "ourselves by name"), (0x7ff2, "Xen")]
    {
        check!(Domain::new(number) == Err(ESRCH), "{what} is another domain");
    }
    let other = Other::new()?.0;
    // It is gone again.
    check!(foreign::maximum_gpfn(other) == Err(ESRCH), "a domain that is gone");
    let other = Other::new()?;
    let last = foreign::maximum_gpfn(other.0);
    check!(last == Ok(Other::FRAMES - 1), "{last:?}");
    let store_pfn = 1;
    foreign::set_hvm_param(other.0, store_pfn, 77).map_err(text)?;
    let got = foreign::hvm_param(other.0, store_pfn);
    check!(got == Ok(77), "{got:?}");
    check!(foreign::hvm_param(other.0, 1000) == Err(Errno(22)), "a parameter that is not there");
    let taken = foreign::decrease_reservation(other.0, &mut [Other::FRAMES - 1, 5], 0);
    check!(taken == Ok(2), "{taken:?}");
    let mut process = Process::new(programs::read())?;
    let errors = map(&mut process, AT, &other, &[4, 5, 6], true)?;
    check!(errors == [0, 22, 0], "{errors:?}");
    let given = foreign::populate_physmap(other.0, &mut [5], 0, 0);
    check!(given == Ok(1) && map(&mut process, AT + 0x1000, &other, &[5], true)? == [0], "{given:?}");
    foreign::remove_from_physmap(other.0, 6).map_err(text)?;
    check!(map(&mut process, AT + 0x3000, &other, &[6], true)? == [22], "a frame that was removed");
    let refused = foreign::dm_op(other.0, &mut [vec![0; 2]]);
    check!(refused == Err(Errno(14)), "an operation that is too short: {refused:?}");
    let refused = foreign::dm_op(other.0, &mut [vec![], vec![], vec![], vec![]]);
    check!(refused == Err(Errno(7)), "too many buffers: {refused:?}");
    foreign::remote_shutdown(other.0, 0).map_err(text)
}

/// More than are mapped by one hypercall.
const GRANTS: usize = 40;

fn grants() -> Outcome {
    for clears in [false, true] {
        let mut pages = Vec::new();
        for number in 0..GRANTS {
            let page = Xen.alloc_page().map_err(|_| "no page")?;
            // SAFETY: a page of ours.
            unsafe { page.cast::<u64>().write_volatile(number as u64 + 5) };
            // SAFETY: no reference into it is made.
            let gref = unsafe { Xen.grant(DomId::new(0), page, Access::ReadWrite) }.map_err(text)?;
            pages.push((page, gref));
        }
        let mut wanted: Vec<Grant> =
            pages.iter().map(|(_, gref)| Grant { domain: 0, gref: gref.raw() }).collect();
        wanted.insert(2, Grant { domain: 0, gref: 500 });
        wanted.push(Grant { domain: 501, gref: 9 });
        let mut status = vec![1; wanted.len()];
        let mut process = Process::new(programs::read())?;
        process.tables.map_grants(AT, &wanted, true, &mut status).map_err(text)?;
        check!(status[2] < 0 && status[GRANTS + 1] == -2, "bad grants: {status:?}");
        let mapped = status.iter().filter(|status| **status == 0).count();
        check!(mapped == GRANTS, "{mapped} are mapped: {status:?}");
        let last = AT + last_page() as u64 * 0x1000;
        let seen = (read_at(&mut process, AT)?, read_at(&mut process, last)?);
        check!(seen == (5, GRANTS as u64 + 4), "{seen:?}");
        check!(read_at(&mut process, AT + 0x2000).is_err(), "a bad grant is mapped");
        check!(process.tables.entry(AT).is_none(), "a grant is taken for a page of ours");
        let leaf = process.tables.foreign(AT).ok_or("it is not found")?;
        check!(leaf.grant == Some(wanted[0]), "{leaf:?}");
        let run = process.tables.foreign_run(AT, &mut [Mfn(0); 4]);
        check!(run == Some((leaf, 1)), "a grant does not stand alone: {run:?}");
        let mut window = Window::new().map_err(text)?;
        for (page, value) in [(0, 5), (last_page(), GRANTS as u64 + 4), (0, 5)] {
            window.show_grant(wanted[page], Rights::Read).map_err(text)?;
            // SAFETY: shown.
            let seen = unsafe { window.as_ptr().cast::<u64>().read_volatile() };
            check!(seen == value, "the kernel sees {seen} in page {page}");
        }
        window.close().map_err(text)?;
        if clears {
            process.tables.clear_range(AT..last + 0x1000, &mut |_, _| {}).map_err(text)?;
        }
        drop(process);
        pages.into_iter().try_for_each(|(page, gref)| end(page, gref))?;
    }
    Ok(())
}

/// A program that has a page of its own put where a grant is mapped takes from Xen what it ends the grant by.
fn stuck() -> Outcome {
    let granted = Xen.alloc_page().map_err(|_| "no page")?;
    // SAFETY: no reference into it is made.
    let gref = unsafe { Xen.grant(DomId::new(0), granted, Access::ReadWrite) }.map_err(text)?;
    let mut process = Process::new(programs::read())?;
    let mut status = [1];
    let grant = Grant { domain: 0, gref: gref.raw() };
    process.tables.map_grants(AT, &[grant], true, &mut status).map_err(text)?;
    check!(status == [0], "{status:?}");
    // SAFETY: a page of ours, that stays mapped for good.
    unsafe { process.tables.set(AT, Some((page()?, READ))) }.map_err(text)?;
    process.tables.commit().map_err(text)?;
    for _ in 0..2 {
        let cleared = process.tables.clear_range(AT..AT + 0x1000, &mut |_, _| {});
        check!(cleared == Err(MapError::Refused(Errno(22))), "{cleared:?}");
        check!(process.tables.entry(AT).is_some(), "its entry is gone");
    }
    check!(process.tables.clear_range(CODE..CODE + 0x1000, &mut |_, pfn| free(pfn)).is_ok(), "others stay");
    let tables = table_pages();
    drop(process);
    check!(table_pages() == tables, "its tables were given back");
    Ok(())
}

/// The page of the last good grant: there is a bad one before.
const fn last_page() -> usize {
    GRANTS
}

fn end(page: core::ptr::NonNull<u8>, gref: GrantRef) -> Outcome {
    // SAFETY: granted above.
    unsafe { Xen.revoke(gref) }.map_err(|_| format!("{gref:?} is still mapped"))?;
    // SAFETY: from `alloc_page`, and no longer granted.
    unsafe { Xen.free_page(page) };
    Ok(())
}
