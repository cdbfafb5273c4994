# The letters that the guests know. A digit chooses the disk that the letters after it are about, 0 to 3.
#
#   W  write a pattern with the BIOS, read it back and compare    R  the same without writing
#   M  the same by bus-master DMA, scattered over pages           r  read 1 MiB by DMA    w  write 1 MiB by DMA
#   F  have the disk flush its cache
#   z  read 64 KiB with the BIOS (by ports)                       c  the start of the first block of the CD-ROM
#   i  read 8 MiB by DMA, each further on, and say < before it and > behind it    o  write them, and have the disk flush its cache
#   b  read 256 KiB with the BIOS, between the same marks         N  nothing at all with no timer, until a byte comes
#   T  ten interrupts of the timer                                L  a line each half second until a byte comes
#   e  a line comes back as it was typed                          D  nothing at all, until a byte comes
#   P  power off by ACPI                                          H  halt for ever with interrupts off
#   B  reset by port 0xcf9                                        K  reset by the keyboard controller
#   A  wait for the power button, then as P                       X  end the device model, by its isa-debug-exit
#   S  a line on the second serial port, and one from there       E  a frame from each rtl8139

interactive:
    mov si, offset ready
    call say
1:  call get
    call command
    jmp 1b

ready: .asciz "READY\r\n"

# Does what the letter AL says; others are told and left alone.
command:
    cmp al, ' '
    jbe 3f
    cmp al, '0'
    jb 1f
    cmp al, '3'
    ja 1f
    sub al, '0'
    mov [unit], al
    ret
1:  mov si, offset table
2:  cmp byte ptr [si], 0
    je unknown
    cmp al, [si]
    lea si, [si + 3]
    jne 2b
    jmp word ptr [si - 2]
3:  ret

unknown:
    mov si, offset unknown_text
    call say
    call put
    jmp newline

unknown_text: .asciz "unknown letter "
unit: .byte 0

table:
    .byte 'W'
    .word write_pattern
    .byte 'R'
    .word compare_pattern
    .byte 'M'
    .word dma_pattern
    .byte 'r'
    .word dma_read
    .byte 'w'
    .word dma_write
    .byte 'z'
    .word bios_read
    .byte 'c'
    .word cdrom
    .byte 'F'
    .word flush
    .byte 'i'
    .word dma_read_on
    .byte 'o'
    .word dma_write_on
    .byte 'b'
    .word bios_read_on
    .byte 'N'
    .word still
    .byte 'T'
    .word timer
    .byte 'L'
    .word lines
    .byte 'e'
    .word echo
    .byte 'D'
    .word idle
    .byte 'P'
    .word power_off
    .byte 'H'
    .word halt
    .byte 'B'
    .word reset
    .byte 'K'
    .word keyboard_reset
    .byte 'A'
    .word button
    .byte 'X'
    .word end_model
    .byte 'S'
    .word second_port
    .byte 'E'
    .word frames
    .byte 0

# The BIOS's interrupt 8 calls 1Ch at each of its 18.2 ticks in a second.
timer:
    cli
    mov eax, [0x1c * 4]
    mov [old_vector], eax
    mov word ptr [0x1c * 4], offset tick
    mov word ptr [0x1c * 4 + 2], 0
    mov word ptr [ticks], 0
    sti
1:  hlt
    cmp word ptr [ticks], 10
    jb 1b
    cli
    mov eax, [old_vector]
    mov [0x1c * 4], eax
    sti
    mov si, offset timer_text
    jmp say
tick:
    inc word ptr cs:[ticks]
    iret
old_vector: .long 0
ticks: .word 0
timer_text: .asciz "TIMER: ten ticks\r\n"

# AX is the BIOS's count of ticks.
now:
    mov ax, [0x46c]
    ret

lines:
    xor cx, cx
1:  mov si, offset line_text
    call say
    mov ax, cx
    call decimal
    call newline
    inc cx
    call now
    mov bx, ax
2:  sti
    hlt
    call poll
    jnc 3f
    call now
    sub ax, bx
    cmp ax, 9
    jb 2b
    jmp 1b
3:  ret
line_text: .asciz "LINE "

echo:
    mov si, offset echo_text
    call say
1:  call get
    cmp al, '\r'
    je newline
    cmp al, '\n'
    je newline
    call put
    jmp 1b
echo_text: .asciz "ECHO: "

idle:
    mov si, offset idle_text
    call say
    jmp get
idle_text: .asciz "IDLE\r\n"

# The serial port's interrupt is all that wakes the CPU.
still:
    mov si, offset still_text
    call say
    cli
    in al, 0x21
    push ax
    mov al, 0xef
    out 0x21, al
    mov dx, COM1 + 1
    mov al, 1
    out dx, al
1:  sti
    hlt
    call poll
    jc 1b
    mov dx, COM1 + 1
    xor al, al
    out dx, al
    pop ax
    out 0x21, al
    ret
still_text: .asciz "STILL\r\n"
