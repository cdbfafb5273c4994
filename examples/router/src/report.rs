//! What the router has counted, on the console: a line for the whole, and one for each interface and each rule.

use minios_std::{println, stats};
use router::engine::Router;
use router::engine::rules::Action;

use crate::devices::Devices;

/// Prints all counters.
pub fn report(router: &Router, devices: &Devices) {
    let (counters, flows) = (router.counters(), router.flows());
    println!(
        "router: forwarded_packets={} forwarded_bytes={} connections={} translated={} begun={} neighbours={} answered={} \
         errors_sent={} errors_held_back={}",
        counters.forwarded.packets,
        counters.forwarded.bytes,
        flows.len(),
        flows.translated(),
        counters.connections,
        router.neighbours().len(),
        counters.answered,
        counters.errors_sent,
        counters.errors_held_back,
    );
    println!("router: dropped{counters}");
    for (interface, (id, device)) in devices.vifs().enumerate() {
        let counted = router.interface(interface);
        let stats = device.map(|device| *device.stats()).unwrap_or_default();
        println!(
            "router: interface={interface} vif={id} received_packets={} received_bytes={} sent_packets={} sent_bytes={} \
             bad_checksums={} ring_full={} notifications={} events={}",
            counted.received.packets,
            counted.received.bytes,
            counted.sent.packets,
            counted.sent.bytes,
            stats.rx.bad_checksums,
            stats.tx.ring_full,
            stats.notifications,
            stats.events,
        );
    }
    for rule in &router.rules().filter {
        let action = match rule.action {
            Action::Accept => "accept",
            Action::Drop => "drop",
            Action::Reject => "reject",
        };
        println!("router: line={} {action} hits={}", rule.line, rule.hits);
    }
    println!("router: {}", stats::now());
}
