// static. The auxiliary vector has what programs and ld.so read, with sane values.
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>
int main(int argc, char **argv) {
    printf("page %lu\n", getauxval(AT_PAGESZ));
    printf("clock ticks %lu\n", getauxval(AT_CLKTCK));
    printf("ids %lu %lu %lu %lu\n", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID));
    printf("secure %lu\n", getauxval(AT_SECURE));
    printf("phent %lu\n", getauxval(AT_PHENT));
    YES(getauxval(AT_PHDR) && getauxval(AT_PHNUM) > 3 && getauxval(AT_ENTRY));
    YES(getauxval(AT_HWCAP) != 0);
    printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
    unsigned char *random = (void *)getauxval(AT_RANDOM), zero[16] = {0};
    YES(random && memcmp(random, zero, 16) != 0);
    YES(getauxval(AT_EXECFN) && access((char *)getauxval(AT_EXECFN), X_OK) == 0);
    YES(strcmp((char *)getauxval(AT_EXECFN), argv[0]) == 0);
    Elf64_Ehdr *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
    YES(vdso && memcmp(vdso->e_ident, ELFMAG, SELFMAG) == 0);
    unsigned long text[128];
    int fd = open("/proc/self/auxv", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text);
    YES(n > 0 && n % 16 == 0);
    unsigned long page = 0;
    for (int i = 0; i < n / 8; i += 2) if (text[i] == AT_PAGESZ) page = text[i + 1];
    printf("from /proc %lu\n", page);
    return 0;
}
