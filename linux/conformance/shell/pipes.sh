#!/bin/bash
# Pipelines: data, exit codes, PIPESTATUS, pipefail, SIGPIPE ending the writer.
echo one two three | tr ' ' '\n' | sort -r | head -n 2
seq 1 100000 | tail -n 1
yes | head -n 3
echo "codes ${PIPESTATUS[*]}"
false | true
echo "last $?"
set -o pipefail
false | true
echo "pipefail $?"
set +o pipefail
seq 1 1000 | while read -r n; do [ "$n" = 7 ] && { echo "found $n"; break; }; done
{ echo a; echo b >&2; echo c; } 2>/dev/null | cat -n
echo left | { read -r x; echo "right got $x"; }
(exit 3) | (exit 4) | (exit 5)
echo "codes ${PIPESTATUS[*]}"
seq 1 20000 | sort -n | uniq | wc -l
echo through | cat | cat | cat | cat | cat | cat | cat | cat
! true | false; echo "negated $?"
