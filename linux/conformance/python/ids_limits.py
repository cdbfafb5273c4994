"""Ids, groups, limits, priorities, sessions and names as the os and resource modules see them."""
import grp
import os
import pwd
import resource
import sys


def child(body):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            print(body())
        except Exception as e:
            print(type(e).__name__, e)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)


print(os.getuid(), os.geteuid(), os.getresuid(), pwd.getpwuid(0).pw_name, grp.getgrgid(0).gr_name)
child(lambda: (os.setgroups([5, 6]), os.setgid(7), os.setuid(8), os.getgroups(), os.getgid(), os.getuid()))
child(lambda: (os.setuid(1), os.setuid(0)))
child(lambda: (os.setsid() == os.getpid(), os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid()))
child(lambda: (resource.setrlimit(resource.RLIMIT_NOFILE, (20, 30)), resource.getrlimit(resource.RLIMIT_NOFILE)))
child(lambda: (resource.setrlimit(resource.RLIMIT_NOFILE, (20, 30)), [os.open("/dev/null", 0) for _ in range(100)]))
child(lambda: (resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20)), len(bytearray(900 << 20))))
child(lambda: (os.setpriority(os.PRIO_PROCESS, 0, 0), os.nice(0), os.nice(3), os.getpriority(os.PRIO_PROCESS, 0)))
child(lambda: (os.seteuid(1000), open("/root-only", "w")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000, os.times().user >= 0, os.cpu_count() >= 1)
print(os.uname().machine, os.sysconf("SC_PAGE_SIZE"), os.getloadavg()[0] >= 0, len(os.sched_getaffinity(0)) >= 1, os.ctermid())
print(os.strerror(2), os.get_exec_path()[-1], os.fspath("x"), os.devnull)
