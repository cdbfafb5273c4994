# The disk by bus-master DMA, as operating systems drive it: the device model itself moves the data, from or to sixteen pages that do
# not lie beside each other.

.set PRIMARY, 0x1f0
.set TABLE, 0x6000              # the list of pages
.set PAGES, 16
.set SOURCE, 0x40000            # every second page from here on
.set TARGET, 0x61000
.set READ, 0xc8
.set WRITE, 0xca

# Finds the IDE controller's bus-master ports and lets it be a master; carry where there is none.
dma_init:
    cmp word ptr [master], 0
    jne 3f
    # Class 0101, an IDE controller, among the functions of bus 0.
    mov ebx, 0x80000000
1:  mov eax, ebx
    or al, 8
    call pci_read
    shr eax, 16
    cmp ax, 0x0101
    je 2f
    add ebx, 0x100
    cmp ebx, 0x80010000
    jb 1b
    stc
    ret
2:  mov eax, ebx
    or al, 4
    call pci_read
    or al, 5
    out dx, eax
    mov eax, ebx
    or al, 0x20
    call pci_read
    and al, 0xfc
    mov [master], ax
    test ax, ax
    jnz 3f
    stc
    ret
3:  clc
    ret

# EAX becomes the word of configuration space at EAX, DX its port.
pci_read:
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    in eax, dx
    ret

master: .word 0

# Moves 128 sectors from the sector EBX on, of disk 0 or 1: CL is the command, EDI the physical address of the first of the
# sixteen pages. Carry where it fails; AH is the drive's status then and AL the controller's.
dma:
    push edi
    push si
    mov si, offset TABLE
    mov dx, PAGES
1:  mov [si], edi
    mov dword ptr [si + 4], 4096
    add edi, 8192
    add si, 8
    dec dx
    jnz 1b
    mov byte ptr [si - 1], 0x80
    mov dx, [master]
    xor al, al
    cmp cl, READ
    jne 2f
    mov al, 8
2:  mov ch, al
    out dx, al
    add dx, 2
    mov al, 6
    out dx, al
    add dx, 2
    mov eax, TABLE
    out dx, eax
    mov dx, PRIMARY + 7
3:  in al, dx
    test al, 0x80
    jnz 3b
    dec dx
    mov eax, ebx
    shr eax, 24
    or al, 0xe0
    mov ah, [unit]
    shl ah, 4
    or al, ah
    out dx, al
    mov dx, PRIMARY + 2
    mov al, PAGES * 8
    out dx, al
    inc dx
    mov eax, ebx
    out dx, al
    inc dx
    shr eax, 8
    out dx, al
    inc dx
    shr eax, 8
    out dx, al
    mov dx, PRIMARY + 7
    mov al, cl
    out dx, al
    mov dx, [master]
    mov al, ch
    or al, 1
    out dx, al
    add dx, 2
    # The disk's interrupt ends the wait, or the timer's if that one came in between.
4:  cli
    in al, dx
    test al, 4
    jnz 5f
    sti
    hlt
    jmp 4b
5:  sti
    mov ah, al
    mov dx, [master]
    xor al, al
    out dx, al
    mov dx, PRIMARY + 7
    in al, dx
    xchg al, ah
    pop si
    pop edi
    # An error of the drive, or of the controller.
    test ah, 0x21
    jnz 6f
    test al, 2
    jnz 6f
    clc
    ret
6:  stc
    ret

# Fills sixteen pages at SOURCE with words from AX on, each 0x3d09 more than the last.
dma_fill:
    push es
    mov bx, SOURCE >> 4
    mov dx, PAGES
1:  mov es, bx
    xor di, di
    mov cx, 2048
2:  stosw
    add ax, 0x3d09
    loop 2b
    add bx, 0x200
    dec dx
    jnz 1b
    pop es
    ret

# Zeros in the pages at TARGET.
dma_clear:
    push es
    mov bx, TARGET >> 4
    mov dx, PAGES
1:  mov es, bx
    xor di, di
    xor ax, ax
    mov cx, 2048
    rep stosw
    add bx, 0x200
    dec dx
    jnz 1b
    pop es
    ret

# The zero flag is set where all pages are the same.
dma_same:
    push ds
    push es
    mov bx, SOURCE >> 4
    mov bp, TARGET >> 4
    mov dx, PAGES
1:  mov ds, bx
    mov es, bp
    xor si, si
    xor di, di
    mov cx, 2048
    repe cmpsw
    jne 2f
    add bx, 0x200
    add bp, 0x200
    dec dx
    jnz 1b
2:  pop es
    pop ds
    ret

# FLUSH CACHE of disk 0 or 1: what was written is in dom0's file then.
flush:
    call flush_cache
    jc disk_failed
    mov si, offset flush_text
    jmp tell_disk
flush_text: .asciz "FLUSH: done on disk "

# Carry where it fails; AH is the drive's status then.
flush_cache:
    mov dx, PRIMARY + 6
    mov al, [unit]
    shl al, 4
    or al, 0xe0
    out dx, al
    inc dx
    mov al, 0xe7
    out dx, al
1:  in al, dx
    test al, 0x80
    jnz 1b
    mov ah, al
    test al, 0x21
    jz 2f
    stc
2:  ret

dma_pattern:
    call dma_init
    jc no_controller
    mov al, [unit]
    xor ah, ah
    imul ax, ax, 0x1111
    add ax, 0x4321
    call dma_fill
    call dma_clear
    mov ebx, 1024
    mov cl, WRITE
    mov edi, SOURCE
    call dma
    jc dma_failed
    mov ebx, 1024
    mov cl, READ
    mov edi, TARGET
    call dma
    jc dma_failed
    call dma_same
    jne differs
    mov si, offset dma_text
    jmp tell_disk

no_controller:
    mov si, offset no_controller_text
    jmp say
dma_failed:
    mov si, offset dma_failed_text
    call say
    call hexadecimal
    mov al, ah
    call hexadecimal
    mov si, offset of_disk
    jmp tell_disk

dma_text: .asciz "DMA: pattern right on disk "
dma_failed_text: .asciz "FAILED: DMA status "
no_controller_text: .asciz "FAILED: no IDE controller with bus-master ports\r\n"

# One MiB from sector 2048 on, by the clock.
dma_read:
    mov cl, READ
    mov edi, TARGET
    mov si, offset dma_read_text
    jmp dma_many
dma_write:
    mov cl, WRITE
    mov edi, SOURCE
    mov si, offset dma_write_text
dma_many:
    push cx
    push si
    call dma_init
    pop si
    pop cx
    jc no_controller
    call now
    mov [since], ax
    mov ebx, 2048
    mov bp, 16
1:  push cx
    call dma
    pop cx
    jc dma_failed
    add ebx, 128
    dec bp
    jnz 1b
    push word ptr [since]
    jmp tell_ticks
since: .word 0
dma_read_text: .asciz "DMA: read 1 MiB, ticks "
dma_write_text: .asciz "DMA: wrote 1 MiB, ticks "

# 8 MiB from where the last of these ended, between two marks: whoever reads the serial line takes the time.
dma_read_on:
    mov cl, READ
    mov edi, TARGET
    jmp dma_on
dma_write_on:
    mov cl, WRITE
    mov edi, SOURCE
dma_on:
    push cx
    call dma_init
    pop cx
    jc no_controller
    mov al, '<'
    call put
    mov ebx, [position]
    mov bp, 128
1:  push cx
    call dma
    pop cx
    jc dma_failed
    add ebx, 128
    dec bp
    jnz 1b
    mov [position], ebx
    cmp cl, WRITE
    jne marked
    call flush_cache
    jc disk_failed
marked:
    mov al, '>'
    call put
    jmp newline

# 256 KiB by the BIOS.
bios_read_on:
    mov al, '<'
    call put
    mov cx, 8
1:  push cx
    mov eax, [position]
    mov [request + 8], eax
    mov word ptr [request + 2], COUNT
    mov word ptr [request + 4], 0
    mov word ptr [request + 6], IN
    add dword ptr [position], COUNT
    call chosen
    mov ah, 0x42
    call int13
    pop cx
    jc disk_failed
    loop 1b
    jmp marked

position: .long 2048
