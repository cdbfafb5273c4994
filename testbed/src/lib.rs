//! Real Xen and a Debian dom0 inside QEMU, for tests.
