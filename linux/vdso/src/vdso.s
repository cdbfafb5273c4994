# The shared object of `vdso(7)`, from its first byte to its last. Addresses in it are relative to its beginning.

    .set page, minios_vdso_start - 4096
    .set version, 0
    .set tsc_timestamp, 8
    .set system_time, 16
    .set multiplier, 24
    .set shift, 28
    .set wall_version, 64
    .set wall_base, 72
    .set latest, 80

    .globl minios_vdso_start
    .hidden minios_vdso_start
minios_vdso_start:
    .byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0
    .quad 0
    .short 3, 62                                        # ET_DYN, EM_X86_64
    .long 1
    .quad 0                                             # no entry
    .quad vdso_headers - minios_vdso_start
    .quad 0                                             # no sections
    .long 0
    .short 64, 56, 2, 0, 0, 0
vdso_headers:
    .long 1, 5                                          # PT_LOAD, read and execute
    .quad 0, 0, 0, 4096, 4096, 4096
    .long 2, 4                                          # PT_DYNAMIC
    .quad vdso_dynamic - minios_vdso_start, vdso_dynamic - minios_vdso_start, vdso_dynamic - minios_vdso_start
    .quad vdso_dynamic_end - vdso_dynamic, vdso_dynamic_end - vdso_dynamic, 8

vdso_dynamic:
    .quad 14, vdso_name - vdso_strings                  # DT_SONAME
    .quad 4, vdso_hash - minios_vdso_start              # DT_HASH
    .quad 5, vdso_strings - minios_vdso_start           # DT_STRTAB
    .quad 6, vdso_symbols - minios_vdso_start           # DT_SYMTAB
    .quad 10, vdso_strings_end - vdso_strings           # DT_STRSZ
    .quad 11, 24                                        # DT_SYMENT
    .quad 0x6ffffff0, vdso_versions - minios_vdso_start # DT_VERSYM
    .quad 0x6ffffffc, vdso_defined - minios_vdso_start  # DT_VERDEF
    .quad 0x6ffffffd, 2                                 # DT_VERDEFNUM
    .quad 0, 0
vdso_dynamic_end:

    .macro vdso_symbol label
    .long vdso_name_\label - vdso_strings
    .byte 0x12, 0                                       # STB_GLOBAL, STT_FUNC
    .short 1                                            # defined
    .quad vdso_\label - minios_vdso_start
    .quad vdso_end_\label - vdso_\label
    .endm

vdso_symbols:
    .quad 0, 0, 0
    vdso_symbol clock_gettime
    vdso_symbol gettimeofday
    vdso_symbol time
    vdso_symbol getcpu
    vdso_symbol clock_getres

# One bucket: a chain through all symbols.
    .balign 8
vdso_hash:
    .long 1, 6
    .long 1
    .long 0, 2, 3, 4, 5, 0

vdso_versions:
    .short 0, 2, 2, 2, 2, 2

    .balign 8
vdso_defined:
    .short 1, 1, 1, 1                                   # version 1, VER_FLG_BASE, index 1, one name
    .long 0x0deebfa1                                    # hash of the name
    .long 20, 28                                        # the name is 20 bytes on, the next definition 28
    .long vdso_name - vdso_strings, 0
    .short 1, 0, 2, 1
    .long 0x03ae75f6
    .long 20, 0
    .long vdso_version - vdso_strings, 0

vdso_strings:
    .byte 0
vdso_name:
    .asciz "linux-vdso.so.1"
vdso_version:
    .asciz "LINUX_2.6"
vdso_name_clock_gettime:
    .asciz "__vdso_clock_gettime"
vdso_name_gettimeofday:
    .asciz "__vdso_gettimeofday"
vdso_name_time:
    .asciz "__vdso_time"
vdso_name_getcpu:
    .asciz "__vdso_getcpu"
vdso_name_clock_getres:
    .asciz "__vdso_clock_getres"
vdso_strings_end:

# System time in nanoseconds in RAX. Uses RCX, RDX, R8, R9.
    .balign 16
vdso_monotonic:
    lea r9, [rip + page]
2:
    mov r8d, [r9 + version]
    test r8d, 1
    jnz 5f
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, [r9 + tsc_timestamp]
    jns 3f
    xor eax, eax
3:
    movsx ecx, byte ptr [r9 + shift]
    test ecx, ecx
    js 4f
    shl rax, cl
    jmp 6f
4:
    neg ecx
    shr rax, cl
6:
    mov edx, [r9 + multiplier]
    mul rdx
    shrd rax, rdx, 32
    add rax, [r9 + system_time]
    cmp r8d, [r9 + version]
    jne 5f
    mov rdx, [r9 + latest]
    cmp rax, rdx
    cmovb rax, rdx
    ret
5:
    pause
    jmp 2b

# Nanoseconds since 1970 in RAX.
vdso_real:
    call vdso_monotonic
2:
    mov r8d, [r9 + wall_version]
    test r8d, 1
    jnz 3f
    mov rdx, [r9 + wall_base]
    cmp r8d, [r9 + wall_version]
    jne 3f
    add rax, rdx
    ret
3:
    pause
    jmp 2b

# int clock_gettime(clockid_t, struct timespec *)
    .balign 16
vdso_clock_gettime:
    cmp edi, 7
    ja 3f
    # Monotonic: MONOTONIC 1, MONOTONIC_RAW 4, MONOTONIC_COARSE 6, BOOTTIME 7.
    mov eax, 0xd2
    bt eax, edi
    jc 2f
    # Real: REALTIME 0, REALTIME_COARSE 5.
    mov eax, 0x21
    bt eax, edi
    jnc 3f
    call vdso_real
    jmp 4f
2:
    call vdso_monotonic
4:
    mov ecx, 1000000000
    xor edx, edx
    div rcx
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
3:
    mov eax, 228
    syscall
    ret
vdso_end_clock_gettime:

# int gettimeofday(struct timeval *, struct timezone *)
    .balign 16
vdso_gettimeofday:
    test rdi, rdi
    jz 2f
    call vdso_real
    mov ecx, 1000
    xor edx, edx
    div rcx
    mov ecx, 1000000
    xor edx, edx
    div rcx
    mov [rdi], rax
    mov [rdi + 8], rdx
2:
    test rsi, rsi
    jz 3f
    mov qword ptr [rsi], 0
3:
    xor eax, eax
    ret
vdso_end_gettimeofday:

# time_t time(time_t *)
    .balign 16
vdso_time:
    call vdso_real
    mov ecx, 1000000000
    xor edx, edx
    div rcx
    test rdi, rdi
    jz 2f
    mov [rdi], rax
2:
    ret
vdso_end_time:

# int getcpu(unsigned *, unsigned *, void *): there is one.
    .balign 16
vdso_getcpu:
    test rdi, rdi
    jz 2f
    mov dword ptr [rdi], 0
2:
    test rsi, rsi
    jz 3f
    mov dword ptr [rsi], 0
3:
    xor eax, eax
    ret
vdso_end_getcpu:

# int clock_getres(clockid_t, struct timespec *)
    .balign 16
vdso_clock_getres:
    cmp edi, 7
    ja 3f
    mov eax, 0xf3
    bt eax, edi
    jnc 3f
    test rsi, rsi
    jz 2f
    mov qword ptr [rsi], 0
    mov qword ptr [rsi + 8], 1
2:
    xor eax, eax
    ret
3:
    mov eax, 229
    syscall
    ret
vdso_end_clock_getres:

    .balign 4096, 0xcc
