//! The smallest guest: says hello, and what it found.
#![no_std]
#![no_main]

use minios_std::{env, println, stats};

minios_std::main!(main);

fn main() {
    println!("Hello from {}!", env::hostname());
    for (number, argument) in env::args().iter().enumerate() {
        println!("argument {number}: {argument}");
    }
    println!("{}", stats::now());
    println!("SUCCESS");
}
