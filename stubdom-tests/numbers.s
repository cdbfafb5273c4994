# Numbers as text, and bytes from the serial port.

# Writes AX in decimal.
decimal:
    pusha
    xor cx, cx
    mov bx, 10
1:  xor dx, dx
    div bx
    push dx
    inc cx
    test ax, ax
    jnz 1b
2:  pop ax
    add al, '0'
    call put
    loop 2b
    popa
    ret

# Writes AL as two hexadecimal digits.
hexadecimal:
    push ax
    push ax
    shr al, 4
    call digit
    pop ax
    and al, 15
    call digit
    pop ax
    ret
digit:
    add al, '0'
    cmp al, '9'
    jbe put
    add al, 'a' - '9' - 1
    jmp put

# A byte in AL if there is one: carry is set where there is none.
poll:
    push dx
    mov dx, COM1 + 5
    in al, dx
    cmp al, 0xff
    je 1f
    test al, 1
    jz 1f
    mov dx, COM1
    in al, dx
    pop dx
    clc
    ret
1:  pop dx
    stc
    ret

# Waits for a byte and returns it in AL; the CPU halts between two ticks of the timer.
get:
    call poll
    jnc 1f
    sti
    hlt
    jmp get
1:  ret
