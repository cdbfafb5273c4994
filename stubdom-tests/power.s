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

# Waits until somebody presses the power button, as PM1a status tells (Xen's, not the device model's), and powers off.
button:
    mov si, offset button_text
    call say
    mov dx, 0xb000
1:  sti
    hlt
    in ax, dx
    test ah, 1
    jz 1b
    mov ax, 0x100
    out dx, ax
    mov si, offset pressed_text
    call say
    jmp power_off

# Ends the device model: QEMU's isa-debug-exit, where it has been given one.
end_model:
    mov dx, 0x501
    mov al, 2
    out dx, al
    mov si, offset survived_text
    jmp say

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

button_text: .asciz "BUTTON: wait\r\n"
pressed_text: .asciz "BUTTON: pressed\r\n"
survived_text: .asciz "FAILED: the device model has not ended\r\n"
power_text: .asciz "POWER OFF\r\n"
reset_text: .asciz "RESET\r\n"
halt_text: .asciz "HALT\r\n"
