#!/bin/bash
# coreutils on files: cp, mv, ln, rm, mkdir, chmod, stat, touch, dd, truncate, install, mktemp, du of nothing, split.
mkdir -p src/sub; echo one >src/a; echo two >src/sub/b; ln -s a src/link; ln src/a src/hard; mkfifo src/fifo
cp -a src copy; stat -c '%N %F %a %h' copy/* | sort
cp -r src/sub deep; cat deep/b
cp src/a nothing/x 2>/dev/null || echo "cp failed"
mv copy moved; ls moved; mv -n src/a moved/a; cat src/a
rm moved/a; rm -rf moved; [ -e moved ] || echo removed
rmdir src 2>/dev/null || echo "not empty"
chmod u=rwx,g=rx,o= src/a; stat -c %a src/a; chmod 4711 src/a; stat -c %A src/a; chmod -R a+r src; stat -c %a src/sub/b
touch -d '2001-02-03 04:05:06' src/a; stat -c %y src/a; [ src/sub/b -nt src/a ] && echo newer
dd if=/dev/zero of=zeros bs=1000 count=5 2>/dev/null; stat -c %s zeros; dd if=src/a of=zeros bs=1 seek=10 conv=notrunc 2>/dev/null; od -c zeros | head -n 2
truncate -s 3 zeros; stat -c %s zeros; truncate -s 1M sparse; stat -c %s sparse
install -m 640 src/a installed; stat -c '%a %s' installed
t=$(mktemp -d ./tmpXXXX); [ -d "$t" ] && rmdir "$t" && echo "made and removed"
seq 1 10 | split -l 4 - part; wc -l part*; cat part* | cksum
ln -sf new src/link; readlink src/link; readlink -f src/sub/../a | sed "s|$PWD|HERE|"; realpath --relative-to=. src/sub
cmp src/a src/hard && echo equal; [ src/a -ef src/hard ] && echo "same file"
ls -1F src; ls -A | head -n 3; df . >/dev/null && echo "df works"; sync; du -a src >/dev/null && echo "du works"
