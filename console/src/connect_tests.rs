//! Further consoles on FakeXen.

use super::*;
use xen::fake::{FakeDevice, FakeXen, Progress, World};
use xen::xenbus::State;
use xen::{ByteWriter, Clock, DomId, SharedPage};

fn device(world: &World) -> FakeDevice {
    FakeDevice::new(world, "console/1", 1, DomId::DOM0)
}

/// A back end that maps the ring once it is told of it, types `hi`, and keeps what it reads.
fn serve(world: &World, device: &FakeDevice) -> std::rc::Rc<RefCell<Vec<u8>>> {
    let seen = std::rc::Rc::new(RefCell::new(Vec::new()));
    let (device, told, dom0) = (device.clone(), seen.clone(), world.peer(DomId::DOM0));
    let mut ring = None;
    world.add_peer(move |_| {
        if ring.is_none() {
            if device.front_state() != State::Initialised {
                return Progress::None;
            }
            let number = |key| device.front_number(key).expect("published before the state");
            let memory = dom0.map_rw(number("ring-ref")).expect("granted");
            let port = dom0.bind(number("port")).expect("made for dom0");
            ring = Some((memory, port));
            device.set_back_state(State::Connected);
        }
        let Some((memory, port)) = &ring else { return Progress::None };
        let layout = |data, len, cons, prod| ByteRingLayout { data, len, cons, prod };
        let output = ByteReader::new(layout(abi::OUT, abi::OUT_LEN, abi::OUT_CONS, abi::OUT_PROD));
        let mut bytes = [0; 100];
        let len = output.read(memory, &mut bytes).expect("honest");
        if len == 0 {
            return Progress::None;
        }
        told.borrow_mut().extend_from_slice(&bytes[..len]);
        let input = ByteWriter::new(layout(abi::IN, abi::IN_LEN, abi::IN_CONS, abi::IN_PROD));
        input.write(memory, b"hi").expect("honest");
        port.notify();
        Progress::Made
    });
    seen
}

#[test]
fn a_further_console_is_connected_and_carries_both_ways() {
    let world = World::new();
    let device = device(&world);
    let seen = serve(&world, &device);
    let console =
        Console::<FakeXen, SharedPage<FakeXen>>::connect(&world, &device, None).expect("it is served");
    assert_eq!(device.front_state(), State::Connected);
    console.write(b"hello\n");
    assert_eq!(console.wait_input(None), Ok(Wake::Event));
    assert_eq!(*seen.borrow(), b"hello\r\n");
    let mut bytes = [0; 8];
    assert_eq!(console.read(&mut bytes), Ok(2));
    assert_eq!(&bytes[..2], b"hi");
}

#[test]
fn without_a_back_end_all_is_taken_back() {
    let world = World::new();
    let device = device(&world);
    let deadline = Some(world.now_ns() + 1_000_000);
    assert!(Console::<FakeXen, SharedPage<FakeXen>>::connect(&world, &device, deadline).is_err());
    assert_eq!((device.front("ring-ref"), device.front("port")), (None, None));
    assert_eq!(device.front_state(), State::Closed);
    device.set_back_state(State::Closed);
    assert!(Console::<FakeXen, SharedPage<FakeXen>>::connect(&world, &device, None).is_err());
}
