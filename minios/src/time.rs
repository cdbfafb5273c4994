//! Time from Xen's page: a monotonic clock that never steps back, and the wall clock.
//!
//! `vcpu_time_info` of `xen.h`: system time at a TSC value, and how to scale the ticks since.

use xen_sys::xen::VcpuTimeInfo;

/// Nanoseconds of `ticks` by the scale of `vcpu_time_info`.
pub fn scale_ticks(ticks: u64, multiplier: u32, shift: i8) -> u64 {
    let bits = u32::from(shift.unsigned_abs());
    let shifted = if shift < 0 { ticks.checked_shr(bits) } else { ticks.checked_shl(bits) };
    ((u128::from(shifted.unwrap_or(0)) * u128::from(multiplier)) >> 32) as u64
}

/// System time at TSC value `tsc`.
pub fn system_time(info: &VcpuTimeInfo, tsc: u64) -> u64 {
    // A guest's TSC starts behind zero, so the difference wraps; one that is negative is a TSC that lags a little.
    let ticks = tsc.wrapping_sub(info.tsc_timestamp);
    let ticks = if ticks as i64 >= 0 { ticks } else { 0 };
    info.system_time.wrapping_add(scale_ticks(ticks, info.tsc_to_system_mul, info.tsc_shift))
}

#[cfg(target_os = "none")]
pub(crate) use guest::note_switch;
#[cfg(target_os = "none")]
pub use guest::{now_ns, recent_ns, recent_wall_clock_ns, since_boot_ns, wall_clock_ns};

#[cfg(target_os = "none")]
mod guest {
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use crate::events::{self, Versioned};

    /// The latest time given out: what comes after is never less.
    static LATEST: AtomicU64 = AtomicU64::new(0);
    static BOOT: AtomicU64 = AtomicU64::new(0);

    /// Nanoseconds since Xen booted; never steps back.
    pub fn now_ns() -> u64 {
        let now = loop {
            if let Versioned::Stable(info) = events::time_info() {
                // SAFETY: every x86-64 processor has a TSC, and Xen lets guests read it.
                let tsc = unsafe { core::arch::x86_64::_rdtsc() };
                break super::system_time(&info, tsc);
            }
            core::hint::spin_loop();
        };
        let now = LATEST.fetch_max(now, Ordering::Relaxed).max(now);
        let _ = BOOT.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        now
    }

    /// Switches between threads for which a time may be called recent.
    const RECENT_FOR: u32 = 32;
    static SWITCHES: AtomicU32 = AtomicU32::new(0);

    /// The latest time that anybody has asked for. Where the TSC is emulated, reading the clock is a trap into Xen; for
    /// time-outs of seconds this is as good. The scheduler reads the clock when it has idled and after some switches.
    pub fn recent_ns() -> u64 {
        LATEST.load(Ordering::Relaxed)
    }

    /// Counts a switch of threads; `true` when the time is no longer recent.
    pub(crate) fn note_switch() -> bool {
        let switches = SWITCHES.load(Ordering::Relaxed) + 1;
        let stale = switches >= RECENT_FOR;
        SWITCHES.store(if stale { 0 } else { switches }, Ordering::Relaxed);
        stale
    }

    /// Nanoseconds since this guest first looked at the clock.
    pub fn since_boot_ns() -> u64 {
        now_ns() - BOOT.load(Ordering::Relaxed)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub fn wall_clock_ns() -> u64 {
        wall_clock_base().wrapping_add(now_ns())
    }

    /// The same by [`recent_ns`].
    pub fn recent_wall_clock_ns() -> u64 {
        wall_clock_base().wrapping_add(recent_ns())
    }

    fn wall_clock_base() -> u64 {
        loop {
            if let Versioned::Stable(base) = events::wall_clock_base() {
                return base;
            }
            core::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_scale_as_xen_h_says() {
        // The formula of xen.h, bit by bit: shift, then multiply by a 32-bit fraction.
        for ticks in [0u64, 1, 999, 1 << 20, 1 << 33, 123_456_789_012] {
            for shift in [-4i8, -1, 0, 1, 3] {
                for multiplier in [1u32, 0x8000_0000, 0xffff_ffff, 0x5555_5555] {
                    let mut shifted = u128::from(ticks);
                    for _ in 0..shift.unsigned_abs() {
                        shifted = if shift < 0 { shifted / 2 } else { shifted * 2 };
                    }
                    let mut slow = 0u128;
                    for bit in 0..32 {
                        if multiplier >> bit & 1 == 1 {
                            slow += shifted << bit;
                        }
                    }
                    assert_eq!(u128::from(scale_ticks(ticks, multiplier, shift)), slow >> 32);
                }
            }
        }
    }

    #[test]
    fn a_tsc_before_the_timestamp_does_not_step_back_behind_it() {
        let info = VcpuTimeInfo {
            tsc_timestamp: 1000,
            system_time: 77,
            tsc_to_system_mul: 1 << 31,
            ..Default::default()
        };
        assert_eq!(system_time(&info, 900), 77);
        assert_eq!(system_time(&info, 1010), 82);
    }

    #[test]
    fn a_timestamp_behind_zero_counts_as_well() {
        let info = VcpuTimeInfo {
            tsc_timestamp: 0_u64.wrapping_sub(100),
            system_time: 77,
            tsc_to_system_mul: 1 << 31,
            ..Default::default()
        };
        assert_eq!(system_time(&info, 100), 77 + 100);
    }

    #[test]
    fn absurd_scales_do_not_panic() {
        for shift in [i8::MIN, -64, 64, i8::MAX] {
            let _ = scale_ticks(u64::MAX, u32::MAX, shift);
        }
    }
}
