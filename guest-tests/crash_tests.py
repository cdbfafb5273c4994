"""Every way to fail ends as a crash that xl sees, with a report on the console that names what happened and where."""

import re

from harness import Guest, check, equal, output, wait_until
from suite import test

# What the report's first line has to match, by the example's argument.
REPORTS = {
    "panic": r"PANIC: on purpose, thread main",
    "index": r"PANIC: index out of bounds: the len is 3 but the index is 8",
    "oom": r"PANIC: .*(memory|alloc)",
    "null": r"CRASH: page fault \(vector 14, error 0x0\)[^\n]*\naddress 0x0000000000000010: reading finds nothing",
    "unmapped": r"CRASH: page fault [^\n]*\naddress 0xffffc00000000000: reading finds nothing mapped there",
    "non-canonical": r"CRASH: general protection fault \(vector 13",
    "write-code": r"CRASH: page fault \(vector 14, error 0x3\)[^\n]*\naddress 0xffffffff8\w+: writing is not allowed",
    "write-constant": r"CRASH: page fault \(vector 14, error 0x3\)[^\n]*\naddress 0xffffffff8\w+: writing is not allowed",
    "execute-data": r"CRASH: page fault [^\n]*\naddress 0x\w+: executing is not allowed there",
    "divide": r"CRASH: divide error \(vector 0",
    "opcode": r"CRASH: invalid opcode \(vector 6",
    "privileged": r"CRASH: general protection fault \(vector 13",
    "selector": r"CRASH: general protection fault \(vector 13, error 0x1234\)",
    "breakpoint": r"CRASH: breakpoint \(vector 3",
    "thread": r"PANIC: in a thread, thread doomed",
}


def crash(kind):
    with Guest("crash", cmdline=f"-- {kind}") as guest:
        console = guest.ended("crash")
        check(f"crash: {kind}" in console, "the example did not say what it was about to do")
        check("did no harm" not in console, "the fault did not end the guest")
        return console


def report_test(kind, pattern):
    def body():
        console = crash(kind)
        check(re.search(pattern, console), f"no report that matches {pattern!r}")
        if pattern.startswith("CRASH"):
            for register in ("rip", "rsp", "rflags", "rax", "r8", "r15"):
                check(re.search(rf"\b{register} [0-9a-f]{{16}}\b", console), f"no register {register}")
        backtrace = console.partition("backtrace:")[2]
        check(backtrace, "no backtrace")
        check("crash::" in backtrace, "the backtrace names no function of the example")
    body.__name__ = f"the_crash_{kind.replace('-', '_')}_is_reported_with_its_place"
    body.__module__ = __name__
    test(timeout=40)(body)


for each_kind, each_pattern in REPORTS.items():
    report_test(each_kind, each_pattern)


@test()
def an_overflowing_stack_ends_the_guest_as_crashed():
    # There is no stack left to report on: Xen itself may have to end the domain.
    crash("stack")


@test()
def a_segment_that_xen_can_no_longer_load_ends_in_the_failsafe_callback():
    # Another vCPU has to run in between: dom0's, once both have one CPU alone.
    try:
        with Guest("crash", cmdline="-- failsafe", paused=True) as guest:
            for domain in (guest.name, "Domain-0"):
                output("xl", "vcpu-pin", domain, "0", "0")
            guest.xl("unpause")
            console = guest.ended("crash")
            check(re.search(r"CRASH: general protection fault \(vector 13", console), "no report of the fault")
            check("backtrace:" in console, "no backtrace")
    finally:
        output("xl", "vcpu-pin", "Domain-0", "0", "all")


@test()
def an_exit_code_is_visible_to_xl_and_in_xenstore():
    with Guest("crash", cmdline="-- exit=3") as guest:
        console = guest.ended("crash")
        check("exit code 3" in console, "the console does not tell the code")
        equal(guest.store("data/exit-code"), "3", "data/exit-code")


@test()
def exit_code_zero_is_a_poweroff():
    with Guest("crash", cmdline="-- exit=0") as guest:
        guest.ended("poweroff")
        equal(guest.store("data/exit-code"), "0", "data/exit-code")
        guest.never_said()


@test()
def on_crash_destroy_is_obeyed_by_xl():
    with Guest("crash", 'on_crash="destroy"', cmdline="-- panic", keep=False) as guest:
        wait_until(lambda: guest.find_domid() is None, "xl destroys the crashed domain")
        guest.expect("PANIC: on purpose")
