#!/bin/sh
# Builds the hostile programs into OUTDIR, laid out as build.sh does: bin/hostile.NAME, bin/misbehave.NAME, LIST, run.sh.
# usage: hostile/build.sh OUTDIR
set -eu
[ $# = 1 ] || { echo "usage: hostile/build.sh OUTDIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/bin"
out=$(cd "$1" && pwd)
: >"$out/LIST"
for source in "$here"/*.c "$here"/misbehave/*.c; do
    case $source in */misbehave/*) family=misbehave ;; *) family=hostile ;; esac
    name=$family.$(basename "$source" .c)
    ${CC:-gcc} -std=gnu17 -O0 -w -D_GNU_SOURCE -fno-strict-aliasing -pthread -s -o "$out/bin/$name" "$source"
    echo "$name" >>"$out/LIST"
done
cp "$here/../run.sh" "$out/run.sh"
echo "$(wc -l <"$out/LIST") programs in $out"
