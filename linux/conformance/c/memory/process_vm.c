// process_vm_readv and writev between parent and child, /proc/self/mem.
#include "check.h"
int main(void) {
    static char data[32] = "parent's";
    int go[2];
    pipe(go);
    pid_t pid = SPAWN(strcpy(data, "child's"); char c; write(go[1], "x", 1); for (;;) pause());
    char c, text[32] = "";
    read(go[0], &c, 1);
    struct iovec local = {text, 16}, remote = {data, 16};
    CALL(process_vm_readv(pid, &local, 1, &remote, 1, 0));
    printf("%s\n", text);
    strcpy(text, "written");
    CALL(process_vm_writev(pid, &local, 1, &remote, 1, 0));
    memset(text, 0, sizeof text);
    CALL(process_vm_readv(pid, &local, 1, &remote, 1, 0));
    printf("%s, own %s\n", text, data);
    remote.iov_base = (void *)0x1000;
    CALL(process_vm_readv(pid, &local, 1, &remote, 1, 0));
    CALL(process_vm_readv(99999999, &local, 1, &remote, 1, 0));
    CALL(process_vm_readv(pid, &local, 1, &remote, 1, 7));
    kill(pid, SIGKILL);
    reap(pid);
    int fd = open("/proc/self/mem", O_RDWR);
    memset(text, 0, sizeof text);
    CALL(pread(fd, text, 8, (off_t)data));
    printf("%s\n", text);
    CALL(pread(fd, text, 8, 0x1000));
    return 0;
}
