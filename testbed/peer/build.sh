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
sh "$files/initramfs.sh" "$dom0" "$files/initramfs-init" "$out/initramfs" crc32c_generic xen-blkfront xen-netfront ext4

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
