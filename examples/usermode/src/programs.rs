//! Code for user mode, in assembler; it runs wherever it is copied to.

use core::arch::global_asm;

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident: $code:literal;)*) => {
        $(
            global_asm!(
                ".pushsection .rodata.programs, \"a\", @progbits",
                concat!(stringify!($name), "_begin:"),
                $code,
                concat!(stringify!($name), "_end:"),
                ".popsection",
            );
            $(#[$doc])*
            pub fn $name() -> &'static [u8] {
                unsafe extern "C" {
                    #[link_name = concat!(stringify!($name), "_begin")]
                    static BEGIN: u8;
                    #[link_name = concat!(stringify!($name), "_end")]
                    static END: u8;
                }
                let (begin, end) = (&raw const BEGIN, &raw const END);
                // SAFETY: the two labels enclose bytes of the image.
                unsafe { core::slice::from_raw_parts(begin, end as usize - begin as usize) }
            }
        )*
    };
}

programs! {
    /// System calls for ever.
    syscalls: "2: syscall; jmp 2b";
    /// A system call, then one that shows RCX and R11 in RDI and RSI.
    show_clobbered: "syscall; mov rdi, rcx; mov rsi, r11; syscall";
    /// Reads at RDI.
    read: "mov rax, [rdi]; syscall";
    /// Writes RSI at RDI.
    write: "mov [rdi], rsi; syscall";
    /// Jumps to RDI.
    jump: "jmp rdi";
    /// Counts in RAX for ever.
    count: "2: inc rax; jmp 2b";
    /// Puts RDI into XMM3 and the x87 stack, and shows XMM3 in RAX after each system call.
    fpu: "movq xmm3, rdi; push rdi; fild qword ptr [rsp]; 2: syscall; movq rax, xmm3; jmp 2b";
    /// The same for the upper half of YMM5.
    avx: "movq xmm5, rdi; vinsertf128 ymm5, ymm5, xmm5, 1; 2: syscall; vextractf128 xmm6, ymm5, 1; movq rax, xmm6; jmp 2b";
    /// Reads at FS:0 and GS:0 into RAX and RDX before each system call.
    segments: "2: mov rax, fs:[0]; mov rdx, gs:[0]; syscall; jmp 2b";
    /// Loads selectors into DS, ES, FS and GS from DI, and shows those that are there in R8 to R10 and R12 at each system call.
    selectors: "mov ds, edi; mov es, edi; mov fs, edi; mov gs, edi; 2: mov r8d, ds; mov r9d, es; mov r10d, fs; mov r12d, gs; syscall; jmp 2b";
    /// Counts to 30,000 in RBX and at FS:0, the address in RSI, with RDI in XMM3 all the time; then a system call, for ever.
    worker: "movq xmm3, rdi; xor ebx, ebx; 2: mov ecx, 30000; 3: inc rbx; mov [rsi], rbx; movq rax, xmm3; cmp rax, rdi; jne 4f; mov rdx, fs:[0]; cmp rdx, rbx; jne 4f; dec ecx; jnz 3b; syscall; jmp 2b; 4: ud2";
    hlt: "hlt";
    int80: "int 0x80";
    int3: "int3";
    int2: "int 2";
    int_ff: "int 0xff";
    ud2: "ud2";
    cli: "cli";
    sti: "sti";
    cr3: "mov rax, cr3";
    cr3_write: "mov cr3, rax";
    port: "mov dx, 0x3f8; in al, dx";
    rdmsr: "mov ecx, 0xc0000080; rdmsr";
    wrmsr: "mov ecx, 0xc0000101; xor eax, eax; xor edx, edx; wrmsr";
    xsetbv: "xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv";
    swapgs: "swapgs";
    sysret: "sysretq";
    iret: "iretq";
    lidt: "lidt [rsp]";
    rdfsbase: "rdfsbase rax";
    sysenter: "sysenter";
    icebp: ".byte 0xf1";
    divide: "xor ecx, ecx; div ecx";
    load_bad_selector: "mov eax, 0x1230; mov ds, eax";
    load_kernel_selector: "mov eax, 0xe008; mov ss, eax";
    far_jump_bad: "push 0x1233; push 0; retfq";
    /// In compatibility mode this is `syscall` as well.
    just_syscall: "syscall";
    non_canonical_read: "mov rax, 0x8000000000000000; mov rax, [rax]";
    /// A hypercall from user mode is a system call: number 29, SCHEDOP_shutdown.
    hypercall: "mov eax, 29; mov edi, 2; lea rsi, [rsp]; syscall";
    /// Two instructions to step through.
    steps: "nop; nop; nop";
    /// A system call to step over, then with the trap flag set by the program itself.
    step_over: "nop; syscall; nop; nop; pushfq; or dword ptr [rsp], 0x100; popfq; syscall; nop; nop";
    /// Sets the direction flag, alignment check and nested task before the system call.
    flags: "pushfq; pop rax; or rax, 0x44400; push rax; popfq; syscall; pushfq; pop rax; syscall";
    /// Keeps reading the time page at RDI: its version into R8, the TSC's stamp into R9, system time into R10.
    clock: "2: mov r8d, [rdi]; mov r9, [rdi + 8]; mov r10, [rdi + 16]; mov r12d, [rdi + 24]; mov r13b, [rdi + 28]; lfence; mov ebx, [rdi]; rdtsc; syscall; jmp 2b";
    /// Writes to each of RSI pages from RDI.
    touch: "2: mov [rdi], rsi; add rdi, 4096; dec rsi; jnz 2b; syscall";
}
