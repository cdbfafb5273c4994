//! The fuzz targets: one for each parser and for each driver's view of its back end.
//!
//! [`TARGETS`] is the list. `fuzz_targets/NAME.rs` makes a libFuzzer binary of each; [`brief`] runs all of them on
//! stable Rust for a bounded number of inputs, mutated from `corpus/NAME/`, as `cargo test` does.
#![forbid(unsafe_code)]

extern crate alloc;

pub mod brief;
pub mod mutate;
pub mod targets;

// The very files of the guest: the runtime and the examples do not build as libraries for the host.
#[path = "../../minios/src/cmdline.rs"]
pub mod cmdline;
#[path = "../../examples/httpd/src/http/mod.rs"]
pub mod http;
#[path = "../../examples/router/src/engine/mod.rs"]
pub mod router;

/// One fuzz target.
pub struct Target {
    /// Its name: that of its corpus and of its binary.
    pub name: &'static str,
    /// It may neither panic nor hang, whatever the bytes.
    pub run: fn(&[u8]),
    /// Inputs of a brief run.
    pub inputs: u32,
    /// Longest input, in bytes.
    pub max_len: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), inputs: u32, max_len: usize) -> Target {
    Target { name, run, inputs, max_len }
}

/// All targets. The numbers of inputs make each take a second or less.
pub const TARGETS: &[Target] = &[
    target("blkfront_backend", blkfront::fuzz::backend, 20_000, 1_024),
    target("cli_toml", targets::cli_toml, 20_000, 4_096),
    target("command_line", targets::command_line, 50_000, 1_024),
    target("console_backend", console::fuzz::backend, 10_000, 1_024),
    target("console_rings", targets::console_rings, 20_000, 512),
    target("dns_answer", net::fuzz::dns_answer, 100_000, 512),
    target("fs_cpio", fs::fuzz::cpio, 50_000, 16_384),
    target("fs_ext4", fs::fuzz::ext4, 5_000, 1 << 18),
    target("fs_tar", fs::fuzz::tar, 30_000, 16_384),
    target("guest_elf", targets::guest_elf, 30_000, 16_384),
    target("http_request", http::fuzz, 100_000, 4_096),
    target("linux_elf", linux_task::fuzz::elf, 100_000, 4_096),
    target("linux_first_stack", linux_task::fuzz::first_stack, 50_000, 4_096),
    target("linux_script", linux_task::fuzz::script, 100_000, 256),
    target("linux_signal_frame", linux_task::fuzz::signal_frame, 100_000, 1_024),
    target("linux_xen", linux_xen::fuzz::devices, 50_000, 4_096),
    target("net_frame", net::fuzz::frame, 10_000, 4_096),
    target("netfront_backend", netfront::fuzz::backend, 4_000, 1_024),
    target("router_frames", router::fuzz::frames, 10_000, 4_096),
    target("router_rules", router::fuzz::rules, 50_000, 1_024),
    target("symbols", targets::symbols, 100_000, 4_096),
    target("vchan_peer", vchan::fuzz::peer, 4_000, 512),
    target("xenstore_reply", xenstore::fuzz::reply, 50_000, 8_192),
];

/// Runs one input of the target of that name.
pub fn run(name: &str, data: &[u8]) {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        (target.run)(data);
    }
}
