use super::*;
use crate::fake::{FakeXen, MappedPage, World};
use crate::{Access, DomId, SharedPage};
use xen_sys::io::netif::{TxRequest, TxResponse};

type NetFront = Front<SharedPage<FakeXen>, TxRequest, TxResponse>;
type NetBack = Back<MappedPage, TxRequest, TxResponse>;

fn pair(world: &World, index: u32) -> (NetFront, NetBack) {
    let page = SharedPage::new(&**world, DomId::DOM0, Access::ReadWrite).expect("there is memory");
    let mapped = world.peer(DomId::DOM0).map_rw(page.gref().raw()).expect("granted");
    let front = Front::starting_at(page, index);
    (front, Back::new(mapped))
}

fn request(id: u16) -> TxRequest {
    TxRequest { gref: 9, offset: 1, flags: 2, id, size: 3 }
}

#[test]
fn the_sizes_are_those_of_ring_h() {
    assert_eq!(capacity::<TxRequest, TxResponse>(4096), 256);
    assert_eq!(capacity::<xen_sys::io::blkif::Request, xen_sys::io::blkif::Response>(4096), 32);
    assert_eq!(capacity::<xen_sys::io::netif::RxRequest, xen_sys::io::netif::RxResponse>(4096), 256);
}

#[test]
fn requests_and_responses_cross_in_order_over_both_wraps() {
    let world = World::new();
    for start in [0, 200, u32::MAX - 300, u32::MAX] {
        let (mut front, mut back) = pair(&world, start);
        let (mut sent, mut answered) = (0u16, 0u16);
        let batches: std::vec::Vec<u16> =
            if cfg!(miri) { [1, 2, 255, 256].into() } else { (1..=256).collect() };
        for batch in batches {
            for _ in 0..batch {
                front.push(request(sent)).expect("the ring is empty");
                sent = sent.wrapping_add(1);
            }
            let _ = front.publish();
            while let Some(request) = back.pop().expect("the front is honest") {
                back.push(TxResponse { id: request.id, status: 7 }).expect("a response per request");
            }
            let _ = back.publish();
            while let Some(response) = front.pop().expect("the back is honest") {
                assert_eq!(response, TxResponse { id: answered, status: 7 });
                answered = answered.wrapping_add(1);
            }
            assert_eq!(sent, answered);
            assert_eq!(front.in_flight(), 0);
        }
    }
}

#[test]
fn a_full_ring_refuses_one_more_request() {
    let world = World::new();
    let (mut front, mut back) = pair(&world, u32::MAX - 5);
    for id in 0..256 {
        front.push(request(id)).expect("there is room");
    }
    assert_eq!(front.push(request(256)), Err(RingFull));
    let _ = front.publish();
    assert!(back.pop().expect("honest").is_some());
    assert_eq!(front.push(request(256)), Err(RingFull), "a taken request is not yet an answered one");
    back.push(TxResponse::default()).expect("one request is taken");
    assert_eq!(back.push(TxResponse::default()), Err(RingFull), "no response without a request");
    let _ = back.publish();
    assert!(front.pop().expect("honest").is_some());
    front.push(request(256)).expect("one slot is free again");
}

#[test]
fn an_empty_ring_has_nothing_and_rings_no_bell() {
    let world = World::new();
    let (mut front, mut back) = pair(&world, 0);
    assert_eq!(front.pop(), Ok(None));
    assert_eq!(back.pop(), Ok(None));
    assert_eq!(front.publish(), Doorbell::Silent);
    assert_eq!(back.publish(), Doorbell::Silent);
}

#[test]
fn the_bell_rings_only_when_the_peer_armed_it() {
    let world = World::new();
    let (mut front, mut back) = pair(&world, u32::MAX);
    front.push(request(0)).expect("room");
    assert_eq!(front.publish(), Doorbell::Ring, "the ring starts armed");
    front.push(request(1)).expect("room");
    assert_eq!(front.publish(), Doorbell::Silent, "the peer has not looked yet");
    assert!(back.arm(), "two requests are there already");
    while back.pop().expect("honest").is_some() {}
    assert!(!back.arm());
    front.push(request(2)).expect("room");
    assert_eq!(front.publish(), Doorbell::Ring);
}

#[test]
fn a_request_is_unseen_until_it_is_published() {
    let world = World::new();
    let (mut front, mut back) = pair(&world, 0);
    front.push(request(0)).expect("room");
    assert_eq!(back.pop(), Ok(None));
    let _ = front.publish();
    assert_eq!(back.pop(), Ok(Some(request(0))));
}

#[test]
fn a_response_without_a_request_is_a_lie() {
    let world = World::new();
    let (mut front, back) = pair(&world, 100);
    front.push(request(0)).expect("room");
    let _ = front.publish();
    for lie in [102, 99, 0, u32::MAX, 101 + 256] {
        back.memory().store_u32(RSP_PROD, lie);
        assert_eq!(front.pop(), Err(PeerMisbehaved { what: "response producer index", value: lie.into() }));
    }
}

#[test]
fn a_front_that_overruns_is_a_lie() {
    let world = World::new();
    let (front, mut back) = pair(&world, 0);
    front.memory().store_u32(REQ_PROD, 257);
    assert_eq!(back.pop(), Err(PeerMisbehaved { what: "request producer index", value: 257 }));
}

#[test]
fn random_words_from_the_peer_never_leave_the_ring() {
    let world = World::new();
    let mut seed = 1u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u32
    };
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    for _ in 0..rounds {
        let (mut front, back) = pair(&world, random());
        for id in 0..random() % 300 {
            let _ = front.push(request(id as u16));
        }
        let _ = front.publish();
        let allowed = front.in_flight();
        for _ in 0..8 {
            let near = if random() & 1 == 0 {
                random()
            } else {
                back.memory().load_u32(REQ_PROD).wrapping_sub(random() % 300)
            };
            back.memory().store_u32(RSP_PROD, near);
            let mut taken = 0;
            while let Ok(Some(_)) = front.pop() {
                taken += 1;
                assert!(taken <= allowed);
            }
        }
        assert!(front.in_flight() <= allowed);
    }
}

#[test]
fn a_front_end_that_waits_for_many_answers_is_told_of_the_last_of_them_only() {
    let world = World::new();
    for start in [0, u32::MAX - 3] {
        let (mut front, mut back) = pair(&world, start);
        for id in 0..10 {
            front.push(request(id)).expect("room");
        }
        let _ = front.publish();
        assert!(!front.arm_after(6) && !front.has_responses());
        for answered in 1..=10 {
            let id = back.pop().expect("honest").expect("ten were sent").id;
            back.push(TxResponse { id, status: 0 }).expect("room");
            assert_eq!(back.publish() == Doorbell::Ring, answered == 6);
            assert!(front.has_responses());
        }
        assert!(front.arm_after(6), "they are there already");
        while front.pop().expect("honest").is_some() {}
        assert!(!front.arm_after(6), "none is under way: the next is waited for");
        front.push(request(0)).expect("room");
        let _ = front.publish();
        assert!(back.pop().expect("honest").is_some());
        back.push(TxResponse::default()).expect("room");
        assert_eq!(back.publish(), Doorbell::Ring);
        assert!(front.pop().expect("honest").is_some());
    }
}
