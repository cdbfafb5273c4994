//! `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`, where the root has none.

/// Writes them.
pub fn write_all() {
    crate::call::system::set_hostname(minios_std::env::hostname().as_bytes());
}
