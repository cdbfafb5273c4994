#!/bin/bash
# Megabytes through pipes, files and tools keep their checksum.
seq 1 200000 >big; cksum <big; wc big
cat big | cat | cksum; gzip -c big 2>/dev/null | gunzip -c | cksum
split -b 100000 big part-; cat part-* | cmp - big && echo "split equal"; sort -R big | sort -n | cmp - big && echo "sorted back"
dd if=big bs=777 2>/dev/null | dd bs=1234 2>/dev/null | md5sum; tac big | tac | md5sum; head -c 1000000 big | tail -c 10
tr 0-9 a-j <big | tr a-j 0-9 | cmp - big && echo "translated back"; base64 big | base64 -d | cmp - big && echo "decoded"; cp big copy; cmp big copy && echo copied; sha1sum big | cut -c 1-40
