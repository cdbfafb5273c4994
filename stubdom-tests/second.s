# The second serial port: a line goes out there, and the line that comes back is told on the first.

.set COM2, 0x2f8

second_port:
    mov bx, COM2
    call port_init
    mov si, offset second_out
1:  lodsb
    test al, al
    jz 2f
    mov ah, al
    mov dx, COM2 + 5
3:  in al, dx
    test al, 0x20
    jz 3b
    mov dx, COM2
    mov al, ah
    out dx, al
    jmp 1b
2:  mov si, offset second_in
    call say
4:  sti
    hlt
    mov dx, COM2 + 5
5:  in al, dx
    test al, 1
    jz 4b
    mov dx, COM2
    in al, dx
    cmp al, '\r'
    je newline
    cmp al, '\n'
    je newline
    call put
    mov dx, COM2 + 5
    jmp 5b

second_out: .asciz "PORT 2: the second serial port\r\n"
second_in: .asciz "PORT 2 HEARD: "
