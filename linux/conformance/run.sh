#!/bin/sh
# Runs the programs of a built suite, each in a fresh directory and under a time limit, as root or not.
# Needs a POSIX shell and coreutils; runs as the first program of a guest as well as on Linux.
#
# usage: run.sh [--console] [--out DIR] [--work DIR] [--limit SECONDS] [NAME...]
#   --alone     runs those of ALONE as well, each under its own limit: programs that Linux in a guest does not get through
#   --console   prints each output between "@@ NAME" and "@@ NAME exit N", its lines after "| "
#   --out DIR   writes DIR/NAME.out: stdout and stderr, then "exit N"      (default: WORK/out)
#   --work DIR  where the programs run                                    (default: /tmp/t)
#   NAME        programs, or families as "files."                         (default: all of LIST)
console=no alone=no out= work=/tmp/t limit=30 names=
while [ $# -gt 0 ]; do
    case $1 in
    --alone) alone=yes; shift ;;
    --console) console=yes; shift ;;
    --out) out=$2; shift 2 ;;
    --work) work=$2; shift 2 ;;
    --limit) limit=$2; shift 2 ;;
    --) shift ;;
    -*) echo "run.sh: unknown option $1" >&2; exit 2 ;;
    *) names="$names $1"; shift ;;
    esac
done
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(cd "$here" && pwd)
[ -n "$out" ] || out=$work/out
mkdir -p "$work" "$out" || exit 1
out=$(cd "$out" && pwd)
umask 022

wanted() {
    [ -z "$names" ] && return 0
    for want in $names; do
        case $want in
        *.) case $1 in "$want"*) return 0 ;; esac ;;
        *) [ "$1" = "$want" ] && return 0 ;;
        esac
    done
    return 1
}

run_one() {
    dir=$work/$1
    rm -rf "$dir"
    mkdir -p "$dir" && cd "$dir" || return 1
    case $1 in
    shell.*) set -- "$1" bash "$here/bin/$1" ;;
    python.*) set -- "$1" python3 "$here/bin/$1" ;;
    *) set -- "$1" "$here/bin/$1" ;;
    esac
    name=$1
    shift
    env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/ LC_ALL=C TZ=UTC CONFORMANCE="$here" \
        PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ${CONFORMANCE_GUEST:+CONFORMANCE_GUEST=1} \
        timeout -k 2 "$limit" "$@" </dev/null >"$out/$name.out" 2>&1
    code=$?
    # A program may end in the middle of a line.
    [ -z "$(tail -c 1 "$out/$name.out")" ] || echo >>"$out/$name.out"
    echo "exit $code" >>"$out/$name.out"
    cd /
    rm -rf "$dir"
    if [ "$console" = yes ]; then
        echo "@@ $name"
        while IFS= read -r line; do
            printf '| %s\n' "$line"
        done <"$out/$name.out"
        echo "@@ $name exit $code"
    else
        echo "$name exit $code"
    fi
}

# The lists are read first: a program must not find them open.
all=$(cat "$here/LIST")
[ "$alone" = yes ] && all="$all $(cat "$here/ALONE")"
count=0
for program in $all; do
    case $program in *=*) limit=${program#*=} program=${program%=*} ;; esac
    wanted "$program" || continue
    run_one "$program"
    count=$((count + 1))
done
echo "@@ $count programs run"
