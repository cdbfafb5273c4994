//! `/proc/PID/stat`, `statm`, `status` and `limits`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use linux_base::Result;
use linux_mm::Totals;
use linux_task::limits::{INFINITY, Resource};

use super::Of;
use crate::call::limits::process_times;
use crate::host;
use crate::task::{Process, Thread};

/// Nanoseconds of a clock tick.
const TICK_NS: u64 = 10_000_000;

fn totals(process: &Process) -> Totals {
    process.space().map(|space| space.totals()).unwrap_or_default()
}

/// The letter of its state, and the word for it.
fn state(process: &Process, thread: Option<&Thread>) -> (char, &'static str) {
    let state = process.state.lock();
    if state.is_zombie {
        return ('Z', "Z (zombie)");
    }
    if state.stopped.is_some() {
        return ('T', "T (stopped)");
    }
    drop(state);
    let runs = host::current().zip(thread).is_some_and(|(current, thread)| core::ptr::eq(&*current, thread));
    if runs { ('R', "R (running)") } else { ('S', "S (sleeping)") }
}

fn comm(process: &Process, thread: Option<&Thread>) -> String {
    thread
        .map(Thread::comm)
        .or_else(|| process.any_thread().map(|thread| thread.comm()))
        .unwrap_or_else(|| process.last_comm.lock().clone())
}

/// `/proc/PID/stat`; of the process as a whole or of one thread.
pub fn stat(process: &Of, thread: Option<&Thread>, is_process: bool) -> Result<Vec<u8>> {
    let times = match (is_process, thread) {
        (false, Some(thread)) => *thread.times.lock(),
        _ => process_times(process),
    };
    let (totals, image) = (totals(process), process.image.lock().clone());
    let (pid, nice) =
        (if is_process { process.pid() } else { thread.map_or(0, Thread::tid) }, *process.nice.lock());
    let terminal = process.terminal.lock().clone();
    let (device, foreground) =
        terminal.map_or((0, -1), |tty| (tty.device().encode(), tty.foreground_group().unwrap_or(-1)));
    let (pending, mask) = thread.map_or((0, 0), |thread| {
        let signals = thread.signals.lock();
        (signals.pending.set().0, signals.mask.0)
    });
    let (caught, ignored) = process.actions().lock().caught_and_ignored();
    let threads = process.relations.lock().threads.len();
    let ticks = |ns: u64| ns / TICK_NS;
    let started = process.started_ns;
    let resident_limit = process.limit(Resource::Resident);
    let exit_signal = process.exit_signal.load(core::sync::atomic::Ordering::Relaxed);
    let encoded = process.state.lock().exit.map_or(0, |status| status.encode());
    let text = format!(
        "{pid} ({}) {} {} {} {} {device} {foreground} 4194304 {} 0 {} 0 {} {} {} {} {} {nice} {threads} 0 {} {} {} {resident_limit} \
         {} {} {} 0 0 {pending} {mask} {} {} 0 0 0 {exit_signal} 0 0 0 0 0 0 {} {} {} {} {} {} {} {encoded}\n",
        comm(process, thread),
        state(process, thread).0,
        process.parent_pid(),
        process.group(),
        process.session(),
        times.minor_faults,
        times.major_faults,
        ticks(times.user_ns),
        ticks(times.system_ns),
        ticks(times.children_user_ns),
        ticks(times.children_system_ns),
        20 + nice,
        ticks(started),
        totals.size * 4096,
        totals.resident,
        image.code.0,
        image.code.1,
        image.stack,
        ignored.0,
        caught.0,
        image.data.0,
        image.data.1,
        0,
        image.arguments.0,
        image.arguments.1,
        image.environment.0,
        image.environment.1,
    );
    Ok(text.into_bytes())
}

/// `/proc/PID/statm`.
pub fn statm(process: &Of) -> Result<Vec<u8>> {
    let totals = totals(process);
    let text = format!(
        "{} {} {} {} 0 {} 0\n",
        totals.size,
        totals.resident,
        0,
        totals.executable,
        totals.data + totals.stack
    );
    Ok(text.into_bytes())
}

/// `/proc/PID/status`.
pub fn status(process: &Of, thread: Option<&Thread>) -> Result<Vec<u8>> {
    let mut text = String::new();
    let (pid, parent) = (process.pid(), process.parent_pid());
    let umask = thread.map_or(0, |thread| thread.fs().umask.load(core::sync::atomic::Ordering::Relaxed));
    let _ = writeln!(
        text,
        "Name:\t{}\nUmask:\t{umask:04o}\nState:\t{}",
        comm(process, thread),
        state(process, thread).1
    );
    let tid = thread.map_or(pid, Thread::tid);
    let _ = writeln!(text, "Tgid:\t{pid}\nNgid:\t0\nPid:\t{tid}\nPPid:\t{parent}\nTracerPid:\t0");
    if let Some(thread) = thread {
        let own = thread.credentials();
        for (name, ids) in [("Uid", own.uid), ("Gid", own.gid)] {
            let _ = writeln!(text, "{name}:\t{}\t{}\t{}\t{}", ids.real, ids.effective, ids.saved, ids.fs);
        }
        let _ =
            writeln!(text, "FDSize:\t{}", thread.files().map_or(0, |files| files.len().next_multiple_of(64)));
        text += "Groups:\t";
        for group in own.groups.iter() {
            let _ = write!(text, "{group} ");
        }
        let _ = writeln!(
            text,
            "\nNStgid:\t{pid}\nNSpid:\t{tid}\nNSpgid:\t{}\nNSsid:\t{}",
            process.group(),
            process.session()
        );
    }
    if process.space().is_some() {
        let totals = totals(process);
        for (name, pages) in [
            ("VmPeak", totals.peak_size),
            ("VmSize", totals.size),
            ("VmLck", totals.locked),
            ("VmPin", 0),
            ("VmHWM", totals.peak_resident),
            ("VmRSS", totals.resident),
            ("RssAnon", totals.resident),
            ("RssFile", 0),
            ("RssShmem", 0),
            ("VmData", totals.data),
            ("VmStk", totals.stack),
            ("VmExe", totals.executable),
            ("VmLib", 0),
            ("VmPTE", totals.tables),
            ("VmSwap", 0),
        ] {
            let _ = writeln!(text, "{name}:\t{:>8} kB", pages * 4);
        }
    }
    let _ = writeln!(
        text,
        "CoreDumping:\t0\nTHP_enabled:\t0\nThreads:\t{}",
        process.relations.lock().threads.len()
    );
    let (caught, ignored) = process.actions().lock().caught_and_ignored();
    let shared = process.pending.lock().set().0;
    let (queued, limit) = (process.pending.lock().len(), process.limit(Resource::PendingSignals));
    let (pending, mask) = thread.map_or((0, 0), |thread| {
        let signals = thread.signals.lock();
        (signals.pending.set().0, signals.mask.0)
    });
    let _ = writeln!(
        text,
        "SigQ:\t{queued}/{limit}\nSigPnd:\t{pending:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{mask:016x}"
    );
    let _ = writeln!(text, "SigIgn:\t{:016x}\nSigCgt:\t{:016x}", ignored.0, caught.0);
    if let Some(thread) = thread {
        let own = thread.credentials();
        for (name, set) in [
            ("CapInh", own.inheritable),
            ("CapPrm", own.permitted),
            ("CapEff", own.effective),
            ("CapBnd", own.bounding),
            ("CapAmb", own.ambient),
        ] {
            let _ = writeln!(text, "{name}:\t{set:016x}");
        }
        let no_new = thread.traits.load(core::sync::atomic::Ordering::Relaxed) & 1;
        let _ = writeln!(text, "NoNewPrivs:\t{no_new}");
    }
    let times = process_times(process);
    text += "Seccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tnot vulnerable\n";
    text += "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n";
    let _ = writeln!(
        text,
        "voluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}",
        times.waits, times.preemptions
    );
    Ok(text.into_bytes())
}

const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

/// `/proc/PID/limits`.
pub fn limits(process: &Of) -> Result<Vec<u8>> {
    let limits = *process.limits.lock();
    let shown = |value: u64| if value == INFINITY { String::from("unlimited") } else { format!("{value}") };
    let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (number, (name, unit)) in LIMITS.iter().enumerate() {
        let limit = limits.get(Resource::new(number as u32)?);
        let _ = writeln!(text, "{name:<25} {:<20} {:<20} {unit:<10}", shown(limit.soft), shown(limit.hard));
    }
    Ok(text.into_bytes())
}
