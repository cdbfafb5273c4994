// static. Small calls that programs make and expect to work: personality, membarrier, sched_yield, ioprio, arch_prctl.
#include "check.h"
#include <asm/prctl.h>
#include <linux/membarrier.h>
int main(void) {
    CALL(syscall(SYS_personality, 0xffffffff));
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    YES(commands >= 0 || errno == ENOSYS);
    CALL(syscall(SYS_membarrier, 12345, 0, 0));
    CALL(sched_yield());
    unsigned long fs = 0, gs = 1, value = 77;
    CALL(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    YES(fs == *(unsigned long *)__builtin_thread_pointer());
    CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, &value));
    CALL(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    YES(gs == (unsigned long)&value);
    unsigned long read;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(read));
    printf("through gs %lu\n", read);
    how("child keeps it", CHILD(__asm__ volatile("mov %%gs:0, %0" : "=r"(read)); _exit(read)));
    CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000));
    CALL(syscall(SYS_arch_prctl, ARCH_SET_FS, 0x8000000000000000));
    CALL(syscall(SYS_arch_prctl, 0x9999, 0));
    CALL(syscall(SYS_set_tid_address, &value) == getpid());
    CALL(syscall(999, 1, 2, 3));
    CALL(syscall(-1));
    CALL((sync(), 0));
    return 0;
}
