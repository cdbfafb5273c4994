# A disk to boot an HVM guest from: sector 0 loads what follows it, which does what the command sector (32) says, a letter each; then
# what comes over the serial line. commands.s has the letters.

.code16
.intel_syntax noprefix
.set BASE, 0x7c00
.set SECTORS, 24
.set COMMANDS, 32

.globl _start
_start:
    ljmp 0, offset 1f
1:  cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, BASE
    sti
    cld
    mov [drive], dl
    call serial_init
    mov si, offset hello
    call say
    mov si, offset packet
    mov dl, [drive]
    mov ah, 0x42
    int 0x13
    jc failed
    jmp stage2
failed:
    mov si, offset no_disk
    call say
1:  hlt
    jmp 1b

hello: .asciz "BS: boot sector\r\n"
no_disk: .asciz "BS: FAILED: the rest cannot be read\r\n"
drive: .byte 0
    .balign 4
# int 13h, function 42h: so many sectors from the second one on, to right behind this one.
packet:
    .byte 16, 0
    .word SECTORS
    .word BASE + 512, 0
    .quad 1

.include "console.s"

    .org 510
    .word 0xaa55

stage2:
    mov si, offset loaded
    call say
    call run_disk
    jmp interactive

loaded: .asciz "BS: stage 2 loaded\r\n"

# Does what the command sector says.
run_disk:
    mov dword ptr [request + 8], COMMANDS
    mov word ptr [request + 2], 1
    mov word ptr [request + 4], offset script
    mov word ptr [request + 6], 0
    mov dl, [drive]
    mov ah, 0x42
    call int13
    jc failed
    mov si, offset script
1:  lodsb
    test al, al
    jz 2f
    push si
    call command
    pop si
    jmp 1b
2:  ret

.include "numbers.s"
.include "commands.s"
.include "disk.s"
.include "dma.s"
.include "second.s"
.include "frames.s"
.include "power.s"

    .balign 16
script: .skip 512
    .org 512 * (SECTORS + 1)
