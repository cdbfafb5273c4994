use super::*;
use crate::fake::{FakeXen, MappedPage, World};
use crate::{Access, DomId, SharedPage};

const LAYOUT: ByteRingLayout = ByteRingLayout { data: 0, len: 64, cons: 1024, prod: 1028 };

fn pair(world: &World, index: u32) -> (SharedPage<FakeXen>, MappedPage) {
    let page = SharedPage::new(&**world, DomId::DOM0, Access::ReadWrite).expect("there is memory");
    let mapped = world.peer(DomId::DOM0).map_rw(page.gref().raw()).expect("granted");
    page.store_u32(LAYOUT.cons, index);
    page.store_u32(LAYOUT.prod, index);
    (page, mapped)
}

#[test]
fn bytes_arrive_in_order_for_every_pair_of_chunk_sizes() {
    let world = World::new();
    let limit = if cfg!(miri) { 4 } else { 70 };
    for write in 1..limit {
        for read in 1..limit {
            let (ours, theirs) = pair(&world, u32::MAX - 100);
            let (writer, reader) = (ByteWriter::new(LAYOUT), ByteReader::new(LAYOUT));
            let (mut sent, mut seen) = (0u32, 0u32);
            while seen < 300 {
                let bytes: std::vec::Vec<u8> = (sent..sent + write).map(|n| n as u8).collect();
                sent += writer.write(&ours, &bytes).expect("honest") as u32;
                let mut buffer = std::vec![0; read as usize];
                let count = reader.read(&theirs, &mut buffer).expect("honest");
                for byte in &buffer[..count] {
                    assert_eq!(*byte, seen as u8);
                    seen += 1;
                }
            }
        }
    }
}

#[test]
fn a_full_ring_takes_nothing_and_an_empty_one_gives_nothing() {
    let world = World::new();
    let (ours, theirs) = pair(&world, u32::MAX - 3);
    let (writer, reader) = (ByteWriter::new(LAYOUT), ByteReader::new(LAYOUT));
    assert_eq!(reader.read(&theirs, &mut [0; 4]), Ok(0));
    assert_eq!(writer.write(&ours, &[7; 100]), Ok(64));
    assert_eq!(writer.write(&ours, &[7; 1]), Ok(0));
    assert_eq!(writer.free(&ours), Ok(0));
    assert_eq!(reader.available(&theirs), Ok(64));
    let mut all = [0; 100];
    assert_eq!(reader.read(&theirs, &mut all), Ok(64));
    assert_eq!(&all[..64], &[7; 64]);
}

#[test]
fn an_index_beyond_the_ring_is_a_lie_to_both_ends() {
    let world = World::new();
    let (ours, theirs) = pair(&world, 0);
    for lie in [65u32, 1000, u32::MAX] {
        theirs.store_u32(LAYOUT.prod, lie);
        assert!(ByteReader::new(LAYOUT).read(&ours, &mut [0; 4]).is_err());
        assert!(ByteWriter::new(LAYOUT).write(&ours, &[0; 4]).is_err());
    }
}
