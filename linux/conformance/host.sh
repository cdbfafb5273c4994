#!/bin/sh
# Runs a built suite on this Linux as the reference: as root, in namespaces of its own (pids, mounts, network, names),
# with a tmpfs as /tmp, so that it meets what a guest has and leaves nothing behind.
# usage: host.sh SUITE OUT [run.sh's options and names...]
set -eu
[ $# -ge 2 ] || { echo "usage: host.sh SUITE OUT [NAME...]" >&2; exit 2; }
suite=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
[ "$(id -u)" = 0 ] || { echo "host.sh: the suite runs as root" >&2; exit 1; }
export suite out
# shellcheck disable=SC2016 # the inner shell expands these
exec unshare --mount --pid --fork --mount-proc --net --uts --ipc sh -c '
    ulimit -c 0
    mkdir -p /run/conformance
    mount -t tmpfs -o mode=755 tmpfs /run/conformance
    mkdir /run/conformance/suite /run/conformance/out
    mount --bind "$suite" /run/conformance/suite
    mount --bind "$out" /run/conformance/out
    mount -t tmpfs -o mode=1777 tmpfs /tmp
    ip link set lo up
    cd /
    sh /run/conformance/suite/run.sh --out /run/conformance/out "$@"' host "$@"
