//! Files of `/proc` about the system as a whole.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use linux_base::Result;
use linux_vfs::pseudo::Fixed;

use super::mounts;
use crate::call::system;
use crate::task::table;

/// Adds them to a directory.
pub fn files(directory: Fixed) -> Fixed {
    let made = |make: fn() -> String| move || -> Result<Vec<u8>> { Ok(make().into_bytes()) };
    directory
        .file("meminfo", made(meminfo))
        .file("cpuinfo", made(cpuinfo))
        .file("stat", made(stat))
        .file("loadavg", made(loadavg))
        .file("uptime", made(uptime))
        .file("version", made(version))
        .file("filesystems", || Ok(mounts::filesystems()))
        .file("cmdline", made(|| format!("{}\n", minios::boot::command_line())))
        .file("vmstat", made(vmstat))
        .text("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
        .text("modules", "")
        .text("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n229 hvc\n\nBlock devices:\n202 xvd\n")
        .text("diskstats", "")
        .text("partitions", "major minor  #blocks  name\n\n")
        .text("interrupts", "           CPU0\n")
        .text("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
        .text("locks", "")
}

/// Memory that programs could have: what is free, and what of the page cache could be.
fn available(free: u64) -> u64 {
    let disks = minios_std::block::cache_usage();
    free + linux_vfs::reclaim::clean_pages() as u64 * 4 + disks.held.saturating_sub(disks.dirty) as u64 / 1024
}

fn meminfo() -> String {
    let usage = minios::memory::usage();
    let (total, free) = (usage.total as u64 * 4, usage.free as u64 * 4);
    let cached = linux_vfs::reclaim::clean_pages() as u64 * 4;
    let disks = minios_std::block::cache_usage();
    let mut text = String::new();
    for (key, value) in [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", available(free)),
        ("Buffers", disks.held as u64 / 1024),
        ("Cached", cached),
        ("SwapCached", 0),
        ("Active", 0),
        ("Inactive", cached),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", disks.dirty as u64 / 1024),
        ("Writeback", 0),
        ("AnonPages", 0),
        ("Mapped", 0),
        ("Shmem", 0),
        ("KReclaimable", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("KernelStack", table::thread_count() as u64 * crate::task::spawn::STACK_LEN as u64 / 1024),
        ("PageTables", 0),
        ("CommitLimit", total),
        ("Committed_AS", total - free.min(total)),
        ("VmallocTotal", 0),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
        ("AnonHugePages", 0),
    ] {
        let _ = writeln!(text, "{:<16}{value:>8} kB", format!("{key}:"));
    }
    text += "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n";
    text += "Hugepagesize:       2048 kB\nHugetlb:               0 kB\n";
    text
}

/// Features by CPUID leaf 1, ECX and EDX, in the words of Linux.
const EDX: [(u32, &str); 15] = [
    (0, "fpu"),
    (4, "tsc"),
    (5, "msr"),
    (6, "pae"),
    (8, "cx8"),
    (11, "sep"),
    (15, "cmov"),
    (16, "pat"),
    (19, "clflush"),
    (23, "mmx"),
    (24, "fxsr"),
    (25, "sse"),
    (26, "sse2"),
    (27, "ss"),
    (28, "ht"),
];
const ECX: [(u32, &str); 14] = [
    (0, "pni"),
    (1, "pclmulqdq"),
    (9, "ssse3"),
    (12, "fma"),
    (13, "cx16"),
    (19, "sse4_1"),
    (20, "sse4_2"),
    (22, "movbe"),
    (23, "popcnt"),
    (25, "aes"),
    (26, "xsave"),
    (28, "avx"),
    (29, "f16c"),
    (30, "rdrand"),
];

fn cpuinfo() -> String {
    use core::arch::x86_64::__cpuid;
    let text_of = |words: &[u32]| -> String {
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).trim().into()
    };
    let (first, leaf) = (__cpuid(0), __cpuid(1));
    let vendor = text_of(&[first.ebx, first.edx, first.ecx]);
    let name: Vec<u32> = (0x8000_0002..=0x8000_0004)
        .flat_map(|leaf| {
            let found = __cpuid(leaf);
            [found.eax, found.ebx, found.ecx, found.edx]
        })
        .collect();
    let (base_family, base_model) = (leaf.eax >> 8 & 15, leaf.eax >> 4 & 15);
    let family = if base_family == 15 { base_family + (leaf.eax >> 20 & 255) } else { base_family };
    let model =
        if matches!(base_family, 6 | 15) { base_model | (leaf.eax >> 16 & 15) << 4 } else { base_model };
    let mut flags: Vec<&str> =
        EDX.iter().filter(|(bit, _)| leaf.edx >> bit & 1 == 1).map(|(_, name)| *name).collect();
    flags.extend(["syscall", "nx", "lm", "constant_tsc", "rep_good", "cpuid"]);
    flags.extend(ECX.iter().filter(|(bit, _)| leaf.ecx >> bit & 1 == 1).map(|(_, name)| *name));
    flags.push("hypervisor");
    format!(
        "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {}\nstepping\t: {}\n\
         cpu MHz\t\t: {}.000\ncache size\t: 0 KB\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\n\
         initial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: {}\nwp\t\t: yes\nflags\t\t: {}\n\
         bugs\t\t:\nbogomips\t: {}.00\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 46 bits physical, 48 bits virtual\n\
         power management:\n\n",
        text_of(&name),
        leaf.eax & 15,
        2000,
        first.eax,
        flags.join(" "),
        4000,
    )
}

/// User and kernel time of all processes, and the idle rest, in ticks.
fn ticks() -> (u64, u64, u64) {
    const TICK_NS: u64 = 10_000_000;
    let (mut user, mut system) = (0, 0);
    for process in table::processes() {
        let times = crate::call::limits::process_times(&process);
        user += times.user_ns;
        system += times.system_ns;
    }
    let idle = minios::time::now_ns().saturating_sub(user + system);
    (user / TICK_NS, system / TICK_NS, idle / TICK_NS)
}

fn stat() -> String {
    let (user, system, idle) = ticks();
    let boot = minios::time::wall_clock_ns().saturating_sub(minios::time::now_ns()) / 1_000_000_000;
    format!(
        "cpu  {user} 0 {system} {idle} 0 0 0 0 0 0\ncpu0 {user} 0 {system} {idle} 0 0 0 0 0 0\nintr 0\nctxt 0\nbtime {boot}\n\
         processes {}\nprocs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
        table::last_pid(),
    )
}

fn loadavg() -> String {
    format!("0.00 0.00 0.00 1/{} {}\n", table::thread_count(), table::last_pid())
}

fn uptime() -> String {
    let hundredths = minios::time::now_ns() / 10_000_000;
    let (_, _, idle) = ticks();
    format!("{}.{:02} {}.{:02}\n", hundredths / 100, hundredths % 100, idle / 100, idle % 100)
}

fn version() -> String {
    format!("{} version {} (minios) {}\n", system::SYSNAME, system::RELEASE, system::VERSION)
}

fn vmstat() -> String {
    let usage = minios::memory::usage();
    format!(
        "nr_free_pages {}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n",
        usage.free
    )
}
