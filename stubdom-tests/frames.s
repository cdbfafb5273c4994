# Network cards without a network program: a broadcast frame from each rtl8139 of the guest, which names the card it left by.

.set RTL8139, 0x813910ec

frames:
    mov byte ptr [card], 0
    # Bus 0, function 0 of each of the 32 devices.
    mov ebx, 0x80000000
1:  xor al, al
    call config
    cmp eax, RTL8139
    jne 2f
    call frame
2:  add ebx, 0x800
    cmp ebx, 0x80010000
    jb 1b
    mov si, offset frames_text
    jmp say

# EAX is the register AL of the device's configuration, EBX the device; DX is left at its data.
config:
    push eax
    mov dx, 0xcf8
    movzx eax, al
    or eax, ebx
    out dx, eax
    pop eax
    mov dx, 0xcfc
    in eax, dx
    ret

frame:
    mov al, 4
    call config
    # I/O and bus mastering.
    or eax, 5
    out dx, eax
    mov al, 0x10
    call config
    and al, 0xfc
    mov bp, ax
    # Reset, then on.
    lea dx, [bp + 0x37]
    mov al, 0x10
    out dx, al
3:  in al, dx
    test al, 0x10
    jnz 3b
    mov al, 0x0c
    out dx, al
    # The card's own address is the sender.
    mov dx, bp
    mov di, offset frame_bytes + 6
    mov cx, 6
4:  in al, dx
    stosb
    inc dx
    loop 4b
    mov al, [card]
    mov [frame_bytes + 14], al
    inc byte ptr [card]
    lea dx, [bp + 0x20]
    mov eax, offset frame_bytes
    out dx, eax
    lea dx, [bp + 0x10]
    mov eax, 60
    out dx, eax
    # Sent, sooner or later.
    mov cx, 0xffff
5:  in eax, dx
    test ah, 0x80
    loopz 5b
    mov si, offset frame_text
    jnz 6f
    mov si, offset no_frame_text
6:  jmp say

card: .byte 0
    .balign 4
# A type of Ethernet's that is for experiments.
frame_bytes:
    .byte 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x88, 0xb5
    .space 46
frame_text: .asciz "CARD: a frame was sent\r\n"
no_frame_text: .asciz "FAILED: a card sends nothing\r\n"
frames_text: .asciz "CARDS: done\r\n"
