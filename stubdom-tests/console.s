# What the guests say: every character goes to the first serial port, which the device model emulates, and to Xen's debug port 0xe9, a
# line of which is a line of Xen's own console even where no device model works.

.set COM1, 0x3f8
.set DEBUG, 0xe9

# 115200 baud, eight bits, no interrupts.
serial_init:
    mov bx, COM1
# The same for the port at BX.
port_init:
    lea dx, [bx + 1]
    xor al, al
    out dx, al
    lea dx, [bx + 3]
    mov al, 0x80
    out dx, al
    mov dx, bx
    mov al, 1
    out dx, al
    inc dx
    xor al, al
    out dx, al
    lea dx, [bx + 3]
    mov al, 3
    out dx, al
    lea dx, [bx + 2]
    mov al, 0xc7
    out dx, al
    lea dx, [bx + 4]
    mov al, 3
    out dx, al
    ret

# Writes AL; all registers stay.
put:
    push ax
    push cx
    push dx
    mov ah, al
    out DEBUG, al
    # A port that is never ready is given up on.
    mov cx, 0xffff
    mov dx, COM1 + 5
1:  in al, dx
    test al, 0x20
    loopz 1b
    mov dx, COM1
    mov al, ah
    out dx, al
    pop dx
    pop cx
    pop ax
    ret

# Writes the text at SI up to its zero.
say:
    push ax
1:  lodsb
    test al, al
    jz 2f
    call put
    jmp 1b
2:  pop ax
    ret

newline:
    push si
    mov si, offset line_end
    call say
    pop si
    ret

line_end: .asciz "\r\n"
