#!/bin/sh
# Makes an initramfs for a Linux guest on dom0's own kernel, whose modules and busybox come out of dom0's root disk, so that
# kernel and modules always fit. The modules are those named here and what they need; SOURCE=TARGET is another file of that disk, an
# executable or a library.
# Usage: initramfs.sh DOM0_ROOT_IMG INIT OUT [MODULE | SOURCE=TARGET]...
set -eu
dom0=$1 init=$2 out=$3
shift 3
ram=$out.d

inside() { debugfs -R "$1" "$dom0" 2>/dev/null </dev/null; }
release=$(inside 'ls -p /usr/lib/modules' | awk -F/ '$6 ~ /^[0-9]/ { print $6; exit }')
mkdir -p "$ram/bin" "$ram/sbin" "$ram/dev" "$ram/root" "$ram/modules"
inside "cat /usr/lib/modules/$release/modules.dep" >"$ram/modules.dep"
inside "dump /usr/bin/busybox $ram/bin/busybox"
chmod 755 "$ram/bin/busybox"
cp "$init" "$ram/init"
chmod 755 "$ram/init"
n=10
for wanted in "$@"; do
    case $wanted in */*) continue ;; esac
    # "MODULE: what it needs, nearest first".
    awk -v end="/$wanted.ko:" 'index($1, end) { for (i = NF; i > 1; i--) print $i; sub(":", "", $1); print $1 }' "$ram/modules.dep"
done | while read -r module; do
    inside "dump /usr/lib/modules/$release/$module $ram/modules/$n-${module##*/}"
    n=$((n + 1))
done
rm "$ram/modules.dep"
for wanted in "$@"; do
    case $wanted in
    */*)
        target=$ram${wanted#*=}
        mkdir -p "${target%/*}"
        inside "dump ${wanted%%=*} $target"
        chmod 755 "$target"
        [ -s "$target" ] || { echo "initramfs.sh: no file ${wanted%%=*} in $dom0" >&2; exit 1; }
        continue
        ;;
    esac
    set -- "$ram"/modules/*-"$wanted.ko"
    [ -s "$1" ] || { echo "initramfs.sh: no module $wanted of $release in $dom0" >&2; exit 1; }
done
(cd "$ram" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible) >"$out"
rm -r "$ram"
