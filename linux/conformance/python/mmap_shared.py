"""mmap: anonymous memory shared over fork, files through memory, resize, flush, access kinds."""
import mmap
import os

m = mmap.mmap(-1, 8192)
pid = os.fork()
if pid == 0:
    m[:5] = b"child"
    os._exit(0)
os.waitpid(pid, 0)
print(m[:5])
with open("f", "w+b") as f:
    f.write(b"0123456789" * 1000)
    f.flush()
    with mmap.mmap(f.fileno(), 0) as s:
        print(len(s), s[10:15], s.find(b"90"), s.rfind(b"01"))
        s[0:3] = b"ABC"
        s.seek(5000)
        s.write(b"written")
        s.flush()
        f.seek(0)
        print(f.read(5), os.pread(f.fileno(), 7, 5000))
        s.resize(20000)
        print(len(s), s[15000], os.fstat(f.fileno()).st_size)
        s.move(0, 5000, 7)
        print(s[:10])
    with mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_COPY) as c:
        c[:4] = b"COPY"
        print(c[:4], os.pread(f.fileno(), 4, 0))
    with mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ, offset=4096) as r:
        try:
            r[0] = 1
        except TypeError as e:
            print("read only")
print(m.madvise(mmap.MADV_DONTNEED), mmap.PAGESIZE)
