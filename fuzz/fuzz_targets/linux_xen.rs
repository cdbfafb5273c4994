//! `linux_xen` of [`minios_fuzz::TARGETS`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| minios_fuzz::run("linux_xen", data));
