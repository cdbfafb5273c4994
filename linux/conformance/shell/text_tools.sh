#!/bin/bash
# grep, sed, find, sort, cut, awk-free text work on a small tree.
mkdir -p t/a/b; for i in 1 2 3; do printf 'line %d\nother %d\nLINE\n' $i $((i * 10)) >t/a/f$i; done; cp t/a/f1 t/a/b/deep
find t -type f | sort; find t -name 'f[12]' | sort; find t -type d | sort; find t -type f -size -2 -name deep
find t -name 'f*' -exec grep -l 'line 2' {} +; find t -type f -print0 | xargs -0 cat | sort | uniq -c | sort -k1,1nr -k2 | head -n 3
grep -rn 'other' t | sort; grep -c line t/a/f1; grep -qi '^line$' t/a/f1 && echo match; grep -v line t/a/f1; echo abc123 | grep -oE '[0-9]+'
sed -n '2p' t/a/f1; sed 's/line/row/;s/\([0-9]\)$/<\1>/' t/a/f2; sed -i 's/LINE/end/' t/a/f3; tail -n 1 t/a/f3; printf 'a\nb\nc\n' | sed '2d;$s/c/last/'
cut -d' ' -f2 t/a/f1; printf '3 c\n1 a\n2 b\n' | sort; printf '10\n9\n' | sort -n; printf 'x:2\ny:1\n' | sort -t: -k2
paste -sd, t/a/f1; tr -d 'aeiou' <t/a/f1; rev <<<stressed 2>/dev/null || echo desserts; tac t/a/f1; nl t/a/f1; fold -w 3 <<<abcdefgh; comm -12 <(seq 1 5) <(seq 3 7); join <(printf '1 a\n2 b\n') <(printf '1 x\n3 y\n')
md5sum <t/a/f1; sha256sum <t/a/f2; base64 <<<hello; od -An -tx1 <<<hi; expr 3 \* 4; basename /a/b.c .c; dirname /a/b
