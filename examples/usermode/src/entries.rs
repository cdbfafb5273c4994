//! Ways into user mode and out of it.

use alloc::format;

use minios::user::Exit;

use crate::process::{CODE, Process, READ, STACK_END, page};
use crate::{Outcome, Test, check, programs};

pub const TESTS: &[Test] = &[
    ("a system call keeps all registers", syscall_registers),
    ("registers that a system call clobbers can be set all the same", clobbered_registers),
    ("page faults tell address and access", page_faults),
    ("the kernel cannot be reached", kernel_addresses),
    ("odd instructions are exceptions", odd_instructions),
    ("32-bit system calls are told apart", compat_calls),
    ("registers that cannot be loaded are exceptions", bad_registers),
    ("user flags are kept, others refused", flags),
    ("single steps are exceptions", single_step),
];

fn syscall_registers() -> Outcome {
    let mut process = Process::new(programs::syscalls())?;
    for round in 0..3u64 {
        let seed = round * 100 + 0x1000_0000_0000;
        let r = process.context.registers_mut();
        let rsp = r.rsp;
        for (number, register) in [
            &mut r.rax, &mut r.rbx, &mut r.rdx, &mut r.rsi, &mut r.rdi, &mut r.rbp, &mut r.r8, &mut r.r9,
            &mut r.r10, &mut r.r12, &mut r.r13, &mut r.r14, &mut r.r15,
        ]
        .into_iter()
        .enumerate()
        {
            *register = seed + number as u64;
        }
        process.next_syscall()?;
        let r = process.context.registers();
        for (number, register) in
            [r.rax, r.rbx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r12, r.r13, r.r14, r.r15]
                .into_iter()
                .enumerate()
        {
            check!(register == seed + number as u64, "round {round}: register {number} is {register:#x}");
        }
        check!(r.rip == CODE + 2 && r.rcx == r.rip, "RIP {:#x}, RCX {:#x}", r.rip, r.rcx);
        check!(r.rsp == rsp, "RSP {:#x} was {rsp:#x}", r.rsp);
        check!(r.rflags == r.r11, "RFLAGS {:#x}, R11 {:#x}", r.rflags, r.r11);
    }
    Ok(())
}

fn clobbered_registers() -> Outcome {
    let mut process = Process::new(programs::show_clobbered())?;
    process.next_syscall()?;
    let r = process.context.registers_mut();
    r.rcx = 0x1234_5678_9abc;
    r.r11 = 0xfeed_beef;
    process.next_syscall()?;
    let r = process.context.registers();
    check!(r.rdi == 0x1234_5678_9abc && r.rsi == 0xfeed_beef, "RCX {:#x}, R11 {:#x}", r.rdi, r.rsi);
    Ok(())
}

fn fault(program: &[u8], rdi: u64) -> Result<Exit, alloc::string::String> {
    let mut process = Process::new(program)?;
    process.map(0x50_0000, page()?, READ)?;
    process.commit()?;
    process.context.registers_mut().rdi = rdi;
    Ok(process.run_on())
}

fn page_faults() -> Outcome {
    for (name, program, address, error) in [
        ("reading nothing", programs::read(), 0x1234_5678, 4),
        ("writing nothing", programs::write(), 8, 6),
        ("writing a read-only page", programs::write(), 0x50_0010, 7),
        ("executing data", programs::jump(), 0x50_0020, 0x15),
        ("executing nothing", programs::jump(), 0x60_0000, 0x14),
        ("reading the last page", programs::read(), 0x7fff_ffff_f000, 4),
    ] {
        let exit = fault(program, address)?;
        check!(exit == Exit::Exception { vector: 14, error, address }, "{name}: {exit:x?}");
    }
    let exit = fault(programs::read(), 0x50_0010)?;
    check!(exit == Exit::Syscall, "reading a page that is there: {exit:x?}");
    Ok(())
}

fn kernel_addresses() -> Outcome {
    let local = 0u64;
    for address in [
        &raw const local as u64,
        kernel_addresses as *const () as u64,
        0xffff_8800_0000_0000,
        minios::boot::info() as *const _ as u64,
        page()?.direct_address(),
    ] {
        // The kernel has just read it, so the TLB may hold it.
        if address != 0xffff_8800_0000_0000 {
            // SAFETY: one of our own words.
            let _ = unsafe { (address as *const u8).read_volatile() };
        }
        for program in [programs::read(), programs::write(), programs::jump()] {
            let exit = fault(program, address)?;
            let refused = matches!(exit, Exit::Exception { vector: 14, error, address: at } if at == address && error & 4 != 0);
            check!(refused, "at {address:#x}: {exit:x?}");
        }
    }
    // Xen's own area and addresses that are none.
    for address in [0xffff_8000_0000_0000, 0xffff_8300_0000_0000, 0x8000_0000_0000, 0x8000_0000_0000_0000] {
        for program in [programs::read(), programs::write(), programs::jump()] {
            let exit = fault(program, address)?;
            let exception = matches!(exit, Exit::Exception { vector: 13 | 14, .. });
            // The machine-to-physical table is readable by everybody under Xen.
            check!(exception || address == 0xffff_8000_0000_0000, "at {address:#x}: {exit:x?}");
        }
    }
    Ok(())
}

fn odd_instructions() -> Outcome {
    for (name, program, vector, error) in [
        ("hlt", programs::hlt(), 13, 0),
        ("int 0x80", programs::int80(), 13, 0x402),
        ("int 2", programs::int2(), 13, 0x12),
        ("int 0xff", programs::int_ff(), 13, 0x7fa),
        ("int3", programs::int3(), 3, 0),
        ("ud2", programs::ud2(), 6, 0),
        ("cli", programs::cli(), 13, 0),
        ("sti", programs::sti(), 13, 0),
        ("mov from cr3", programs::cr3(), 13, 0),
        ("mov to cr3", programs::cr3_write(), 13, 0),
        ("in", programs::port(), 13, 0),
        ("rdmsr", programs::rdmsr(), 13, 0),
        ("wrmsr", programs::wrmsr(), 13, 0),
        // A processor without XSAVE does not know it.
        ("xsetbv", programs::xsetbv(), if minios::user::fpu_components() == 0 { 6 } else { 13 }, 0),
        ("swapgs", programs::swapgs(), 13, 0),
        ("sysret", programs::sysret(), 13, 0),
        ("lidt", programs::lidt(), 13, 0),
        ("rdfsbase", programs::rdfsbase(), 6, 0),
        ("divide", programs::divide(), 0, 0),
        ("a bad selector", programs::load_bad_selector(), 13, 0x1230),
        ("Xen's stack selector", programs::load_kernel_selector(), 13, 0xe008),
        ("a far return to a bad selector", programs::far_jump_bad(), 13, 0x1230),
        ("a non-canonical address", programs::non_canonical_read(), 13, 0),
        ("icebp", programs::icebp(), 1, 0),
    ] {
        let mut process = Process::new(program)?;
        let exit = process.run_on();
        check!(exit == Exit::Exception { vector, error, address: 0 }, "{name}: {exit:x?}");
        check!(process.context.registers().rsp > STACK_END - 4096, "{name}: RSP is lost");
    }
    let mut process = Process::new(programs::iret())?;
    let exit = process.run_on();
    check!(matches!(exit, Exit::Exception { .. }), "iret: {exit:x?}");
    let mut process = Process::new(programs::hypercall())?;
    process.next_syscall()?;
    check!(process.context.registers().rax == 29, "a hypercall from user mode was made");
    Ok(())
}

fn compat_calls() -> Outcome {
    let mut process = Process::new(programs::just_syscall())?;
    process.context.registers_mut().cs = 0xe023;
    process.context.registers_mut().rsp = 0x1000;
    let exit = process.run_on();
    // Intel's processors have no such instruction in compatibility mode.
    let known = matches!(exit, Exit::Compat | Exit::Exception { vector: 6, .. });
    check!(known, "syscall in compatibility mode: {exit:x?}");
    minios::println!("syscall in compatibility mode: {exit:x?}");
    let mut process = Process::new(programs::sysenter())?;
    let exit = process.run_on();
    // AMD's have no sysenter in 64-bit mode.
    check!(matches!(exit, Exit::Compat | Exit::Exception { vector: 6 | 13, .. }), "sysenter: {exit:x?}");
    minios::println!("sysenter: {exit:x?}");
    Ok(())
}

fn bad_registers() -> Outcome {
    for (name, cs, ss, rip) in [
        ("CS 0", 0u64, 0xe02bu64, CODE),
        ("CS beyond the table", 0xfff8, 0xe02b, CODE),
        ("CS of the local table", 0x7, 0xe02b, CODE),
        ("CS that is data", 0xe02b, 0xe02b, CODE),
        ("CS of Xen", 0xe008, 0xe02b, CODE),
        ("SS of Xen", 0xe033, 0xe010, CODE),
        ("SS that is code", 0xe033, 0xe033, CODE),
        ("SS beyond the table", 0xe033, 0xfff8, CODE),
        ("RIP that is not canonical", 0xe033, 0xe02b, 0x8000_0000_0000),
        ("RIP that is not canonical, high", 0xe033, 0xe02b, 0x8000_0000_0000_0000),
        ("RIP of the kernel", 0xe033, 0xe02b, 0xffff_ffff_8000_0000),
    ] {
        for by_sysret in [false, true] {
            let mut process = Process::new(programs::syscalls())?;
            let r = process.context.registers_mut();
            (r.cs, r.ss, r.rip) = (cs, ss, rip);
            if by_sysret {
                (r.rcx, r.r11) = (rip, r.rflags);
            }
            let exit = process.run_on();
            check!(matches!(exit, Exit::Exception { vector: 10..=14, .. }), "{name}: {exit:x?}");
            // It can be put right and run.
            let r = process.context.registers_mut();
            (r.cs, r.ss, r.rip, r.rsp) = (0xe033, 0xe02b, CODE, STACK_END - 64);
            process.next_syscall().map_err(|error| format!("after {name}: {error}"))?;
        }
    }
    Ok(())
}

fn flags() -> Outcome {
    let mut process = Process::new(programs::flags())?;
    process.next_syscall()?;
    let flags = process.context.registers().rflags;
    check!(flags & 0x4_0400 == 0x4_0400, "direction flag or alignment check are lost: {flags:#x}");
    // All of them, privileged ones as well.
    process.context.registers_mut().rflags = 0xffff_ffff_ffff_feff;
    process.next_syscall()?;
    let r = process.context.registers();
    check!(r.rax & 0x1b_7000 == 0, "user mode has RFLAGS {:#x}", r.rax);
    check!(r.rax & 0x200 != 0, "interrupts are off in user mode: RFLAGS {:#x}", r.rax);
    check!(r.rax & 0x4_0cd5 == 0x4_0cd5, "RFLAGS {:#x}: some that are free are lost", r.rax);
    Ok(())
}

fn single_step() -> Outcome {
    let mut process = Process::new(programs::steps())?;
    process.context.registers_mut().rflags |= 0x100;
    for step in 1..=3 {
        let exit = process.run_on();
        check!(exit == Exit::Exception { vector: 1, error: 0, address: 0 }, "step {step}: {exit:x?}");
        check!(process.context.registers().rip == CODE + step, "RIP {:#x}", process.context.registers().rip);
    }
    let mut process = Process::new(programs::step_over())?;
    process.context.registers_mut().rflags |= 0x100;
    let (mut calls, mut steps) = (0, 0);
    while process.context.registers().rip < CODE + programs::step_over().len() as u64 {
        match process.run_on() {
            Exit::Syscall => calls += 1,
            Exit::Exception { vector: 1, .. } => steps += 1,
            exit => return Err(format!("{exit:x?} at {:#x}", process.context.registers().rip)),
        }
    }
    check!(calls == 2 && steps >= 7, "{calls} system calls and {steps} steps");
    Ok(())
}
