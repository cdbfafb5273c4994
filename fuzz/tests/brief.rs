//! Every target, briefly: its corpus, and inputs mutated from it.

macro_rules! briefly {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                minios_fuzz::brief::run(stringify!($target));
            }
        )*

        #[test]
        fn every_target_has_its_test_and_its_binary() {
            let tested = [$(stringify!($target)),*];
            let listed: Vec<_> = minios_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tested[..], listed[..]);
            for name in listed {
                let path = format!("{}/fuzz_targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(text.contains(&format!("fuzz_target!(|data: &[u8]| minios_fuzz::run(\"{name}\", data));")), "{path}");
            }
        }
    };
}

briefly! {
    blkfront_backend
    cli_toml
    command_line
    console_backend
    console_rings
    dns_answer
    fs_cpio
    fs_ext4
    fs_tar
    guest_elf
    http_request
    linux_elf
    linux_first_stack
    linux_script
    linux_signal_frame
    linux_xen
    net_frame
    netfront_backend
    router_frames
    router_rules
    symbols
    vchan_peer
    xenstore_reply
}
