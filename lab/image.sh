#!/bin/bash
# Makes dom0's initramfs from this machine's Debian packages; prints its path. What it was made of is in its name, so it is made once.
#
#   lab/image.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
xen=/usr/lib/xen-4.17/bin
vmlinuz=$(ls -1 /boot/vmlinuz-*-amd64 | sort -V | tail -n1)
version=${vmlinuz#/boot/vmlinuz-}

hash=$({ dpkg-query -W -f '${Package} ${Version}\n' xen-utils-4.17 xen-utils-common xenstore-utils busybox-static libc6 bash coreutils \
  util-linux "linux-image-$version" 2>/dev/null; cat "$here/image.sh" "$here/guest-init"; } | sha256sum | cut -c1-16)
image=$folder/dom0-$hash.gz
if [ -e "$image" ]; then
  echo "$image"
  exit
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/xenith-lab.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root

# put FILE: copies it with the shared libraries that it needs.
put() {
  local library
  mkdir -p "$root/$(dirname "$1")"
  cp -L "$1" "$root/$1"
  { ldd "$1" 2>/dev/null || true; } | grep -oE '/[^ ]+\.so[^ :]*' | while read -r library; do
    [ -e "$root/$library" ] || { mkdir -p "$root/$(dirname "$library")"; cp -L "$library" "$root/$library"; }
  done
}

mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,root,boot,etc,usr/sbin,var/lib/xen,var/log/xen,lib/x86_64-linux-gnu}
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
cp /bin/busybox "$root/bin/"
for program in $xen/{xl,xenstored,xenconsoled,xenconsole,xen-init-dom0,libxl-save-helper} \
  /usr/bin/xenstore-{ls,read,write,exists,rm,list} /bin/bash /usr/bin/stat /usr/bin/readlink /sbin/losetup /usr/bin/flock /usr/bin/timeout; do
  put "$program"
done
# xl loads it late, by name.
cp -L /lib/x86_64-linux-gnu/libgcc_s.so.1 "$root/lib/x86_64-linux-gnu/"
cp -r /etc/xen "$root/etc/xen"
for module in xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc xen-blkback xen-netback loop; do
  for file in $(modprobe -S "$version" --show-depends $module 2>/dev/null | awk '$1 == "insmod" { print $2 }'); do
    mkdir -p "$root/$(dirname "$file")"
    cp "$file" "$root/$file"
  done
done
cp /lib/modules/"$version"/modules.{builtin,order} "$root/lib/modules/$version/"
depmod -b "$root" "$version" 2>/dev/null
cp "$vmlinuz" "$root/boot/vmlinuz"

guest=$work/guest
mkdir -p "$guest"/{bin,dev,proc,sys}
cp /bin/busybox "$guest/bin/"
install -m 755 "$here/guest-init" "$guest/init"
(cd "$guest" && find . | cpio -o -H newc --quiet | gzip -1) > "$root/boot/guest.gz"

(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$image.new"
mv "$image.new" "$image"
echo "$image"
