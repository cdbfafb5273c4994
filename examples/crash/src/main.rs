//! Fails in one of many ways, chosen by its first argument: what becomes of each is what the tests look at.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "faults are what this guest is for")]

extern crate alloc;

use core::arch::asm;

use minios::memory::address::Protection;
use minios_std::{env, println, process::ExitCode, thread};

minios_std::main!(main);

const KINDS: [(&str, fn()); 17] = [
    ("panic", || panic!("on purpose")),
    ("index", index),
    ("oom", out_of_memory),
    ("null", || read(0x10)),
    ("unmapped", || read(0xffff_c000_0000_0000)),
    ("non-canonical", || read(0x1234_5678_9abc_def0)),
    ("write-code", write_code),
    ("write-constant", write_constant),
    ("execute-data", execute_data),
    ("divide", divide),
    ("opcode", opcode),
    ("privileged", privileged),
    ("breakpoint", breakpoint),
    ("selector", selector),
    ("failsafe", failsafe),
    ("stack", || println!("{}", overflow(1))),
    ("thread", in_a_thread),
];

fn main() -> ExitCode {
    let kind = env::args().first().map_or("panic", |kind| kind.as_str());
    if let Some(code) = kind.strip_prefix("exit=").and_then(|code| code.parse().ok()) {
        return ExitCode(code);
    }
    if kind == "hang" {
        loop {
            thread::park();
        }
    }
    match KINDS.iter().find(|(name, _)| *name == kind) {
        Some((name, fail)) => {
            println!("crash: {name}");
            fail();
            println!("crash: {name} did no harm");
        }
        None => {
            println!("crash: no such kind `{kind}`; there are exit=CODE, hang,");
            KINDS.iter().for_each(|(name, _)| println!("  {name}"));
        }
    }
    ExitCode(3)
}

fn index() {
    let bytes = [1, 2, 3];
    let at = env::args().len() + 7;
    println!("{}", bytes[at]);
}

fn out_of_memory() {
    let mut all = alloc::vec::Vec::new();
    loop {
        all.push(alloc::vec![1u8; 64 * 1024]);
    }
}

#[inline(never)]
fn read(address: usize) {
    // SAFETY: none: the fault is the purpose.
    println!("{}", unsafe { (address as *const u8).read_volatile() });
}

fn write_code() {
    // SAFETY: none: the fault is the purpose.
    unsafe { (write_code as *const () as *mut u8).write_volatile(0) };
}

fn write_constant() {
    static CONSTANT: [u8; 4] = *b"text";
    // SAFETY: none: the fault is the purpose.
    unsafe { CONSTANT.as_ptr().cast_mut().write_volatile(0) };
}

fn execute_data() {
    let code = alloc::boxed::Box::new([0xc3u8; 16]);
    // SAFETY: none: the fault is the purpose.
    let call: extern "C" fn() = unsafe { core::mem::transmute(code.as_ptr()) };
    call();
}

fn divide() {
    // SAFETY: none: the fault is the purpose.
    unsafe { asm!("xor ecx, ecx", "div ecx", out("rax") _, out("rdx") _, out("rcx") _) };
}

fn opcode() {
    // SAFETY: none: the fault is the purpose.
    unsafe { asm!("ud2") };
}

fn privileged() {
    // SAFETY: none: the fault is the purpose.
    unsafe { asm!("mov cr8, {}", in(reg) 0u64) };
}

fn breakpoint() {
    // SAFETY: none: the fault is the purpose.
    unsafe { asm!("int3") };
}

fn selector() {
    // SAFETY: none: the fault is the purpose.
    unsafe { asm!("mov ds, {0:e}", in(reg) 0x1234) };
}

/// Leaves a selector in DS whose descriptor is gone: when another vCPU has run in between (`xl vcpu-pin` makes it so), Xen
/// can not load it again, and calls the failsafe callback.
fn failsafe() {
    let mut page = minios::memory::pages::alloc(0).expect("there is memory").cast::<u64>();
    // SAFETY: a fresh page. A flat data segment of privilege level 3.
    unsafe { *page.as_mut() = 0x00cf_f300_0000_ffff };
    let address = page.as_ptr() as u64;
    // SAFETY: nobody else uses the page; a descriptor table must not be writable.
    unsafe { minios::memory::paging::change(address, 1, Some(Protection::Read)) }.expect("Xen allows it");
    // SAFETY: no selector refers to the table yet.
    unsafe { minios::hypercall::set_ldt(address, 1) }.expect("Xen takes the table");
    // SAFETY: none: the fault is the purpose.
    unsafe { asm!("mov ds, {0:e}", in(reg) 7) };
    // SAFETY: none: the fault is the purpose.
    unsafe { minios::hypercall::set_ldt(0, 0) }.expect("Xen takes the table away");
    for _ in 0..2000 {
        thread::sleep(core::time::Duration::from_millis(10));
    }
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "it overflows the stack on purpose")]
fn overflow(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    overflow(depth + 1) + frame[0]
}

fn in_a_thread() {
    let thread = thread::Builder::new("doomed").spawn(|| panic!("in a thread"));
    if let Ok(thread) = thread {
        thread.join();
    }
}
