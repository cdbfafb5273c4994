/* Privileged, malformed and merely odd instructions of a user program, each in a child of its own: how it ended.
 * For STRICT cases that is the same on every x86-64 Linux. For LOOSE ones processors, hypervisors and kernels differ:
 * there it only counts that it came to an end and that the rest lives on. */
#include "../c/check.h"
#include <ucontext.h>

int main(int argc, char **argv);
static char *low; /* a page below 4 GiB, executable */
#define RUN(text) __asm__ volatile(text ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc")
#define CASES(STRICT, LOOSE, FRAME, LOOSE_FRAME) \
    STRICT(int3, RUN("int3")) STRICT(int_3_long, RUN(".byte 0xcd, 3")) STRICT(icebp, RUN(".byte 0xf1")) \
    STRICT(int_0, RUN("int $0")) STRICT(int_1, RUN(".byte 0xcd, 1")) STRICT(int_2, RUN("int $2")) STRICT(int_4, RUN("int $4")) \
    STRICT(int_6, RUN("int $6")) STRICT(int_8, RUN("int $8")) STRICT(int_13, RUN("int $13")) STRICT(int_14, RUN("int $14")) \
    STRICT(int_0x20, RUN("int $0x20")) STRICT(int_0x81, RUN("int $0x81")) STRICT(int_0x82, RUN("int $0x82")) \
    STRICT(int_0xf3, RUN("int $0xf3")) STRICT(int_0xff, RUN("int $0xff")) LOOSE(int_0x80, RUN("mov $20, %%eax; int $0x80")) \
    LOOSE(sysenter, RUN("xor %%eax, %%eax; sysenter")) \
    STRICT(syscall_1000, YES_(syscall(1000) == -1 && errno == ENOSYS)) STRICT(syscall_minus, YES_(syscall(-5) == -1 && errno == ENOSYS)) \
    STRICT(syscall_x32, YES_(syscall(0x40000000 + 39) == -1 && errno == ENOSYS)) \
    STRICT(syscall_int_max, YES_(syscall(0x7fffffff) == -1 && errno == ENOSYS)) STRICT(syscall_int_min, YES_(syscall(0x80000000) == -1 && errno == ENOSYS)) \
    STRICT(syscall_bad_stack, RUN("mov %%rsp, %%r12; movabs $0x800000000000, %%rsp; mov $39, %%eax; syscall; mov %%r12, %%rsp")) \
    STRICT(syscall_null_stack, RUN("mov %%rsp, %%r12; xor %%esp, %%esp; mov $39, %%eax; syscall; mov %%r12, %%rsp")) \
    STRICT(syscall_kernel_stack, RUN("mov %%rsp, %%r12; movabs $0xffffffff80000000, %%rsp; mov $39, %%eax; syscall; mov %%r12, %%rsp")) \
    STRICT(syscall_flags, RUN("pushfq; orq $0x244400, (%%rsp); andq $~0x40000, (%%rsp); popfq; mov $39, %%eax; syscall; cld")) \
    STRICT(hlt, RUN("hlt")) STRICT(cli, RUN("cli")) STRICT(sti, RUN("sti")) STRICT(in, RUN("in $0x80, %%al")) \
    STRICT(out, RUN("out %%al, $0x80")) STRICT(ins, RUN("mov $0x60, %%edx; insb")) STRICT(outs, RUN("mov $0xe9, %%edx; outsb")) \
    STRICT(rdmsr, RUN("mov $0xc0000082, %%ecx; rdmsr")) STRICT(wrmsr, RUN("mov $0xc0000082, %%ecx; wrmsr")) \
    STRICT(lgdt, RUN("sub $16, %%rsp; lgdt (%%rsp); add $16, %%rsp")) STRICT(lidt, RUN("sub $16, %%rsp; lidt (%%rsp); add $16, %%rsp")) \
    STRICT(lldt, RUN("xor %%eax, %%eax; lldt %%ax")) STRICT(ltr, RUN("xor %%eax, %%eax; ltr %%ax")) STRICT(lmsw, RUN("xor %%eax, %%eax; lmsw %%ax")) \
    STRICT(read_cr0, RUN("mov %%cr0, %%rax")) STRICT(write_cr0, RUN("mov %%rax, %%cr0")) STRICT(read_cr2, RUN("mov %%cr2, %%rax")) \
    STRICT(read_cr3, RUN("mov %%cr3, %%rax")) STRICT(write_cr3, RUN("mov %%rax, %%cr3")) STRICT(read_cr4, RUN("mov %%cr4, %%rax")) \
    STRICT(write_cr4, RUN("mov %%rax, %%cr4")) STRICT(write_cr8, RUN("mov %%rax, %%cr8")) STRICT(read_dr7, RUN("mov %%dr7, %%rax")) \
    STRICT(write_dr0, RUN("mov %%rax, %%dr0")) STRICT(invlpg, RUN("invlpg (%%rsp)")) LOOSE(invd, RUN("invd")) LOOSE(wbinvd, RUN("wbinvd")) \
    STRICT(clts, RUN("clts")) STRICT(swapgs, RUN("swapgs")) LOOSE(sysret, RUN("sysretq")) LOOSE(sysexit, RUN(".byte 0x48, 0x0f, 0x35")) \
    LOOSE(xsetbv, RUN("xor %%ecx, %%ecx; mov $7, %%eax; xor %%edx, %%edx; xsetbv")) LOOSE(xgetbv, RUN("xor %%ecx, %%ecx; xgetbv")) \
    LOOSE(rdpmc, RUN("xor %%ecx, %%ecx; rdpmc")) LOOSE(monitor, RUN("xor %%ecx, %%ecx; xor %%edx, %%edx; lea (%%rsp), %%rax; monitor")) \
    LOOSE(mwait, RUN("xor %%ecx, %%ecx; xor %%eax, %%eax; mwait")) LOOSE(vmcall, RUN("xor %%eax, %%eax; vmcall")) \
    LOOSE(vmmcall, RUN("xor %%eax, %%eax; vmmcall")) LOOSE(vmlaunch, RUN("vmlaunch")) LOOSE(vmrun, RUN("vmrun")) LOOSE(invpcid, RUN("xor %%eax, %%eax; invpcid (%%rsp), %%rax")) \
    LOOSE(sgdt, RUN("sub $16, %%rsp; sgdt (%%rsp); add $16, %%rsp")) LOOSE(sidt, RUN("sub $16, %%rsp; sidt (%%rsp); add $16, %%rsp")) \
    LOOSE(sldt, RUN("sldt %%ax")) LOOSE(str, RUN("str %%ax")) LOOSE(smsw, RUN("smsw %%ax")) LOOSE(rdtscp, RUN("rdtscp")) \
    STRICT(rdtsc, RUN("rdtsc")) STRICT(cpuid, RUN("mov $0, %%eax; cpuid")) STRICT(cpuid_xen, RUN("mov $0x40000000, %%eax; cpuid")) \
    LOOSE(xen_cpuid_prefix, RUN(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; xor %%eax, %%eax; cpuid")) \
    LOOSE(rdfsbase, RUN("rdfsbase %%rax")) LOOSE(wrgsbase_bad, RUN("movabs $0x800000000000, %%rax; wrgsbase %%rax")) LOOSE(rsm, RUN("rsm")) \
    STRICT(ud0, RUN(".byte 0x0f, 0xff, 0xc0")) STRICT(ud1, RUN(".byte 0x0f, 0xb9, 0xc0")) STRICT(ud2, RUN("ud2")) \
    STRICT(bad_opcode, RUN(".byte 0x06")) STRICT(bad_lock, RUN(".byte 0xf0, 0x90")) STRICT(too_long, RUN(".fill 16, 1, 0x66; nop")) \
    STRICT(ds_bad, RUN("mov $0x1234, %%eax; mov %%eax, %%ds")) STRICT(es_bad, RUN("mov $0xfff8, %%eax; mov %%eax, %%es")) \
    STRICT(fs_bad, RUN("mov $0xabcd, %%eax; mov %%eax, %%fs")) STRICT(gs_bad, RUN("mov $0xfffc, %%eax; mov %%eax, %%gs")) \
    STRICT(ss_null, RUN("xor %%eax, %%eax; mov %%eax, %%ss")) STRICT(ss_bad, RUN("mov $0x1233, %%eax; mov %%eax, %%ss")) \
    STRICT(ds_null, RUN("xor %%eax, %%eax; mov %%eax, %%ds; mov %%eax, %%es")) STRICT(gs_null, RUN("xor %%eax, %%eax; mov %%eax, %%gs")) \
    STRICT(ds_ldt, RUN("mov $7, %%eax; mov %%eax, %%ds")) STRICT(ds_xen_code, RUN("mov $0xe008, %%eax; mov %%eax, %%ds")) \
    STRICT(ds_xen_data, RUN("mov $0xe010, %%eax; mov %%eax, %%ds")) LOOSE(ds_xen_user, RUN("mov $0xe02b, %%eax; mov %%eax, %%ds")) \
    LOOSE(ds_user, RUN("mov $0x2b, %%eax; mov %%eax, %%ds")) STRICT(fs_null_then_tls, RUN("xor %%eax, %%eax; mov %%eax, %%fs; mov %%fs:0, %%rax")) \
    STRICT(iret_bad_cs, RUN("mov %%rsp, %%rcx; push $0x2b; push %%rcx; pushfq; push $0x1233; push $0; iretq")) \
    STRICT(iret_kernel_cs, RUN("mov %%rsp, %%rcx; push $0x2b; push %%rcx; pushfq; push $0x10; push $0; iretq")) \
    STRICT(iret_null_ss, RUN("mov %%rsp, %%rcx; mov %%cs, %%eax; push $0; push %%rcx; pushfq; push %%rax; lea 1f(%%rip), %%rax; push %%rax; iretq; 1: nop")) \
    STRICT(iret_self, RUN("mov %%rsp, %%rcx; mov %%ss, %%edx; mov %%cs, %%eax; push %%rdx; push %%rcx; pushfq; push %%rax; lea 1f(%%rip), %%rax; push %%rax; iretq; 1: nop")) \
    STRICT(iret_nt, RUN("mov %%rsp, %%rcx; mov %%ss, %%edx; mov %%cs, %%eax; push %%rdx; push %%rcx; pushfq; push %%rax; lea 1f(%%rip), %%rax; push %%rax; pushfq; orq $0x4000, (%%rsp); popfq; iretq; 1: nop")) \
    STRICT(far_bad, RUN("push $0x1233; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: nop")) STRICT(far_null, RUN("push $0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: nop")) \
    STRICT(far_xen, RUN("push $0xe008; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: nop")) \
    LOOSE(far_compat, memcpy(low, "\xf4", 1); __asm__ volatile("push $0x23; push %0; lretq" ::"r"(low))) \
    LOOSE(far_xen_compat, memcpy(low, "\xcd\x80\xf4", 3); __asm__ volatile("push $0xe023; push %0; lretq" ::"r"(low))) \
    STRICT(popf_iopl, RUN("pushfq; orq $0x3000, (%%rsp); popfq; cli")) STRICT(popf_if, RUN("pushfq; andq $~0x200, (%%rsp); popfq")) \
    STRICT(popf_vm_rf, RUN("pushfq; orq $0x1b0000, (%%rsp); popfq")) STRICT(popf_nt, RUN("pushfq; orq $0x4000, (%%rsp); popfq; mov $39, %%eax; syscall")) \
    STRICT(popf_tf, RUN("pushfq; orq $0x100, (%%rsp); popfq; nop; nop")) LOOSE(popf_ac, RUN("pushfq; orq $0x40000, (%%rsp); popfq; mov 1(%%rsp), %%rax")) \
    LOOSE(push_noncanonical, RUN("movabs $0x800000000010, %%rsp; push %%rax")) STRICT(push_kernel, RUN("movabs $0xffffffff80000010, %%rsp; push %%rax")) \
    STRICT(push_null, RUN("xor %%esp, %%esp; push %%rax")) STRICT(ret_noncanonical, RUN("movabs $0x800000000000, %%rax; push %%rax; ret")) \
    STRICT(jump_kernel, RUN("movabs $0xffffffff80000000, %%rax; jmp *%%rax")) STRICT(jump_direct_map, RUN("movabs $0xffff880000000000, %%rax; jmp *%%rax")) \
    STRICT(jump_xen, RUN("movabs $0xffff82d040000000, %%rax; jmp *%%rax")) STRICT(jump_noncanonical, RUN("movabs $0x900000000000, %%rax; jmp *%%rax")) \
    STRICT(jump_null, RUN("xor %%eax, %%eax; jmp *%%rax")) LOOSE(call_vsyscall, RUN("movabs $0xffffffffff600000, %%rax; xor %%edi, %%edi; xor %%esi, %%esi; call *%%rax")) \
    STRICT(read_kernel, *(volatile char *)0xffffffff80000000) STRICT(read_xen, *(volatile char *)0xffff82d040000000) \
    STRICT(read_machphys, *(volatile char *)0xffff800000000000) STRICT(read_noncanonical, *(volatile char *)0x800000000000) \
    STRICT(write_kernel, *(volatile char *)0xffffffff80000000 = 1) STRICT(write_page_tables, *(volatile char *)0xffff810000000000 = 1) \
    STRICT(write_text, *(volatile char *)main = 1) STRICT(run_stack, char code[] = "\xc3"; ((void (*)(void))code)()) \
    STRICT(sigreturn_unasked, RUN("mov $15, %%eax; syscall; ud2")) STRICT(sigreturn_null, RUN("xor %%esp, %%esp; mov $15, %%eax; syscall; ud2")) \
    STRICT(sigreturn_kernel, RUN("movabs $0xffffffff80000000, %%rsp; mov $15, %%eax; syscall; ud2")) \
    STRICT(sigreturn_noncanonical, RUN("movabs $0x800000000000, %%rsp; mov $15, %%eax; syscall; ud2")) \
    STRICT(signal_null_stack, signal(SIGTRAP, nothing); RUN("xor %%esp, %%esp; int3")) STRICT(signal_kernel_stack, signal(SIGTRAP, nothing); RUN("movabs $0xffffffff80001000, %%rsp; int3")) \
    STRICT(signal_noncanonical_stack, signal(SIGTRAP, nothing); RUN("movabs $0x800000001000, %%rsp; int3")) \
    STRICT(handler_kernel, signal(SIGUSR1, (void *)0xffffffff80000000); raise(SIGUSR1)) STRICT(handler_noncanonical, signal(SIGUSR1, (void *)0x900000000000); raise(SIGUSR1)) \
    STRICT(restorer_bad, struct { void *h; unsigned long f; void *r; unsigned long m; } k = {nothing, 0x04000000, (void *)0xffffffff80000000, 0}; syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8); raise(SIGUSR1)) \
    FRAME(frame_rip_kernel, SET(REG_RIP, 0xffffffff80000000), (void)0) FRAME(frame_rip_noncanonical, SET(REG_RIP, 0x800000000000), (void)0) \
    FRAME(frame_rsp_kernel, SET(REG_RSP, 0xffffffff80000000); SET(REG_RIP, pushes), (void)0) LOOSE_FRAME(frame_rsp_noncanonical, SET(REG_RSP, 0x800000001000); SET(REG_RIP, pushes), (void)0) \
    FRAME(frame_cs_null, CS(0), (void)0) FRAME(frame_cs_bad, CS(0x1233), (void)0) FRAME(frame_cs_data, CS(0x2b), (void)0) LOOSE_FRAME(frame_cs_compat, CS(0x23), (void)0) \
    FRAME(frame_cs_xen, CS(0xe008), (void)0) LOOSE_FRAME(frame_cs_xen_user, CS(0xe033), (void)0) LOOSE_FRAME(frame_cs_kernel, CS(0x10), (void)0) \
    FRAME(frame_ss_bad, SS(0x1233), (void)0) LOOSE_FRAME(frame_ss_null, SS(0), (void)0) FRAME(frame_ss_code, SS(0x33), (void)0) FRAME(frame_ss_xen, SS(0xe010), (void)0) \
    FRAME(frame_iopl, FLAGS(0x3000), RUN("cli")) FRAME(frame_if, u->uc_mcontext.gregs[REG_EFL] &= ~0x200, (void)0) FRAME(frame_nt, FLAGS(0x4000), (void)0) \
    FRAME(frame_vm, FLAGS(0x20000), (void)0) FRAME(frame_tf, FLAGS(0x100), RUN("nop; nop")) FRAME(frame_df, FLAGS(0x400), __asm__ volatile("cld")) FRAME(frame_id, FLAGS(0x200000), (void)0) \
    FRAME(frame_vif_vip, FLAGS(0x180000), (void)0) FRAME(frame_arithmetic, FLAGS(0x8d5), (void)0) FRAME(frame_high_flags, FLAGS(0xffffffff00000000), (void)0) \
    LOOSE_FRAME(frame_rf, FLAGS(0x10000), (void)0) LOOSE_FRAME(frame_ac, FLAGS(0x40000), (void)0) LOOSE_FRAME(frame_all_flags, SET(REG_EFL, 0xffffffffffffffff & ~0x100), (void)0) \
    FRAME(frame_fp_null, u->uc_mcontext.fpregs = NULL, (void)0) FRAME(frame_fp_kernel, u->uc_mcontext.fpregs = (void *)0xffffffff80000000, (void)0) \
    FRAME(frame_fp_unmapped, u->uc_mcontext.fpregs = (void *)0x1000, (void)0) FRAME(frame_fp_noncanonical, u->uc_mcontext.fpregs = (void *)0x800000000000, (void)0) \
    LOOSE_FRAME(frame_fp_misaligned, u->uc_mcontext.fpregs = (void *)((char *)u->uc_mcontext.fpregs + 1), (void)0) LOOSE_FRAME(frame_fp_garbage, memset(u->uc_mcontext.fpregs, 0xff, 512), (void)0) \
    LOOSE_FRAME(frame_xstate_garbage, memset((char *)u->uc_mcontext.fpregs + 512, 0xff, 64), (void)0) LOOSE_FRAME(frame_fp_mxcsr, u->uc_mcontext.fpregs->mxcsr = 0xffffffff, (void)0) \
    STRICT(set_gs_kernel, YES_(syscall(SYS_arch_prctl, 0x1001, 0xffffffff80000000) == -1 && errno == EPERM)) \
    STRICT(fp_exception, RUN("fninit; push $0x37a; fldcw (%%rsp); pop %%rax; fld1; fldz; fdivrp; fldz; fldz; fdivp; fwait")) \
    STRICT(iopl_call, YES_(setuid(65534) == 0 && syscall(SYS_iopl, 3) == -1)) STRICT(ioperm_call, YES_(setuid(65534) == 0 && syscall(SYS_ioperm, 0x60, 8, 1) == -1)) \
    LOOSE(modify_ldt, syscall(SYS_modify_ldt, 1, "\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x31\0\0\0", 16))

static void nothing(int sig) {}
static void YES_(int truth) { _exit(truth ? 0 : 9); }
static void pushes(void) { __asm__ volatile("push %%rax; pop %%rax; mov $231, %%eax; xor %%edi, %%edi; syscall" ::: "memory"); }
#define SET(reg, value) u->uc_mcontext.gregs[reg] = (long long)(value)
#define CS(value) u->uc_mcontext.gregs[REG_CSGSFS] = (u->uc_mcontext.gregs[REG_CSGSFS] & ~0xffffLL) | (value)
#define SS(value) u->uc_mcontext.gregs[REG_CSGSFS] = (u->uc_mcontext.gregs[REG_CSGSFS] & 0xffffffffffffLL) | ((long long)(value) << 48)
#define FLAGS(value) u->uc_mcontext.gregs[REG_EFL] |= (value)
static void return_changed(void (*change)(int, siginfo_t *, void *)) {
    struct sigaction act = {.sa_sigaction = change, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR2, &act, NULL);
    raise(SIGUSR2);
}

#define FUNCTION(name, ...) static void do_##name(void) { __VA_ARGS__; }
/* Returns from a signal whose frame the first statement has changed, then does the second. */
#define FRAME_FUNCTION(name, change, after) \
    static void change_##name(int sig, siginfo_t *info, void *context) { ucontext_t *u = context; change; } \
    static void do_##name(void) { return_changed(change_##name); after; }
CASES(FUNCTION, FUNCTION, FRAME_FUNCTION, FRAME_FUNCTION)

static const struct { const char *name; void (*run)(void); int strict; } cases[] = {
#define STRICT_ROW(name, ...) {#name, do_##name, 1},
#define LOOSE_ROW(name, ...) {#name, do_##name, 0},
    CASES(STRICT_ROW, LOOSE_ROW, STRICT_ROW, LOOSE_ROW)
};

int main(int argc, char **argv) {
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    int hung = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc > 1 && strcmp(cases[i].name, argv[1])) continue;
        pid_t pid = SPAWN(struct itimerval t = {{0, 0}, {1, 0}}; setitimer(ITIMER_REAL, &t, NULL); cases[i].run(); _exit(0));
        int status = 0, over = 0;
        for (long start = now_ms(); waitpid(pid, &status, WNOHANG) == 0; pause_ms(1))
            if (now_ms() - start > 3000 && !over) over = 1, kill(pid, SIGKILL);
        over |= WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
        hung += over;
        if (over) printf("%s: hung\n", cases[i].name);
        else if (cases[i].strict || argc > 1) how(cases[i].name, status);
        else printf("%s: ended\n", cases[i].name);
    }
    printf("hung: %d\n", hung);
    how("witness", CHILD(pid_t p = SPAWN(_exit(3)); _exit(reap(p) == 3 << 8 ? 0 : 1)));
    return 0;
}
