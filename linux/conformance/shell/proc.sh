#!/bin/bash
# What scripts read of /proc: themselves, their children, their descriptors.
read -r comm </proc/self/comm; echo "$comm"; tr '\0' ' ' </proc/$$/cmdline | sed 's|/[^ ]*/||g'; echo
[ "$(readlink /proc/$$/cwd)" = "$PWD" ] && echo "cwd right"; basename "$(readlink /proc/$$/exe)"
sleep 20 & p=$!
while [ "$(cat /proc/$p/comm)" != sleep ]; do :; done; grep -E '^(Name|PPid):' /proc/$p/status | sed "s/$$/SHELL/"; kill $p; wait $p 2>/dev/null; [ -d /proc/$p ] || echo "gone"
exec 9</dev/null; readlink /proc/$$/fd/9; exec 9<&-; [ -e /proc/$$/fd/9 ] || echo closed
grep -c ^processor /proc/cpuinfo >/dev/null && echo cpuinfo; grep -q '^MemTotal:.* kB$' /proc/meminfo && echo meminfo; [ "$(cut -d' ' -f3 /proc/self/stat)" = R ] && echo running
[ "$(cut -d. -f1 /proc/uptime)" -ge 0 ] && echo uptime; grep -q ' /proc proc ' /proc/mounts && echo mounted; ls /proc | grep -c '^[0-9]' >/dev/null && echo "processes listed"
