use crate::*;

fn space() -> alloc::sync::Arc<AddressSpace> {
    AddressSpace::new(Randomize::No, Limits::default()).unwrap()
}

const RW: Prot = Prot::READ.union(Prot::WRITE);

#[test]
fn fresh_memory_is_zero_and_keeps_what_is_written() {
    let space = space();
    let at = space.mmap(MapRequest::anonymous(0, 3 * 4096, RW, 0)).unwrap();
    assert_eq!(space.read_u64(at), Ok(0));
    space.write_bytes(at + 4090, b"across pages").unwrap();
    assert_eq!(space.read_array(at + 4090), Ok(*b"across pages"));
}
