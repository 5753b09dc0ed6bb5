#!/bin/bash
# Makes what the lab boots from the Debian packages that fetch.sh downloads; prints the folder that holds it:
#
#   xen            the hypervisor
#   vmlinux        dom0's kernel, decompressed here rather than under emulation at every boot
#   initrd.gz      just enough to mount the disk
#   dom0.squashfs  dom0's files, read from the disk as they are needed
#   files          the names of dom0's files
#   peers          libxenlight and libxenctrl as a compiler wants them
#
#   lab/image.sh FOLDER
#
# What it was made of is in the folder's name, so it is made once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
list=$("$here/fetch.sh" "$folder")
hash=$(cat "$list" "$here"/{image.sh,packages,stage1-init,guest-init,unpack-kernel.py} | sha256sum | cut -c1-16)
image=$folder/dom0-$hash
if [ -e "$image/files" ]; then
  touch "$image"
  echo "$image"
  exit
fi

echo "lab: making dom0; once for these packages" >&2
work=$(mktemp -d "$folder/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
new=$work/image
system=$work/system
mkdir -p "$new" "$root"/{dev,proc,sys,run,tmp,root,boot,lab,base,etc,mnt,opt,srv,var/lib/xen,var/log/xen,var/lib/libvirt,var/cache,usr/bin,usr/sbin,usr/lib,usr/lib64}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
chmod 1777 "$root/tmp"

# Everything unpacked, as one system; dom0 gets a part of it.
mkdir -p "$system"/usr/{bin,sbin,lib,lib64}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$system/$name"; done
while read -r package; do
  dpkg-deb --fsys-tarfile "$folder/apt/archives/$package" |
    tar -C "$system" -x --keep-directory-symlink --no-same-owner --exclude='./usr/share/'{doc,man,locale,icu,iso-codes} --exclude='./usr/share/perl*'
done < "$list"
kernel=$(ls -1 "$system"/boot/vmlinuz-*-amd64 | sort -V | tail -n1)
version=${kernel##*/vmlinuz-}
depmod -b "$system" "$version"

# The named packages' files, without what nobody reads there.
grep -vE '^(#|linux-|xen-hypervisor-|libxen-dev)' "$here/packages" | while read -r package; do
  dpkg-deb --fsys-tarfile "$folder/apt/archives/$(grep "^${package}_" "$list")" | tar -t
done | sed 's|^\.||; s#^/\(bin\|sbin\|lib\|lib64\)/#/usr/\1/#' | sort -u |
  grep -vE '^/usr/share/(doc|man|locale|info|lintian|bash-completion|apport|bug|menu|polkit-1|systemtap|augeas|libvirt/schemas)/|^/usr/lib/(systemd|udev|modules-load.d)|^/etc/(init.d|default|cron|logrotate.d|systemd|apparmor.d|grub.d)|^/usr/bin/(su|login)$|/runuser$|idlelib|/config-3' |
  while read -r file; do
    if [ -f "$system$file" ] || [ -L "$system$file" ]; then echo ".$file"; fi
  done > "$work/list"
tar -C "$system" -c --no-recursion -T "$work/list" | tar -C "$root" -x --keep-directory-symlink
# QEMU finds its keymaps, its VGA and its network card's firmware here.
mkdir -p "$root/usr/share/qemu"
cp -rL "$system"/usr/share/qemu/{keymaps,vgabios*,kvmvapic.bin,linuxboot*.bin,multiboot*.bin,efi-*.rom} "$root/usr/share/qemu/" 2> /dev/null || true
cp -L "$system/bin/busybox" "$root/bin/busybox"
ln -sf mawk "$root/usr/bin/awk"
ln -sf python3.11 "$root/usr/bin/python3"
comm -23 <("$system/bin/busybox" --list | sort) <(ls "$root/usr/bin" "$root/usr/sbin" | sort) | (cd "$root/usr/bin" && xargs -n 1 ln -s busybox)
# The shared libraries of all that. xl and Python load the first one late, by name.
libraries=usr/lib/x86_64-linux-gnu
cp -L "$system/$libraries/libgcc_s.so.1" "$root/$libraries/"
cp -L "$system/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
# Asked of the packages' own loader, so that this machine's libraries have no say.
find "$root" -type f \( -perm /111 -o -name '*.so*' \) ! -path "$root/usr/bin/busybox" -print0 |
  xargs -0 -n 1 "$system/lib64/ld-linux-x86-64.so.2" --library-path "$root/$libraries:$system/$libraries" --list 2> /dev/null |
  grep -oE ' /[^ ]+\.so[^ ]*' | sed "s|^ ||; s|^$root/||; s|^$system/||" | sort -u > "$work/libraries" || true
while read -r library; do
  [ -e "$root/$library" ] || [ ! -e "$system/$library" ] || { mkdir -p "$root/$(dirname "$library")"; cp -L "$system/$library" "$root/$library"; }
done < "$work/libraries"

# modules FOLDER NAME...: the kernel modules of these names and of what they need, in the order in which they are loaded.
modules() {
  local into=$1 module
  shift
  for module in "$@"; do
    modprobe -d "$system" -S "$version" --show-depends "$module" 2> /dev/null | awk '$1 == "insmod" { print $2 }'
  done | sed "s|^$system||" | awk '!seen[$0]++' > "$into/modules"
  sed 's|^|.|' "$into/modules" | tar -C "$system" -c -T - | tar -C "$into" -x --keep-directory-symlink
}
modules "$root" xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc xen-blkback xen-netback loop tun bridge ext4 isofs
rm "$root/modules"
cp "$system/lib/modules/$version"/modules.{builtin,order} "$root/lib/modules/$version/"
depmod -b "$root" "$version" 2> /dev/null

cat > "$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/:/bin/sh
libvirt-qemu:x:64055:64055:libvirt:/var/lib/libvirt:/bin/false
END
cat > "$root/etc/group" <<'END'
root:x:0:
kvm:x:104:libvirt-qemu
libvirt:x:105:
nogroup:x:65534:
libvirt-qemu:x:64055:
END
echo 'd0ad0ad0ad0ad0ad0ad0ad0ad0ad0ad0' > "$root/etc/machine-id"
echo '127.0.0.1 localhost lab' > "$root/etc/hosts"
echo lab > "$root/etc/hostname"
mkdir -p "$root/etc/xen/auto"

# Guests boot the same kernel: as it is distributed, which HVM guests need, and decompressed, which spares an emulated machine seconds.
cp "$kernel" "$root/boot/bzImage"
python3 "$here/unpack-kernel.py" "$kernel" "$root/boot/vmlinuz"
cp "$root/boot/vmlinuz" "$new/vmlinux"
guest=$work/guest
mkdir -p "$guest"/{bin,dev,proc,sys,tmp,run,etc}
cp "$system/bin/busybox" "$guest/bin/"
cp "$here/guest-init" "$guest/init"
chmod 755 "$guest/init"
modules "$guest" xen-blkfront xen-netfront xenfs
(cd "$guest" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) > "$root/boot/guest.gz"

# A guest's disk: a partition with what pygrub reads, and a first sector that says hello on the serial line, for a BIOS.
# xor ax,ax; mov ds,ax; mov si,text; next: lodsb; test al,al; jz end; mov dx,0x3f8; out dx,al; jmp next; end: hlt; jmp end
disk=$root/boot/guest-disk.img
mkdir -p "$work/disk/boot/grub"
cp "$kernel" "$work/disk/boot/vmlinuz"
cp "$root/boot/guest.gz" "$work/disk/boot/initrd.gz"
printf 'set default=0\nset timeout=1\nmenuentry "guest" {\n  linux /boot/vmlinuz console=hvc0 quiet\n  initrd /boot/initrd.gz\n}\n' > "$work/disk/boot/grub/grub.cfg"
printf '\x31\xc0\x8e\xd8\xbe\x15\x7c\xac\x84\xc0\x74\x06\xba\xf8\x03\xee\xeb\xf5\xf4\xeb\xfdguest up: firmware\r\n\0' > "$disk"
truncate -s 446 "$disk"
# Bootable, Linux, from sector 2048, of 14 MiB.
printf '\x80\x20\x21\x00\x83\xfe\xff\xff\x00\x08\x00\x00\x00\x70\x00\x00' >> "$disk"
truncate -s 510 "$disk"
printf '\x55\xaa' >> "$disk"
truncate -s 15M "$disk"
/sbin/mke2fs -q -F -t ext2 -d "$work/disk" -E offset=1048576 "$disk" 14336 2> /dev/null
/sbin/ldconfig -r "$root" 2> /dev/null

stage1=$work/stage1
mkdir -p "$stage1"/{bin,dev,proc,sys,base,run,rw,new}
cp "$system/bin/busybox" "$stage1/bin/"
cp "$here/stage1-init" "$stage1/init"
chmod 755 "$stage1/init"
modules "$stage1" virtio_pci virtio_blk virtio_console squashfs overlay
(cd "$stage1" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) > "$new/initrd.gz"

zcat "$system"/boot/xen-4.17-amd64.gz > "$new/xen"
mkdir -p "$new/peers/lib"
cp -r "$system/usr/include" "$new/peers/"
cp -a "$system/$libraries"/libxen* "$new/peers/lib/"
mksquashfs "$root" "$new/dom0.squashfs" -all-root -noI -noD -noF -noX -no-xattrs -no-progress -quiet > /dev/null
(cd "$root" && find . ! -type d | sed 's|^\.||' | sort) > "$new/files"
[ -e "$image" ] || mv "$new" "$image"
# Images of other packages go when nobody has booted them for a week.
find "$folder" -maxdepth 1 -name 'dom0-*' -mtime +7 -exec rm -rf {} +
echo "$image"
