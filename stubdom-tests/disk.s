# Disks by the BIOS's int 13h, which moves every word through the disk's port.

.set AREA, 64           # the first sector of what is written
.set COUNT, 64          # sectors of it
.set OUT, 0x2000        # segments of two buffers
.set IN, 0x3000

# Calls int 13h with the packet at `request`.
int13:
    push ds
    push es
    mov si, offset request
    int 0x13
    pop es
    pop ds
    ret

    .balign 4
request:
    .byte 16, 0
    .word 0, 0, 0
    .quad 0

# DL is the BIOS's number of the chosen disk.
chosen:
    mov dl, [unit]
    add dl, 0x80
    ret

# Fills segment ES with the pattern of the chosen disk: word i is i * 0x9e37 + 0x1235 * (disk + 1).
fill:
    pusha
    xor di, di
    mov al, [unit]
    inc al
    xor ah, ah
    imul ax, ax, 0x1235
    mov cx, COUNT * 256
1:  stosw
    add ax, 0x9e37
    loop 1b
    popa
    ret

# Compares the segments OUT and IN; the zero flag is set where they are the same.
same:
    push ds
    push es
    mov ax, OUT
    mov ds, ax
    mov ax, IN
    mov es, ax
    xor si, si
    xor di, di
    mov cx, COUNT * 256
    repe cmpsw
    pop es
    pop ds
    ret

# Clears the segment IN.
clear:
    push es
    mov ax, IN
    mov es, ax
    xor di, di
    xor ax, ax
    mov cx, COUNT * 256
    rep stosw
    pop es
    ret

# Moves COUNT sectors by the BIOS: AH is the function, BX the segment.
transfer:
    mov dword ptr [request + 8], AREA
    mov word ptr [request + 2], COUNT
    mov word ptr [request + 4], 0
    mov [request + 6], bx
    call chosen
    xor al, al
    jmp int13

write_pattern:
    call fill_out
    mov ah, 0x43
    mov bx, OUT
    call transfer
    jc disk_failed
    jmp compare_filled
compare_pattern:
    call fill_out
compare_filled:
    call clear
    mov ah, 0x42
    mov bx, IN
    call transfer
    jc disk_failed
    call same
    jne differs
    mov si, offset bios_text
    jmp tell_disk
fill_out:
    push es
    mov ax, OUT
    mov es, ax
    call fill
    pop es
    ret

differs:
    mov si, offset differ_text
    jmp tell_disk
# AH is the BIOS's status.
disk_failed:
    mov si, offset failed_text
    call say
    mov al, ah
    call hexadecimal
    mov si, offset of_disk
# Writes the text at SI and the disk's number.
tell_disk:
    call say
    mov al, [unit]
    xor ah, ah
    call decimal
    jmp newline

bios_text: .asciz "BIOS: pattern right on disk "
differ_text: .asciz "FAILED: other bytes than were written on disk "
failed_text: .asciz "FAILED: status "
of_disk: .asciz " of disk "

# Sixty-four KiB through the port, by the clock.
bios_read:
    call now
    push ax
    mov cx, 2
1:  push cx
    mov ah, 0x42
    mov bx, IN
    call transfer
    pop cx
    jc 2f
    loop 1b
    mov si, offset bios_read_text
    jmp tell_ticks
2:  pop bx
    jmp disk_failed
bios_read_text: .asciz "BIOS: read 64 KiB, ticks "

# Writes the text at SI and the ticks since the count on the stack.
tell_ticks:
    pop bx
    call say
    call now
    sub ax, bx
    call decimal
    jmp newline

# The first 32 bytes of the CD-ROM's block 16, by ATAPI through the secondary channel's ports: the BIOS lends int 13h to a
# CD-ROM only where it has booted from one. The drive is the chosen unit, 2 or 3.
.set ATAPI, 0x170
cdrom:
    mov dx, ATAPI + 6
    mov al, [unit]
    and al, 1
    shl al, 4
    or al, 0xa0
    out dx, al
    mov cx, 4
1:  push cx
    call atapi_read
    pop cx
    jnc 2f
    # Commands after a change of the medium are refused, the second until somebody asks why.
    push ax
    call atapi_sense
    pop ax
    loop 1b
    mov si, offset cdrom_failed
    call say
    call hexadecimal
    jmp newline
2:  mov si, offset cdrom_text
    call say
    mov si, offset sector
    mov cx, 32
3:  lodsb
    cmp al, ' '
    jae 4f
    mov al, '.'
4:  call put
    loop 3b
    jmp newline

# Carry and the error register in AL where it fails.
atapi_read:
    mov si, offset read_block
    call atapi_command
    jc 2f
    mov di, offset sector
    mov cx, 16
    rep insw
    mov cx, 1024 - 16
1:  in ax, dx
    loop 1b
    clc
2:  ret

# Why the last command failed; the drive forgets it then.
atapi_sense:
    mov si, offset request_sense
    call atapi_command
    jc 2f
    push cx
    mov cx, 9
1:  in ax, dx
    loop 1b
    pop cx
2:  ret

# Has the drive do what the packet at SI says, up to its data; DX is the port of that.
atapi_command:
    call atapi_wait
    mov dx, ATAPI + 1
    xor al, al
    out dx, al
    mov dx, ATAPI + 4
    out dx, al
    inc dx
    mov al, 8
    out dx, al
    mov dx, ATAPI + 7
    mov al, 0xa0
    out dx, al
    call atapi_wait
    push cx
    mov dx, ATAPI
    mov cx, 6
    rep outsw
    pop cx
    call atapi_wait
    test al, 1
    jnz 2f
    mov dx, ATAPI
    clc
    ret
2:  mov dx, ATAPI + 1
    in al, dx
    stc
    ret
atapi_wait:
    mov dx, ATAPI + 7
1:  in al, dx
    test al, 0x80
    jnz 1b
    ret

request_sense: .byte 3, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0
read_block: .byte 0x28, 0, 0, 0, 0, 16, 0, 0, 1, 0, 0, 0
cdrom_text: .asciz "CD-ROM: "
cdrom_failed: .asciz "FAILED: CD-ROM, error "
sector: .skip 32
