use linux_base::host;

/// Programs that try everything at random; [`crate::fuzz::devices`] says what must hold.
#[test]
fn random_programs_reach_nothing_but_the_target() {
    const RUNS: usize = if cfg!(miri) { 3 } else { 300 };
    for _ in 0..RUNS {
        let mut data = std::vec![0; 32 * 200];
        host::host().random(&mut data);
        crate::fuzz::devices(&data);
    }
}
