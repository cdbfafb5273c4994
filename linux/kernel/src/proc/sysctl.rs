//! `/proc/sys`.

use alloc::format;
use alloc::vec::Vec;

use linux_base::{Result, host};
use linux_task::limits::Limits;
use linux_vfs::pseudo::Fixed;

use super::{Kept, Value, writable};
use crate::call::system;
use crate::task::table;

fn line(text: impl core::fmt::Display) -> Result<Vec<u8>> {
    Ok(format!("{text}\n").into_bytes())
}

/// A random UUID (version 4).
fn uuid() -> Result<Vec<u8>> {
    let mut bytes = [0; 16];
    host::host().random(&mut bytes);
    line(uuid_of(bytes))
}

fn uuid_of(bytes: [u8; 16]) -> alloc::string::String {
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn boot_id() -> Result<Vec<u8>> {
    static ID: spin::Once<[u8; 16]> = spin::Once::new();
    let id = ID.call_once(|| {
        let mut bytes = [0; 16];
        host::host().random(&mut bytes);
        bytes
    });
    line(uuid_of(*id))
}

/// The directory.
pub fn root() -> Fixed {
    Fixed::new().directory("kernel", kernel()).directory("vm", vm()).directory("fs", fs()).directory(
        "net",
        Fixed::new()
            .directory("core", net_core())
            .directory("ipv4", ipv4())
            .directory("ipv6", ipv6())
            .directory("unix", kept(&[("max_dgram_qlen", "512")])),
    )
}

/// Values that are kept and mean nothing.
fn kept(values: &[(&str, &str)]) -> Fixed {
    values.iter().fold(Fixed::new(), |directory, (name, value)| {
        directory.with(name, writable(Kept::new(&format!("{value}\n"))))
    })
}

fn kernel() -> Fixed {
    let random = kept(&[("poolsize", "256"), ("entropy_avail", "256"), ("write_wakeup_threshold", "256")])
        .file("uuid", uuid)
        .file("boot_id", boot_id);
    let hostname = Value(
        || {
            let mut name = system::hostname();
            name.push(b'\n');
            Ok(name)
        },
        |name: &[u8]| {
            system::set_hostname(name);
            Ok(())
        },
    );
    kept(&[
        ("overflowuid", "65534"),
        ("overflowgid", "65534"),
        ("core_pattern", "core"),
        ("core_uses_pid", "0"),
        ("randomize_va_space", "2"),
        ("shmmax", "18446744073692774399"),
        ("shmall", "18446744073692774399"),
        ("shmmni", "4096"),
        ("msgmax", "8192"),
        ("msgmnb", "16384"),
        ("msgmni", "32000"),
        ("sem", "32000\t1024000000\t500\t32000"),
        ("sched_child_runs_first", "0"),
        ("sched_rt_runtime_us", "950000"),
        ("printk", "4\t4\t1\t7"),
        ("dmesg_restrict", "1"),
        ("kptr_restrict", "1"),
        ("perf_event_paranoid", "3"),
        ("threads-max", "32768"),
        ("panic", "0"),
        ("tainted", "0"),
        ("unprivileged_bpf_disabled", "2"),
        ("yama", "0"),
    ])
    .with("hostname", writable(hostname))
    .file("domainname", || {
        let mut name = system::domainname();
        name.push(b'\n');
        Ok(name)
    })
    .file("ostype", || line(system::SYSNAME))
    .file("osrelease", || line(system::RELEASE))
    .file("version", || line(system::VERSION))
    .file("pid_max", || line(table::PID_MAX))
    .text("ngroups_max", "65536\n")
    .text("cap_last_cap", "40\n")
    .file("ns_last_pid", || line(table::last_pid()))
    .directory("random", random)
}

fn vm() -> Fixed {
    kept(&[
        ("overcommit_memory", "0"),
        ("overcommit_ratio", "50"),
        ("max_map_count", "65530"),
        ("swappiness", "60"),
        ("dirty_ratio", "20"),
        ("dirty_background_ratio", "10"),
        ("mmap_min_addr", "65536"),
        ("min_free_kbytes", "1024"),
        ("nr_hugepages", "0"),
        ("panic_on_oom", "0"),
        ("vfs_cache_pressure", "100"),
    ])
}

fn fs() -> Fixed {
    let inotify =
        kept(&[("max_user_watches", "65536"), ("max_user_instances", "128"), ("max_queued_events", "16384")]);
    kept(&[
        ("file-max", "9223372036854775807"),
        ("pipe-max-size", "1048576"),
        ("pipe-user-pages-soft", "16384"),
        ("pipe-user-pages-hard", "0"),
        ("protected_hardlinks", "1"),
        ("protected_symlinks", "1"),
        ("suid_dumpable", "0"),
        ("aio-max-nr", "0"),
        ("aio-nr", "0"),
        ("lease-break-time", "45"),
    ])
    .file("nr_open", || line(Limits::MOST_FILES))
    .text("file-nr", "0\t0\t9223372036854775807\n")
    .text("inode-nr", "0\t0\n")
    .directory("inotify", inotify)
    .directory("mqueue", kept(&[("msg_max", "10"), ("msgsize_max", "8192"), ("queues_max", "256")]))
    .directory("epoll", kept(&[("max_user_watches", "1048576")]))
}

fn net_core() -> Fixed {
    kept(&[
        ("somaxconn", "4096"),
        ("netdev_max_backlog", "1000"),
        ("rmem_default", "212992"),
        ("rmem_max", "212992"),
        ("wmem_default", "212992"),
        ("wmem_max", "212992"),
        ("optmem_max", "20480"),
    ])
}

fn ipv4() -> Fixed {
    kept(&[
        ("ip_local_port_range", "32768\t60999"),
        ("ip_forward", "0"),
        ("ip_nonlocal_bind", "0"),
        ("ip_unprivileged_port_start", "1024"),
        ("tcp_fin_timeout", "60"),
        ("tcp_keepalive_time", "7200"),
        ("tcp_keepalive_intvl", "75"),
        ("tcp_keepalive_probes", "9"),
        ("tcp_syn_retries", "6"),
        ("tcp_synack_retries", "5"),
        ("tcp_max_syn_backlog", "128"),
        ("tcp_syncookies", "0"),
        ("tcp_tw_reuse", "2"),
        ("tcp_rmem", "4096\t131072\t6291456"),
        ("tcp_wmem", "4096\t16384\t4194304"),
        ("tcp_congestion_control", "reno"),
        ("tcp_available_congestion_control", "reno"),
        ("tcp_fastopen", "0"),
        ("tcp_sack", "1"),
        ("tcp_timestamps", "1"),
        ("tcp_window_scaling", "1"),
        ("udp_mem", "22440\t29921\t44880"),
        ("tcp_mem", "22440\t29921\t44880"),
    ])
}

fn ipv6() -> Fixed {
    let conf =
        || kept(&[("disable_ipv6", "0"), ("accept_ra", "1"), ("forwarding", "0"), ("hop_limit", "64")]);
    kept(&[("bindv6only", "0"), ("ip_nonlocal_bind", "0")])
        .directory("conf", Fixed::new().directory("all", conf()).directory("default", conf()))
}
