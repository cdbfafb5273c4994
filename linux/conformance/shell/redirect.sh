#!/bin/bash
# Redirections: to, from, append, clobber, duplicates, closing, both, read and write, order.
echo first >f; echo second >>f; cat <f
{ echo out; echo err >&2; } >both 2>&1; cat both
{ echo out; echo err >&2; } 2>&1 >only | tr a-z A-Z; cat only
exec 5>five; echo to five >&5; exec 5>&-; cat five
{ echo closed >&5; } 2>/dev/null || echo "5 is closed"
exec 6<f; read -r a <&6; read -r b <&6; read -r c <&6; echo "$a/$b/$c/$?"; exec 6<&-
exec 7<>rw; echo hello >&7; exec 7>&-; cat rw
set -o noclobber; { echo x >f; } 2>/dev/null || echo "noclobber holds"; echo forced >|f; cat f; set +o noclobber
ls nothing 2>/dev/null || echo "status $?"
cat <<<"here string $((1 + 1))"
cat < <(echo substituted)
diff <(seq 3) <(seq 3) && echo same
tee one two <<<copied >/dev/null; cat one two
: >empty; [ -s empty ] || echo empty
echo gone >/dev/null; echo $?
echo x >/dev/full 2>/dev/null || echo "full"
