#!/bin/bash
# The shell itself at work: functions, recursion, locals, arrays, case, loops, arithmetic, getopts, read, eval.
fib() { local n=$1; if ((n < 2)); then echo "$n"; else echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); fi; }
echo "fib $(fib 9)"
declare -A map=([one]=1 [two]=2); map[three]=3; for k in $(printf '%s\n' "${!map[@]}" | sort); do echo "$k=${map[$k]}"; done
classify() { case $1 in [0-9]*) echo number ;; *.c | *.h) echo source ;; "") echo empty ;; *) echo other ;; esac; }
classify 42; classify x.c; classify ''; classify word
options() { local OPTIND o; while getopts 'ab:' o; do echo "option $o ${OPTARG-}"; done; shift $((OPTIND - 1)); echo "rest $*"; }
options -a -b value x y
i=0; until ((i >= 3)); do ((i++)); [ $i = 2 ] && continue; echo "i $i"; done
IFS=: read -r a b c <<<'1:2:3:4'; echo "$a $b $c"
printf 'x y z\n' | (read -ra w; echo "${#w[@]} ${w[2]}")
eval 'dynamic=$((2 * 21))'; echo $dynamic
f() { return 3; }; f; echo "returned $?"
set -- a b c; shift; echo "$# $1"; (set -e; false; echo no) ; echo "errexit $?"
s=$(printf 'trailing\n\n\n'); echo "<$s>"; [[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
mapfile -t lines < <(seq 1 3); echo "${lines[@]}"; time_out=1; read -rt 0.05 x < <(sleep 1) || echo "read timed out"
