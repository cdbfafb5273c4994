# A program for network boot: what a PXE ROM loads by DHCP and TFTP over the emulated network card. It takes the same letters as the
# disk's program, over the serial line.

.code16
.intel_syntax noprefix

.globl _start
_start:
    ljmp 0, offset 1f
1:  cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    cld
    call serial_init
    mov si, offset hello
    call say
    jmp interactive

hello: .asciz "NBP: network boot program runs\r\n"
drive: .byte 0x80

.include "console.s"
.include "numbers.s"
.include "commands.s"
.include "disk.s"
.include "dma.s"
.include "second.s"
.include "frames.s"
.include "power.s"
