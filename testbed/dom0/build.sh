#!/bin/sh
# Turns a tar of extracted (not configured) Debian packages into what the testbed boots:
#   xen, vmlinux, initramfs, root.img
# Needs no root: under fakeroot the same commands work.
# Usage: build.sh PACKAGES.tar FILES_DIR OUT_DIR
set -eu
tar=$1 files=$2 out=$3
root=$out/root

mkdir -p "$root"
drivers='lib/modules/*/kernel/drivers'
tar -x -C "$root" -f "$tar" \
    --exclude='./dev/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
    --exclude='./usr/share/locale/*' --exclude='./usr/share/i18n/*' --exclude='./usr/share/lintian/*' \
    --exclude='./usr/share/bash-completion/*' --exclude='./usr/lib/x86_64-linux-gnu/gconv/*' \
    --exclude='./var/lib/apt/*' --exclude='./var/cache/*' --exclude='./boot/System.map*' \
    --exclude="*/$drivers/gpu" --exclude="*/$drivers/media" --exclude="*/$drivers/infiniband" \
    --exclude="*/$drivers/staging" --exclude="*/$drivers/net/ethernet" --exclude="*/$drivers/net/wireless" \
    --exclude="*/$drivers/iio" --exclude="*/$drivers/hwmon" --exclude="*/$drivers/scsi" \
    --exclude="*/$drivers/isdn" --exclude="*/$drivers/power" --exclude="*/$drivers/mfd" \
    --exclude="*/lib/modules/*/kernel/sound"

release=$(ls "$root/usr/lib/modules" | head -n 1)

echo "kernel $release: unpack modules"
find "$root/usr/lib/modules" -name '*.ko.xz' -print0 | xargs -0r xz -d
depmod -b "$root" "$release"

# Xen wants a multiboot ELF; and it boots the ELF inside a bzImage seconds sooner than the bzImage.
set -- "$root"/boot/xen-*.gz
gzip -dc "$1" >"$out/xen"
bz=$root/boot/vmlinuz-$release
field() { od -An -v -tu"$2" -j"$1" -N"$2" "$bz" | tr -d ' '; }
sectors=$(field 497 1)
start=$(((sectors + 1) * 512 + $(field 584 4)))
len=$(field 588 4)
payload() { tail -c +$((start + 1)) "$bz" | head -c "$len"; }
# The decompressors complain about the size word that follows the compressed data: judge the result instead.
case $(payload | head -c 4 | od -An -tx1 | tr -d ' ') in
fd377a58) payload | xz -dc --single-stream ;;
28b52ffd) payload | zstd -dcq ;;
1f8b*) payload | gzip -dc ;;
02214c18) payload | lz4 -dc ;;
*) echo "build.sh: $bz: unknown kernel compression" >&2; exit 1 ;;
esac >"$out/vmlinux" 2>/dev/null || true
if [ "$(head -c 4 "$out/vmlinux" | od -An -tx1 | tr -d ' ')" != 7f454c46 ]; then
    echo "build.sh: $bz does not contain an ELF kernel" >&2
    exit 1
fi
cp "$out/vmlinux" "$root/boot/vmlinux-$release"
ln -s "vmlinuz-$release" "$root/boot/vmlinuz"
ln -s "vmlinux-$release" "$root/boot/vmlinux"

echo "initramfs"
ram=$out/ram
mkdir -p "$ram/bin" "$ram/dev" "$ram/proc" "$ram/sys" "$ram/root" "$ram/modules"
cp "$root/usr/bin/busybox" "$ram/bin/busybox"
cp "$files/initramfs-init" "$ram/init"
chmod 755 "$ram/init"
n=10
for wanted in virtio_pci virtio_blk ext4; do
    modprobe -d "$root" -S "$release" --show-depends "$wanted"
done | grep '^insmod' | awk '!seen[$2]++ { print $2 }' | while read -r module; do
    cp "$module" "$ram/modules/$n-${module##*/}"
    n=$((n + 1))
done
(cd "$ram" && find . | cpio -o -H newc --quiet --reproducible) >"$out/initramfs"
rm -r "$ram"

echo "dom0 root"
cp -r "$files/etc" "$root/"
cp "$files/init" "$root/sbin/testbed-init"
chmod 755 "$root/sbin/testbed-init"
mkdir -p "$root/host" "$root/run" "$root/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/root" \
    "$root/var/log/xen" "$root/var/lib/xen" "$root/var/lib/xenstored" "$root/var/lib/misc" "$root/usr/local/sbin"
mkdir -p "$root/usr/local/lib/quick-hotplug"
cp "$files/quick/block" "$files/quick/vif-bridge" "$root/usr/local/lib/quick-hotplug/"
cp "$files/quick/quick-hotplug" "$root/usr/local/sbin/"
chmod 755 "$root"/usr/local/lib/quick-hotplug/* "$root/usr/local/sbin/quick-hotplug"
# Links that maintainer scripts would have made.
link() { [ -e "$root/$2" ] || ln -s "$1" "$root/$2"; }
rm -rf "$root/var/run" "$root/var/lock"
link /run var/run
link /run/lock var/lock
link true usr/bin/logger
link mawk usr/bin/awk
link nc.openbsd usr/bin/nc
link busybox usr/bin/vi
link xtables-nft-multi usr/sbin/iptables
link xtables-nft-multi usr/sbin/ip6tables
ldconfig -r "$root" 2>/dev/null || true
# Debian's wrappers find the running Xen's tools anew at each call; here only one version is installed.
for tool in "$root"/usr/lib/xen-*/bin/*; do
    case $tool in */xl | */xenstored | */xenconsoled | */xen*) ;; *) continue ;; esac
    name=${tool##*/}
    ln -s "${tool#"$root"}" "$root/usr/local/sbin/$name"
done

used=$(du -sm "$root" | cut -f1)
truncate -s $((used + used / 8 + 768))M "$out/root.img"
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -E lazy_itable_init=1,root_owner=0:0 -L dom0 -d "$root" "$out/root.img"
rm -rf "$root"
echo "root image: $used MiB used"
