#!/bin/sh
# Makes the Linux guest that our web server is measured beside: initramfs and root.img.
# The kernel is dom0's own; its modules come out of dom0's root disk, so that the two always fit.
# Usage: build.sh PACKAGES.tar FILES_DIR DOM0_ROOT_IMG OUT_DIR
set -eu
tar=$1 files=$2 dom0=$3 out=$4
root=$out/root

mkdir -p "$root"
tar -x -C "$root" -f "$tar" \
    --exclude='./dev/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
    --exclude='./usr/share/locale/*' --exclude='./usr/lib/x86_64-linux-gnu/gconv/*' --exclude='./var/cache/*' \
    --exclude='./var/lib/apt/*' --exclude='./usr/share/perl*' --exclude='./usr/lib/x86_64-linux-gnu/perl*'

echo "initramfs"
inside() { debugfs -R "$1" "$dom0" 2>/dev/null; }
release=$(inside 'ls -p /usr/lib/modules' | awk -F/ '$6 ~ /^[0-9]/ { print $6; exit }')
inside "cat /usr/lib/modules/$release/modules.dep" >"$out/modules.dep"
ram=$out/ram
mkdir -p "$ram/bin" "$ram/dev" "$ram/root" "$ram/modules"
cp "$root/usr/bin/busybox" "$ram/bin/busybox"
cp "$files/initramfs-init" "$ram/init"
chmod 755 "$ram/init"
n=10
for wanted in crc32c_generic xen-blkfront xen-netfront ext4; do
    # "MODULE: what it needs, nearest first".
    awk -v end="/$wanted.ko:" 'index($1, end) { for (i = NF; i > 1; i--) print $i; sub(":", "", $1); print $1 }' "$out/modules.dep"
done | while read -r module; do
    debugfs -R "dump /usr/lib/modules/$release/$module $ram/modules/$n-${module##*/}" "$dom0" 2>/dev/null </dev/null
    n=$((n + 1))
done
for wanted in xen-blkfront xen-netfront ext4; do
    set -- "$ram"/modules/*-"$wanted.ko"
    [ -s "$1" ] || { echo "build.sh: no module $wanted of $release in $dom0" >&2; exit 1; }
done
(cd "$ram" && find . | cpio -o -H newc --quiet --reproducible) >"$out/initramfs"
rm -r "$ram" "$out/modules.dep"

echo "root"
cp "$files/init" "$root/sbin/peer-init"
chmod 755 "$root/sbin/peer-init"
cp "$files/nginx.conf" "$root/etc/nginx/nginx.conf"
printf 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nwww-data:x:33:\n' >"$root/etc/group"
mkdir -p "$root/run" "$root/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/srv" "$root/var/log/nginx" "$root/var/lib/nginx"
ldconfig -r "$root" 2>/dev/null || true
used=$(du -sm "$root" | cut -f1)
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -L peer -d "$root" "$out/root.img" $((used + used / 4 + 16))M
rm -rf "$root"
