#!/bin/bash
# The same in dash, which uses vfork-less forks and its own job code.
cat >s <<'END'
set -e
x=$(echo sub); echo "$x"
for i in 1 2 3; do (echo "sub $i") & done | sort
wait
echo piped | { read v; echo "got $v"; }
trap 'echo trapped' USR1; kill -USR1 $$
sleep 5 & p=$!; kill $p; wait $p || echo "status $?"
f() { echo "f $1"; }; f arg
case abc in a*) echo case ;; esac
n=0; while [ $n -lt 3 ]; do n=$((n + 1)); done; echo $n
printf '%s %d\n' text 7
set +e; (exit 9); echo $?
exec 3>out; echo three >&3; exec 3>&-; cat out
cat <<X
doc $n
X
cd /; pwd; echo "$(cd /tmp && pwd)"
eval 'echo evaluated'; umask 027; umask; command -v echo
read line </dev/null || echo eof
trap 'echo bye' EXIT
END
sh s; echo "dash $?"
