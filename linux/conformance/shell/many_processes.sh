#!/bin/bash
# Some hundred processes in sequence and in parallel; nothing is left over.
n=0; for i in {1..150}; do /bin/true && n=$((n + 1)); done; echo "sequential $n"
for i in {1..40}; do (echo "$i" >"f$i") & done; wait; cat f* | sort -n | tail -n 1; ls f* | wc -l
seq 1 60 | xargs -P 8 -n 3 echo | tr ' ' '\n' | sort -n | uniq | wc -l
echo $(for i in {1..30}; do echo $(echo $i); done | tail -n 1)
deep() { [ "$1" = 0 ] && echo bottom || (deep $(($1 - 1))); }; deep 25
find /proc/self/fd -type l | wc -l | { read -r n; [ "$n" -lt 10 ] && echo "few descriptors"; }
