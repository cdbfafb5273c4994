#!/bin/bash
# Traps: EXIT, signals, ERR, DEBUG off, ignored ones inherited, in subshells.
trap 'echo exit trap $?' EXIT
trap 'echo got usr1' USR1
kill -USR1 $$
trap 'echo got term; exit 5' TERM
(trap 'echo sub exit' EXIT; exit 2); echo "sub $?"
bash -c 'trap "echo child trap; exit 9" INT; kill -INT $$; echo not reached'; echo "child $?"
trap '' HUP
bash -c 'kill -HUP $$; echo survived'
trap - HUP
{ bash -c 'kill -HUP $$; echo survived'; } 2>/dev/null; echo "hup $?"
trap 'echo err trap' ERR
false
trap - ERR
sleep 10 & pid=$!
sleep 0.1; kill "$pid"; wait "$pid" 2>/dev/null; echo "killed $?"
trap 'echo interrupted wait' USR2
(sleep 0.2; kill -USR2 $$) &
sleep 1 & pid=$!
wait "$pid"; echo "wait $?"
kill "$pid"; wait "$pid" 2>/dev/null
kill -TERM $$
echo not reached
