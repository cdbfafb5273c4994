//! What the guest has used so far.

use core::fmt;

/// Counts since boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Nanoseconds that the vCPU ran, by Xen's own count.
    pub cpu_ns: u64,
    /// Hypercalls.
    pub hypercalls: u64,
    /// Events delivered.
    pub events: u64,
    /// Pages of the domain.
    pub pages: usize,
    /// Pages free.
    pub free_pages: usize,
    /// Grants in use.
    pub grants: u32,
    /// Grants lost because a back end did not let go.
    pub quarantined: u32,
    /// Event channels open.
    pub ports: usize,
    /// Nanoseconds from Xen's entry to `main`.
    pub entry_to_main_ns: u64,
}

/// Takes the counts.
pub fn now() -> Stats {
    let memory = minios::memory::usage();
    let grants = minios::grants::usage();
    Stats {
        cpu_ns: minios::hypercall::runstate().map_or(0, |time| time[0]),
        hypercalls: minios::hypercall::count(),
        events: minios::events::count(),
        pages: memory.total,
        free_pages: memory.free,
        grants: grants.used,
        quarantined: grants.quarantined,
        ports: minios::events::open_count(),
        entry_to_main_ns: minios::boot::entry_to_main_ns(),
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cpu_us={} hypercalls={} events={} pages={} free_pages={} grants={} lost_grants={} ports={} entry_to_main_us={}",
            self.cpu_ns / 1000,
            self.hypercalls,
            self.events,
            self.pages,
            self.free_pages,
            self.grants,
            self.quarantined,
            self.ports,
            self.entry_to_main_ns / 1000
        )
    }
}
