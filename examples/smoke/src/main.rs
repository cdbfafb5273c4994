//! The smoke test: boot, memory, time and threads, on nothing but Xen (it runs as the initial domain too).
#![no_std]
#![no_main]

extern crate alloc;
use minios::println;

minios::entry!(main);

fn main() {
    println!("capabilities: {:?}", minios::boot::capabilities());
    println!("entry to main: {} us", minios::boot::entry_to_main_ns() / 1000);
    println!("memory: {:?}", minios::memory::usage());
    let handles: alloc::vec::Vec<_> = (0..8u32)
        .map(|n| {
            minios::thread::spawn(move || {
                minios::thread::sleep(core::time::Duration::from_millis(u64::from(n)));
                n * 2
            })
            .expect("memory")
        })
        .collect();
    let sum: u32 = handles.into_iter().map(|handle| handle.join()).sum();
    println!("sum {sum}, random {:#x}", minios::entropy::random_u64());
    println!("memory: {:?}", minios::memory::usage());
    println!("SUCCESS");
}
