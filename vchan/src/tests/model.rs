//! Random steps of both ends against two queues; what an end waits for must come with an event.

use std::collections::VecDeque;

use xen::EventSeq;

use super::*;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// What an end could not do when it last looked, and the point where it would wait.
#[derive(Default, Clone, Copy)]
struct Waits {
    to_read: Option<EventSeq>,
    to_write: Option<EventSeq>,
}

#[test]
fn random_steps_lose_no_byte_and_no_event() {
    for seed in 0..if cfg!(miri) { 1 } else { 30 } {
        let mut random = Random(seed);
        let stage = Stage::new();
        let sizes = [0, 0, 1500, 2048, 4096, 9000];
        let sizes = Sizes { to_server: sizes[random.below(6)], to_client: sizes[random.below(6)] };
        let server = stage.serve(sizes);
        for _ in 0..if cfg!(miri) { 1 } else { 3 } {
            let client = stage.pair(&server);
            connection(&mut random, &server, &client, if cfg!(miri) { 60 } else { 600 });
            drop(client);
            while server.read(&mut [0; 999]).is_ok() {}
            assert_eq!(server.accept(Some(0)), Ok(false));
        }
    }
}

fn connection(random: &mut Random, server: &FakeServer, client: &FakeClient, steps: usize) {
    // What the server has written, and what the client has.
    let mut under_way: [VecDeque<u8>; 2] = Default::default();
    let mut waits = [Waits::default(); 2];
    let mut next = 0u8;
    let mut buffer = [0; 3000];
    for _ in 0..steps {
        let who = random.below(2);
        let point = || [server.wait_point(), client.wait_point()][who].expect("open").1;
        let seen = point();
        let len = [1, 10, 100, 3000][random.below(4)];
        if random.below(2) == 0 {
            let bytes: Vec<u8> = (0..len).map(|at| next.wrapping_add(at as u8)).collect();
            let count = if who == 0 { server.write(&bytes) } else { client.write(&bytes) }.expect("open");
            next = next.wrapping_add(count as u8);
            under_way[who].extend(&bytes[..count]);
            waits[who].to_write = (count < len).then_some(seen);
            if let Some(asleep) = waits[1 - who].to_read.take_if(|_| count > 0) {
                let now = [server.wait_point(), client.wait_point()][1 - who].expect("open").1;
                assert_ne!(now, asleep, "a reader sleeps for ever");
            }
        } else {
            let into = &mut buffer[..len];
            let count = if who == 0 { server.read(into) } else { client.read(into) }.expect("open");
            let expected: Vec<u8> = under_way[1 - who].drain(..count).collect();
            assert_eq!(into[..count], expected[..]);
            assert!(count == len || under_way[1 - who].is_empty(), "it read less than there was");
            waits[who].to_read = (count < len).then_some(seen);
            if let Some(asleep) = waits[1 - who].to_write.take_if(|_| count > 0) {
                let now = [server.wait_point(), client.wait_point()][1 - who].expect("open").1;
                assert_ne!(now, asleep, "a writer sleeps for ever");
            }
        }
    }
}
