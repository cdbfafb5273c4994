//! CPU time.

/// CPU time of somebody, and what else `getrusage(2)` tells.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// In user mode, in nanoseconds.
    pub user_ns: u64,
    /// In the kernel, in nanoseconds.
    pub system_ns: u64,
    /// The same of children that were waited for.
    pub children_user_ns: u64,
    /// In the kernel.
    pub children_system_ns: u64,
    /// Page faults that did not wait.
    pub minor_faults: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Switches because it waited.
    pub waits: u64,
    /// Switches because others were to run.
    pub preemptions: u64,
    /// Largest resident size, in KiB.
    pub peak_kib: u64,
}

impl Times {
    /// User and kernel together.
    pub fn cpu_ns(&self) -> u64 {
        self.user_ns + self.system_ns
    }

    /// Adds what a thread used.
    pub fn add(&mut self, other: &Self) {
        self.user_ns += other.user_ns;
        self.system_ns += other.system_ns;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        self.waits += other.waits;
        self.preemptions += other.preemptions;
        self.peak_kib = self.peak_kib.max(other.peak_kib);
    }

    /// Adds a child that was waited for, with its own children.
    pub fn add_child(&mut self, child: &Self) {
        self.children_user_ns += child.user_ns + child.children_user_ns;
        self.children_system_ns += child.system_ns + child.children_system_ns;
    }
}
