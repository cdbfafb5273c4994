#!/bin/bash
# Background jobs without a terminal: wait by pid, exit codes, wait -n, kill, many at once.
for i in 1 2 3 4 5; do (sleep 0.0$i; exit "$i") & pids[i]=$!; done
for i in 1 2 3 4 5; do wait "${pids[i]}"; echo "job $i ended $?"; done
# A job that ends before `wait -n` looks may be forgotten by then: 127, from the same bash on Linux too.
(sleep 0.3; exit 7) & wait -n; echo "any $?"
wait 99999999 2>/dev/null; echo "not a child $?"
sleep 30 & p=$!
sleep 0.1; kill -0 "$p" && echo alive
kill -KILL "$p"; wait "$p" 2>/dev/null; echo "status $?"
kill -0 "$p" 2>/dev/null || echo gone
n=0; for i in {1..40}; do (: ) & done; wait; echo "all done"
out=$( (sleep 0.05; echo late) & echo early; wait); echo $out
coproc cat; echo through coproc >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
eval "exec ${COPROC[1]}>&-"; wait "$COPROC_PID"; echo "coproc $?"
timeout 0.1 sleep 5; echo "timeout $?"
{ timeout -s KILL 0.1 sleep 5; } 2>/dev/null; echo "killed $?"
set -m; sleep 0.05 & wait $!; echo "monitored $?"
