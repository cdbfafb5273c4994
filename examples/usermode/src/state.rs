//! What a context keeps while others run: the FPU, segment bases, selectors.

use alloc::format;

use minios::user::{Exit, fpu_components, fpu_len};

use crate::process::{Process, WRITE, page, set_word};
use crate::{Outcome, Test, check, programs};

pub const TESTS: &[Test] = &[
    ("two contexts keep their FPU registers", || fpu(programs::fpu())),
    ("two contexts keep the upper halves of AVX", avx),
    ("a new context finds a clean FPU", clean_fpu),
    ("an FPU image of user code cannot fault", fpu_images),
    ("a copy has the FPU registers, too", copies),
    ("segment bases are kept", segment_bases),
    ("selectors do not leak", selectors),
    ("a context moved between tables is none the worse", moved),
];

fn fpu(program: &[u8]) -> Outcome {
    let mut one = Process::new(program)?;
    let mut two = Process::new(program)?;
    one.context.registers_mut().rdi = 0x1111_1111_1111;
    two.context.registers_mut().rdi = 0x2222_2222_2222;
    one.next_syscall()?;
    two.next_syscall()?;
    for round in 0..10 {
        one.next_syscall()?;
        if round % 3 == 0 {
            one.next_syscall()?;
        }
        two.next_syscall()?;
        let (a, b) = (one.context.registers().rax, two.context.registers().rax);
        check!(a == 0x1111_1111_1111 && b == 0x2222_2222_2222, "round {round}: {a:#x} and {b:#x}");
    }
    Ok(())
}

fn avx() -> Outcome {
    minios::println!("fpu: components {:#x}, {} bytes", fpu_components(), fpu_len());
    if fpu_components() & 4 == 0 { Ok(()) } else { fpu(programs::avx()) }
}

fn clean_fpu() -> Outcome {
    let mut one = Process::new(programs::fpu())?;
    one.context.registers_mut().rdi = 0x1111;
    one.next_syscall()?;
    one.next_syscall()?;
    // Its second system call shows XMM3 before anything was put there: skip the first instructions.
    let mut two = Process::new(programs::fpu())?;
    two.context.registers_mut().rip += programs::fpu().len() as u64 - 9;
    two.next_syscall()?;
    two.next_syscall()?;
    check!(two.context.registers().rax == 0, "XMM3 is {:#x}", two.context.registers().rax);
    let image = two.context.fpu();
    check!(image[..2] == [0x7f, 3], "the control word is {:x?}", &image[..2]);
    one.context.reset();
    let (rip, rsp) = (two.context.registers().rip, two.context.registers().rsp);
    (one.context.registers_mut().rip, one.context.registers_mut().rsp) = (rip, rsp);
    one.next_syscall()?;
    check!(one.context.registers().rax == 0, "after a reset XMM3 is {:#x}", one.context.registers().rax);
    Ok(())
}

fn fpu_images() -> Outcome {
    let mut process = Process::new(programs::fpu())?;
    process.context.registers_mut().rdi = 0x77;
    process.next_syscall()?;
    let mut image = process.context.fpu().to_vec();
    // XMM3 of the image, as a signal handler might change it.
    image[160 + 48..160 + 56].copy_from_slice(&0x5555_u64.to_le_bytes());
    process.context.set_fpu(&image).map_err(|error| format!("{error}"))?;
    process.next_syscall()?;
    check!(process.context.registers().rax == 0x5555, "XMM3 is {:#x}", process.context.registers().rax);
    let mut seed = 1u64;
    for round in 0..200 {
        for byte in image.iter_mut() {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *byte = if round % 2 == 0 { 0xff } else { (seed >> 56) as u8 };
        }
        let len = if round % 5 == 0 { 512 } else { image.len() };
        process.context.set_fpu(&image[..len]).map_err(|error| format!("{error}"))?;
        process.next_syscall()?;
    }
    check!(process.context.set_fpu(&image[..511]).is_err(), "a short image was taken");
    Ok(())
}

fn copies() -> Outcome {
    let mut process = Process::new(programs::fpu())?;
    process.context.registers_mut().rdi = 0x1234;
    process.next_syscall()?;
    let mut copy = process.context.duplicate().map_err(|error| format!("{error}"))?;
    let mut other = Process::new(programs::fpu())?;
    other.next_syscall()?;
    process.context.reset_fpu();
    check!(copy.run(&process.tables) == Exit::Syscall, "the copy does not run");
    check!(copy.registers().rax == 0x1234, "the copy's XMM3 is {:#x}", copy.registers().rax);
    process.next_syscall()?;
    check!(process.context.registers().rax == 0, "the reset FPU has {:#x}", process.context.registers().rax);
    Ok(())
}

fn segment_bases() -> Outcome {
    let mut one = Process::new(programs::segments())?;
    let mut two = Process::new(programs::segments())?;
    for (process, seed) in [(&mut one, 1), (&mut two, 2)] {
        let data = page()?;
        process.map(0x70_0000_0000, data, WRITE)?;
        process.commit()?;
        set_word(data, 1, seed);
        set_word(data, 2, seed + 10);
        process.context.registers_mut().fs_base = 0x70_0000_0008;
        process.context.registers_mut().gs_base = 0x70_0000_0010;
    }
    for round in 0..5 {
        for (process, seed) in [(&mut one, 1), (&mut two, 2)] {
            process.next_syscall()?;
            let r = process.context.registers();
            check!(r.rax == seed && r.rdx == seed + 10, "round {round} of {seed}: {} and {}", r.rax, r.rdx);
        }
    }
    // The same address in another process, after one that loaded a null selector: the base must be set anew.
    let mut spoiler = Process::new(programs::selectors())?;
    spoiler.context.registers_mut().fs_base = 0x70_0000_0008;
    spoiler.context.registers_mut().gs_base = 0x70_0000_0010;
    spoiler.next_syscall()?;
    one.next_syscall()?;
    let r = one.context.registers();
    check!(r.rax == 1 && r.rdx == 11, "after another's null selectors: {} and {}", r.rax, r.rdx);
    Ok(())
}

fn selectors() -> Outcome {
    let mut one = Process::new(programs::selectors())?;
    one.context.registers_mut().rdi = 0xe02b;
    let mut two = Process::new(programs::selectors())?;
    two.context.registers_mut().rdi = 0;
    for round in 0..3 {
        for (process, wanted) in [(&mut one, 0xe02b), (&mut two, 0)] {
            process.next_syscall()?;
            let r = process.context.registers();
            let seen = [r.r8, r.r9, r.r10, r.r12];
            check!(seen == [wanted; 4], "round {round}: {seen:x?} and not {wanted:#x}");
        }
    }
    // One that loads none sees none of another's.
    one.next_syscall()?;
    let mut three = Process::new(programs::selectors())?;
    three.context.registers_mut().rip += programs::selectors().len() as u64 - 15;
    three.next_syscall()?;
    let r = three.context.registers();
    check!([r.r8, r.r9, r.r10, r.r12] == [0; 4], "a fresh context sees {:x?}", [r.r8, r.r9, r.r10, r.r12]);
    Ok(())
}

fn moved() -> Outcome {
    let mut one = Process::new(programs::fpu())?;
    let two = Process::new(programs::fpu())?;
    one.context.registers_mut().rdi = 0x99;
    one.next_syscall()?;
    for _ in 0..5 {
        check!(one.context.run(&two.tables) == Exit::Syscall, "not in the other tables");
        check!(one.context.registers().rax == 0x99, "XMM3 is {:#x}", one.context.registers().rax);
        one.next_syscall()?;
    }
    Ok(())
}
