"""The os module on files: descriptors, names, directories, stat, links, scandir, walk."""
import errno
import os
import stat

fd = os.open("f", os.O_RDWR | os.O_CREAT, 0o640)
print(os.write(fd, b"hello world"), os.lseek(fd, 6, os.SEEK_SET), os.read(fd, 100), os.pread(fd, 5, 0), os.pwrite(fd, b"J", 0))
s = os.fstat(fd)
print(oct(s.st_mode), s.st_size, s.st_nlink, s.st_uid, stat.filemode(s.st_mode))
os.ftruncate(fd, 3)
os.close(fd)
print(open("f").read(), os.path.getsize("f"))
os.makedirs("a/b/c")
os.symlink("b", "a/link")
os.link("f", "a/hard")
for entry in sorted(os.scandir("a"), key=lambda e: e.name):
    print(entry.name, entry.is_dir(), entry.is_file(), entry.is_symlink(), entry.is_dir(follow_symlinks=False))
for top, dirs, files in os.walk("."):
    dirs.sort()
    print(top, dirs, sorted(files))
os.rename("f", "g")
os.replace("g", "a/hard")
print(os.path.exists("g"), os.stat("a/hard").st_nlink, os.readlink("a/link"), os.path.realpath("a/link").endswith("/a/b"))
for call in (lambda: os.open("none", os.O_RDONLY), lambda: os.rmdir("a"), lambda: os.mkdir("a"), lambda: os.unlink("a"), lambda: os.listdir("a/hard"), lambda: os.read(99, 1)):
    try:
        print(call())
    except OSError as e:
        print(type(e).__name__, errno.errorcode[e.errno], e.filename)
os.utime("a/hard", ns=(1_000_000_001, 2_000_000_002))
print(os.stat("a/hard").st_mtime_ns, os.access("a", os.W_OK), os.umask(0o22))
os.chmod("a/hard", 0o4711)
print(oct(os.stat("a/hard").st_mode))
d = os.open("a", os.O_RDONLY)
print(os.listdir(d) == os.listdir("a"), os.stat("hard", dir_fd=d).st_size, os.statvfs(d).f_namemax)
print(sorted(os.listdir("a")), os.get_inheritable(d), os.getcwd() == os.path.abspath("."))
