//! Random calls with random arguments on a few sockets of every kind: errors, but no panic and no socket that is stuck.

use super::*;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len)
            .map(|_| if self.below(3) == 0 { self.below(256) as u8 } else { self.below(3) as u8 })
            .collect()
    }

    /// Mostly one that means something.
    fn address(&mut self) -> Vec<u8> {
        let port = 1000 + self.below(4) as u16;
        match self.below(12) {
            0..3 => v4(port),
            3 => inet(&format!("0.0.0.0:{port}")),
            4 => inet(&format!("[::1]:{port}")),
            5 => inet(&format!("[::]:{port}")),
            6 => path(["\0a", "\0b", "/c", ""][self.below(4)]),
            7 => Address::netlink(self.below(3) as u32, 0).as_bytes().to_vec(),
            8 => inet("224.0.0.1:5"),
            9 => vec![0; self.below(30)],
            10 => inet(["255.255.255.255:9", "127.0.0.1:0", "9.9.9.9:9"][self.below(3)]),
            _ => self.bytes(130),
        }
    }

    fn control(&mut self) -> Vec<u8> {
        if self.below(3) > 0 {
            return vec![];
        }
        let mut bytes = self.bytes(60);
        if bytes.len() >= 16 && self.below(4) > 0 {
            let len = bytes.len() as u64;
            bytes[..8].copy_from_slice(&len.to_le_bytes());
            bytes[8..16].copy_from_slice(&[1, 0, 0, 0, 1 + self.below(5) as u8 / 4, 0, 0, 0]);
            for number in bytes[16..].chunks_mut(4) {
                number[0] %= 4;
                number[1..].fill(0);
            }
        }
        bytes
    }
}

fn make(guest: &Guest, random: &mut Random) -> Option<Arc<Socket>> {
    const KINDS: [(u32, u32); 8] = [(2, 1), (2, 2), (10, 1), (10, 2), (1, 1), (1, 2), (1, 5), (16, 3)];
    let (domain, kind) = KINDS[random.below(KINDS.len())];
    guest.sockets.socket(&root(), domain, kind, 0).ok()
}

fn act(guest: &Guest, random: &mut Random, process: &Process, all: &mut Vec<Arc<OpenFile>>) {
    let file = all[random.below(all.len())].clone();
    let socket: &Socket = file.downcast().unwrap();
    let (address, control) = (random.address(), random.control());
    let flags = [0, 0, 2, 0x20, 0x22, 0x8000, 1, 0x2000, u32::MAX][random.below(9)];
    let level = [0, 1, 6, 17, 41, 270, 99][random.below(7)];
    match random.below(16) {
        0 => drop(socket.bind(process, &address)),
        1 => drop(socket.listen(process, random.below(5) as i32 - 1)),
        2 | 3 => drop(socket.connect(process, &address)),
        4 => {
            if let Ok((accepted, _)) = socket.accept() {
                all.push(open(guest, &accepted));
            }
        }
        5..8 => {
            let bytes = vec![1; [0, 1, 100, 70_000][random.below(4)]];
            let to = (random.below(2) == 0).then_some(&address[..]);
            let _ = socket.send(process, &mut SliceSource::new(&bytes), to, &control, flags);
        }
        8..10 => {
            let mut bytes = vec![0; [0, 1, 100, 70_000][random.below(4)]];
            let room = random.below(100);
            let received = socket.receive(process, &mut SliceSink::new(&mut bytes), room, flags);
            assert!(received.map_or(0, |received| received.control.len()) <= room);
        }
        10 => drop(socket.shutdown(random.below(4) as u32)),
        11 => drop(socket.set_option(process, level, random.below(80) as u32, &random.bytes(40))),
        12 => {
            let mut bytes = vec![0; random.below(200)];
            let _ = socket.option(process, level, random.below(80) as u32, &mut bytes);
        }
        13 => {
            let _ = (socket.name(), socket.peer_name(), socket.poll(), socket.connected());
        }
        14 => {
            all.swap_remove(random.below(all.len()));
            if random.below(2) == 0 {
                let (one, two) = guest.sockets.pair(process, UNIX, [1, 2, 5][random.below(3)], 0).unwrap();
                all.extend([open(guest, &one), open(guest, &two)]);
            } else if let Some(socket) = make(guest, random) {
                all.push(open(guest, &socket));
            }
        }
        _ => {
            process.files.borrow_mut().truncate(random.below(8));
            process.files.borrow_mut().push(file.clone());
        }
    }
    if all.len() > 40 {
        all.truncate(20);
    }
}

#[test]
fn random_calls_do_no_harm() {
    for seed in 0..60 {
        let guest = guest();
        let mut random = Random(seed);
        let process = root();
        let mut all: Vec<_> =
            (0..12).filter_map(|_| make(&guest, &mut random)).map(|s| open(&guest, &s)).collect();
        for _ in 0..400 {
            act(&guest, &mut random, &process, &mut all);
            guest.run(1);
        }
        all.clear();
        drop(process);
        guest.run(200);
        // Who comes after them finds everything free.
        let (client, server) = guest.tcp_pair();
        send(&client, b"fine").unwrap();
        guest.run(5);
        assert_eq!(receive(&server, 10), Ok(b"fine".to_vec()));
        for port in 1000..1004 {
            guest.socket(INET6, STREAM).bind(&root(), &inet(&format!("[::]:{port}"))).unwrap();
            guest.socket(INET6, DGRAM).bind(&root(), &inet(&format!("[::]:{port}"))).unwrap();
        }
        assert!(guest.sockets.unix.is_empty(), "seed {seed}: names or files are left");
    }
}
