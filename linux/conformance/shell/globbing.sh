#!/bin/bash
# Globbing and expansion over real directories.
mkdir -p d/e/f x; touch a1 a2 b1 .hidden 'with space' d/z d/e/y d/e/f/x
echo *; echo a?; echo [ab]1; echo [!a]*; echo .h*; echo none*
shopt -s nullglob; echo none* end; shopt -u nullglob
shopt -s dotglob; echo *; shopt -u dotglob
shopt -s globstar; echo **/; echo d/**; shopt -u globstar
shopt -s extglob
echo !(a*); echo +(a|b)[12]
echo d/*/*; echo */; echo {a,b}{1,2} {1..5} {01..03} {a..e..2}
for f in *' '*; do echo "<$f>"; done
v=path/to/file.tar.gz; echo "${v##*/} ${v%/*} ${v%%.*} ${v#*.} ${v/to/from} ${v^^} ${#v} ${v:5:2} ${u:-unset} ${u:+set}"
a=(one 'two three' four); echo "${#a[@]} ${a[1]} ${a[@]:1}"; for x in "${a[@]}"; do echo "<$x>"; done
echo $((0x10 + 010 + 2#11)) $((7 / 2)) $((-7 % 3)) $((1 << 10)) $((5 > 3 ? 1 : 0))
echo "$(printf '%s-' 1 2 3)" "$(printf '%05d|%x|%-5s|%.2f' 42 255 ab 3.14159)"
