# How a guest ends: by what the device model emulates, or by Xen's own notice that no CPU will ever wake.

power_off:
    mov si, offset power_text
    call say
    cli
    # PM1a control, at the address that hvmloader gives it and at SeaBIOS's own: sleep type 0, sleep enable.
    mov ax, 0x2000
    mov dx, 0xb004
    out dx, ax
    mov dx, 0x604
    out dx, ax
    jmp still_there

reset:
    mov si, offset reset_text
    call say
    cli
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
    jmp still_there

keyboard_reset:
    mov si, offset reset_text
    call say
    cli
    mov al, 0xfe
    out 0x64, al

# What takes a while leaves the CPU running; it must not halt with interrupts off, which is an end of its own.
still_there:
    sti
1:  hlt
    jmp 1b

halt:
    mov si, offset halt_text
    call say
    cli
1:  hlt
    jmp 1b

power_text: .asciz "POWER OFF\r\n"
reset_text: .asciz "RESET\r\n"
halt_text: .asciz "HALT\r\n"
