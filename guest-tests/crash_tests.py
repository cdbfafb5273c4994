"""Every way to fail ends as a crash that xl sees, with a report on the console that names what happened and where."""

import re

from harness import Guest, check, equal, output
from suite import test

# What the report's first line has to match, by the example's argument.
REPORTS = {
    "panic": r"PANIC: on purpose, thread main",
    "index": r"PANIC: index out of bounds: the len is 3 but the index is 8",
    "oom": r"PANIC: .*(memory|alloc)",
    "null": r"CRASH: page fault \(vector 14, error 0x0\)[^\n]*\naddress 0x0000000000000010: a read found nothing",
    "unmapped": r"CRASH: page fault [^\n]*\naddress 0xffffc00000000000: a read found nothing mapped there",
    "non-canonical": r"CRASH: general protection fault \(vector 13",
    "write-code": r"CRASH: page fault \(vector 14, error 0x3\)[^\n]*\naddress 0xffffffff8\w+: a write is not allowed",
    "write-constant": r"CRASH: page fault \(vector 14, error 0x3\)[^\n]*\naddress 0xffffffff8\w+: a write is not allowed",
    "execute-data": r"CRASH: page fault [^\n]*\naddress 0x\w+: a(n)? execute is not allowed there",
    "divide": r"CRASH: divide error \(vector 0",
    "opcode": r"CRASH: invalid opcode \(vector 6",
    "privileged": r"CRASH: general protection fault \(vector 13",
    "breakpoint": r"CRASH: breakpoint \(vector 3",
    "thread": r"PANIC: in a thread, thread doomed",
}
# In these the fault itself is in a function of the example.
NAMED = {kind: "crash::" for kind in REPORTS}


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
        check(NAMED[kind] in backtrace, f"the backtrace names no function of {NAMED[kind]}")
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
def a_bad_segment_selector_ends_in_the_failsafe_callback():
    with Guest("crash", cmdline="-- selector") as guest:
        console = guest.ended("crash")
        check("CRASH" in console or "did no harm" in console, "neither report nor survival")


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
        for _ in range(100):
            if guest.find_domid() is None:
                break
        check(guest.name not in output("xl", "list"), "the crashed domain was not destroyed")
        guest.expect("PANIC: on purpose")
