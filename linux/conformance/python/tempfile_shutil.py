"""tempfile, shutil, pathlib, glob, zipfile, gzip, tarfile: the file system as libraries use it."""
import glob
import gzip
import os
import pathlib
import shutil
import tarfile
import tempfile
import zipfile

with tempfile.TemporaryDirectory(dir=".") as d:
    p = pathlib.Path(d, "x")
    p.write_text("content")
    print(p.read_text(), p.stat().st_mode & 0o777, p.exists())
print(os.path.exists(d))
with tempfile.NamedTemporaryFile(dir=".") as f:
    f.write(b"temp")
    f.flush()
    print(os.path.getsize(f.name), oct(os.stat(f.name).st_mode))
with tempfile.TemporaryFile() as f, tempfile.SpooledTemporaryFile(10) as s:
    f.write(b"unnamed"), s.write(b"longer than ten")
    f.seek(0), s.seek(0)
    print(f.read(), s.read(), os.fstat(f.fileno()).st_nlink)
os.makedirs("tree/a/b")
for i in range(5):
    pathlib.Path(f"tree/a/f{i}").write_bytes(os.urandom(1000))
os.symlink("f1", "tree/a/link")
shutil.copytree("tree", "copy", symlinks=True)
print(sorted(str(p) for p in pathlib.Path("copy").rglob("*")), os.readlink("copy/a/link"))
print(all(open(f"tree/a/f{i}", "rb").read() == open(f"copy/a/f{i}", "rb").read() for i in range(5)), sorted(glob.glob("copy/**/f[12]", recursive=True)))
shutil.move("copy", "moved")
with tarfile.open("t.tar.gz", "w:gz") as t:
    t.add("moved")
with tarfile.open("t.tar.gz") as t:
    print(sorted(t.getnames()))
with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("in.txt", "zipped" * 100)
print(zipfile.ZipFile("z.zip").read("in.txt")[:12], zipfile.ZipFile("z.zip").testzip())
with gzip.open("g.gz", "wb") as g:
    g.write(b"line\n" * 10000)
print(len(gzip.open("g.gz").read()), shutil.disk_usage(".").total > 0, shutil.which("sh") is not None)
shutil.rmtree("moved")
print(sorted(os.listdir(".")))
