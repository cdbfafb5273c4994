//! `SIOCGIF*` and the queries of queues, with a process's memory of a few pages.

use super::*;
use linux_base::abi::ioctl;
use linux_base::file::UserMemory;
use std::cell::RefCell;

struct Memory(RefCell<Vec<u8>>);

impl UserMemory for Memory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
        let memory = self.0.borrow();
        let end = (address as usize).checked_add(into.len()).ok_or(Errno::EFAULT)?;
        into.copy_from_slice(memory.get(address as usize..end).ok_or(Errno::EFAULT)?);
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let mut memory = self.0.borrow_mut();
        let end = (address as usize).checked_add(bytes.len()).ok_or(Errno::EFAULT)?;
        memory.get_mut(address as usize..end).ok_or(Errno::EFAULT)?.copy_from_slice(bytes);
        Ok(())
    }
}

fn memory() -> Memory {
    Memory(RefCell::new(vec![0; 8192]))
}

#[test]
fn loopback_is_found_by_name_number_and_list() {
    let (guest, memory) = (guest(), memory());
    let socket = guest.socket(INET, DGRAM);
    let ask = |command: u32, name: &[u8]| {
        memory.write(100, &[0; 40]).unwrap();
        memory.write(100, name).unwrap();
        socket.ioctl(command, 100, &memory)?;
        let mut request = [0; 40];
        memory.read(100, &mut request).unwrap();
        Ok::<_, Errno>(request)
    };
    assert_eq!(ask(ioctl::SIOCGIFADDR, b"lo").unwrap()[16..24], [2, 0, 0, 0, 127, 0, 0, 1]);
    assert_eq!(ask(ioctl::SIOCGIFNETMASK, b"lo").unwrap()[20..24], [255, 0, 0, 0]);
    assert_eq!(ask(ioctl::SIOCGIFINDEX, b"lo").unwrap()[16..20], [1, 0, 0, 0]);
    assert_eq!(ask(ioctl::SIOCGIFFLAGS, b"lo").unwrap()[16..18], [0x49, 0]);
    assert_eq!(ask(ioctl::SIOCGIFHWADDR, b"lo").unwrap()[16..18], 772u16.to_le_bytes());
    assert_eq!(ask(ioctl::SIOCGIFADDR, b"eth7"), Err(Errno::ENODEV));
    assert_eq!(ask(ioctl::SIOCSIFADDR, b"lo"), Err(Errno::EPERM));
    memory.write(100, &[0; 40]).unwrap();
    memory.write(116, &[1]).unwrap();
    socket.ioctl(ioctl::SIOCGIFNAME, 100, &memory).unwrap();
    assert_eq!(memory.0.borrow()[100..103], *b"lo\0");
    for (room, buffer, len) in [(400u32, 1000u64, 40u32), (39, 1000, 0), (0, 0, 40)] {
        memory.write_at(200, room, buffer);
        socket.ioctl(ioctl::SIOCGIFCONF, 200, &memory).unwrap();
        assert_eq!(memory.0.borrow()[200..204], len.to_le_bytes());
    }
    assert_eq!(socket.ioctl(ioctl::SIOCGIFADDR, 9000, &memory), Err(Errno::EFAULT));
    assert_eq!(socket.ioctl(ioctl::SIOCGIFCONF, u64::MAX - 4, &memory), Err(Errno::EFAULT));
    assert_eq!(socket.ioctl(0x1234, 0, &memory), Err(Errno::ENOTTY));
}

impl Memory {
    fn write_at(&self, at: u64, room: u32, buffer: u64) {
        self.write(at, &room.to_le_bytes()).unwrap();
        self.write(at + 8, &buffer.to_le_bytes()).unwrap();
    }

    fn number(&self, socket: &Socket, command: u32) -> Result<u32> {
        socket.ioctl(command, 0, self)?;
        Ok(u32::from_le_bytes(self.0.borrow()[..4].try_into().unwrap()))
    }
}

#[test]
fn queues_say_how_long_they_are() {
    let (guest, memory) = (guest(), memory());
    let (client, server) = guest.tcp_pair();
    send(&client, b"hello").unwrap();
    assert_eq!(memory.number(&client, 0x5411), Ok(5));
    guest.run(20);
    assert_eq!((memory.number(&client, 0x5411), memory.number(&server, ioctl::FIONREAD)), (Ok(0), Ok(5)));
    let (listener, _) = guest.listener();
    assert_eq!(memory.number(&listener, ioctl::FIONREAD), Err(Errno::EINVAL));
    let (one, two) = guest.sockets.pair(&root(), UNIX, DGRAM, 0).unwrap();
    send(&one, b"abc").unwrap();
    send(&one, b"de").unwrap();
    assert_eq!(memory.number(&two, ioctl::FIONREAD), Ok(3));
}

/// A guest without the memory for a stack.
struct NoStack;

impl NetHost for NoStack {
    fn with(&self, _: &mut dyn FnMut(&mut dyn crate::Net)) {
        panic!("there is no stack");
    }

    fn ready(&self) -> Result<()> {
        Err(Errno::ENOMEM)
    }
}

#[test]
fn a_unix_socket_that_asks_for_interfaces_first_gets_an_error_where_there_can_be_no_stack() {
    let guest = Guest { sockets: Sockets::new(Arc::new(NoStack)), ..guest() };
    let socket = guest.socket(UNIX, STREAM);
    assert_eq!(socket.ioctl(ioctl::SIOCGIFINDEX, 100, &memory()).err(), Some(Errno::ENOMEM));
}
