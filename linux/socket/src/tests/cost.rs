//! What calls cost on the developer's machine: `cargo test --release -p linux-socket cost -- --ignored --nocapture`.

use super::*;
use std::time::Instant as Clock;

fn time(what: &str, count: u32, mut f: impl FnMut()) {
    f();
    let start = Clock::now();
    for _ in 0..count {
        f();
    }
    println!("{what}: {} ns", start.elapsed().as_nanos() / u128::from(count));
}

#[test]
#[ignore = "prints times; not a check"]
fn of_common_calls() {
    let guest = guest();
    let (client, server) = guest.tcp_pair();
    let (one, two) = guest.sockets.pair(&root(), UNIX, STREAM, 0).unwrap();
    for socket in [&client, &server] {
        socket.set_option(&root(), 6, 1, &1u32.to_le_bytes()).unwrap();
    }
    let (flags, mut buf) = (linux_base::file::IoFlags { status: OpenFlags::RDWR, rwf: 0 }, [0; 4096]);
    time("tcp read that finds nothing", 100_000, || {
        assert!(client.read(0, &mut SliceSink::new(&mut buf), flags).is_err());
    });
    time("tcp poll", 100_000, || assert!(!client.poll().is_empty()));
    time("stack poll that finds nothing", 100_000, || guest.poll_once());
    time("tcp write, polls and read of 100 bytes", 100_000, || {
        client.write(0, &mut SliceSource::new(&[1; 100]), flags).unwrap();
        guest.poll_once();
        assert_eq!(server.read(0, &mut SliceSink::new(&mut buf), flags), Ok(100));
    });
    let big = vec![1; 32 << 10];
    let mut room = vec![0; 64 << 10];
    time("tcp write, polls and read of 32 KiB", 10_000, || {
        let mut left = big.len();
        while left > 0 {
            left -= client.write(0, &mut SliceSource::new(&big[..left]), flags).unwrap_or(0);
            guest.poll_once();
            while server.read(0, &mut SliceSink::new(&mut room), flags).is_ok() {}
        }
    });
    time("unix write and read of 100 bytes", 100_000, || {
        one.write(0, &mut SliceSource::new(&[1; 100]), flags).unwrap();
        assert_eq!(two.read(0, &mut SliceSink::new(&mut buf), flags), Ok(100));
    });
    let (listener, port) = guest.listener();
    time("tcp connect, accept and close", 5_000, || {
        let client = guest.socket(INET, STREAM);
        let _ = client.connect(&root(), &v4(port));
        guest.poll_once();
        let (server, _) = listener.accept().unwrap();
        drop((client, server));
        guest.poll_once();
    });
}
