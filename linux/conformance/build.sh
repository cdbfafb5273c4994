#!/bin/sh
# Builds the suite into OUTDIR: OUTDIR/bin/FAMILY.NAME, scripts beside them, the runner, and OUTDIR/LIST.
# A C program whose first line holds the word "static" is built a second time as FAMILY.NAME.static.
# usage: build.sh OUTDIR
set -eu
[ $# = 1 ] || { echo "usage: build.sh OUTDIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/bin"
out=$(cd "$1" && pwd)
cc=${CC:-gcc}
jobs=${JOBS:-2}
plan=$(mktemp)
trap 'rm -f "$plan"' EXIT

for source in "$here"/c/*/*.c; do
    family=$(basename "$(dirname "$source")")
    name=$family.$(basename "$source" .c)
    echo "$name $source dynamic" >>"$plan"
    if head -n 1 "$source" | grep -qw static; then echo "$name.static $source static" >>"$plan"; fi
done

# What has not changed since the last build is not built again.
export cc here out
xargs -P "$jobs" -L 1 sh -c '
    target=$out/bin/$0
    [ "$target" -nt "$1" ] && [ "$target" -nt "$here/c/check.h" ] && [ "$target" -nt "$here/c/net.h" ] &&
        [ "$target" -nt "$here/c/pty.h" ] && exit 0
    [ "$2" = static ] && link=-static || link=
    # No warnings: much of what is passed here is wrong on purpose. No optimizing: what is written is what runs.
    "$cc" -std=gnu17 -O0 -w -D_GNU_SOURCE -fno-strict-aliasing -I"$here/c" -pthread $link -s -o "$target" "$1" -lm -lutil ||
        { echo "cannot build $0" >&2; exit 1; }' <"$plan"

for script in "$here"/shell/*.sh "$here"/python/*.py; do
    [ -e "$script" ] || continue
    kind=$(basename "$(dirname "$script")")
    name=$kind.$(basename "${script%.*}")
    cp "$script" "$out/bin/$name"
    chmod 755 "$out/bin/$name"
    echo "$name" >>"$plan"
done
cut -d' ' -f1 "$plan" | LC_ALL=C sort >"$out/LIST"
cp "$here/run.sh" "$out/run.sh"
echo "$(wc -l <"$out/LIST") programs in $out"
