#!/bin/bash
# Environment and exec: exported or not, env, exec in place, PATH look-up, exit codes of what cannot run, ulimit, umask.
A=1; export B=2; C=3 bash -c 'echo "<$A><$B><$C>"'; env -i X=y /usr/bin/env | sort
(exec echo replaced; echo no)
nothing-like-this 2>/dev/null; echo "not found $?"; touch plain; ./plain 2>/dev/null; echo "no right $?"; chmod +x plain; ./plain; echo "empty script $?"
/ 2>/dev/null; echo "directory $?"
printf '#!/bin/sh\necho script $0 $#\n' >s; chmod +x s; ./s 1 2; PATH=.:$PATH s
printf '#!/no/such\n' >bad; chmod +x bad; ./bad 2>/dev/null; echo "bad interpreter $?"
hash -r; type -t cd; type -t ls; command -v true >/dev/null && echo found
(umask 077; touch private; stat -c %a private); (ulimit -n 50; ulimit -n); (ulimit -S -c 0; ulimit -c)
{ bash -c 'kill -SEGV $$'; } 2>/dev/null; echo "segv $?"; { bash -c 'kill -KILL $$'; } 2>/dev/null; echo "kill $?"; (exit 300); echo "300 is $?"
cd /; pwd; cd - >/dev/null; [ "$PWD" = "$OLDPWD" ] || echo moved; echo $0 | tail -c 14; echo "${#PPID}" >/dev/null; [ $$ = $BASHPID ] && (( $(bash -c 'echo $PPID') == $$ )) && echo "parents right"
echo "nicer by $(($(nice -n 5 nice) - $(nice)))"; nohup true 2>/dev/null </dev/null; echo "nohup $?"; id -u; id -un; whoami; printenv B; uname -m; arch; nproc >/dev/null && echo nproc; date -u -d @86400 +%F; test -t 0 || echo "no terminal"
