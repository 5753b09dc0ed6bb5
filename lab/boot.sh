# What run.sh and shell share: one boot of the lab in QEMU.

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$lab/../build/lab

# accelerator: kvm where it works and offers the guest a virtualization of its own, else tcg. Asked of a machine of 512 bytes,
# because /dev/kvm can be there and fail.
accelerator() {
  local probe=$build/probe.$BASHPID answer=0
  [ -z "${LAB_ACCEL:-}" ] || { echo "$LAB_ACCEL"; return; }
  if [ -w /dev/kvm ]; then
    # mov eax,1; cpuid; test ecx,VMX; jnz yes; mov eax,0x80000001; cpuid; test ecx,SVM; jz no; yes: mov al,16; jmp out; no: mov al,17; out: ...
    printf '\x66\xb8\x01\x00\x00\x00\x0f\xa2\x66\xf7\xc1\x20\x00\x00\x00\x75\x11\x66\xb8\x01\x00\x00\x80\x0f\xa2\x66\xf7\xc1\x04\x00\x00\x00\x74\x04\xb0\x10\xeb\x02\xb0\x11\xba\xf4\x00\xee\xf4\xeb\xfd' > "$probe"
    truncate -s 510 "$probe"
    printf '\x55\xaa' >> "$probe"
    # The shell speaks of a child that was killed: in a shell of its own, to nobody.
    (timeout 10 qemu-system-x86_64 -accel kvm -cpu host -m 16 -nodefaults -display none -no-reboot \
      -device isa-debug-exit,iobase=0xf4,iosize=1 -drive "file=$probe,format=raw,snapshot=on"; exit $?) > /dev/null 2>&1 || answer=$?
  fi
  rm -f "$probe"
  if [ $answer = 33 ]; then echo kvm; else echo tcg; fi
}

# overlay WORK PREFIX: makes WORK/run.squashfs, which holds what changes from run to run; read from the disk like dom0's own files.
# PREFIX is what `make install` laid out, or a folder of cargo's (target/debug).
overlay() {
  local root=$1/root prefix=$2 libraries=usr/lib/x86_64-linux-gnu source program file library
  mkdir -p "$root/lab/"{tests,bin,data} "$root/usr/bin" "$root/$libraries"
  if [ -e "$prefix/bin/xenith" ]; then
    install -m 755 "$prefix/bin/xenith" "$root/usr/bin/"
    cp -P "$prefix"/lib/libxenith.so* "$root/$libraries/"
    if [ -d "$prefix/lib/pkgconfig" ]; then cp -r "$prefix/lib/pkgconfig" "$root/$libraries/"; fi
    library=$prefix/lib/libxenith.so
  else
    install -m 755 -s "$prefix/xenith" "$root/usr/bin/"
    install -m 755 -s "$prefix/libxenith.so" "$root/$libraries/libxenith.so.0"
    library=$prefix/libxenith.so
  fi
  mkdir -p "$root/usr/lib/python3/dist-packages" "$build/programs"
  cp -r "$lab/../python/xenith" "$root/usr/lib/python3/dist-packages/"
  find "$lab/${LAB_FOLDER:-tests}" -name '*.sh' -o -name '*.py' | xargs cp -t "$root/lab/tests/"
  cp "$lab/../tests/data/seeds/"*.xml "$root/lab/data/"
  cp "$lab/../docs/agreement.md" "$root/lab/data/"
  for source in seeds libxl/agreement xl/dryrun; do
    mkdir -p "$root/lab/data/agreement/$(basename "$source")"
    cp "$lab/../tests/data/$source/"*.xml "$root/lab/data/agreement/$(basename "$source")/"
  done
  install -m 755 "$lab/dom0-init" "$lab/runner" "$root/lab/"
  install -m 644 "$lab/prelude.sh" "$root/lab/"

  # Our own programs, the peers', the C tests, and whatever LAB_BINS names (FILE or FILE=NAME).
  for source in "$lab"/*.c "$lab"/peers/*.c; do
    [ -e "$source" ] || continue
    program=$build/programs/$(basename "$source" .c)
    if [ ! "$program" -nt "$source" ] || [ ! "$program" -nt "$library" ] || [ ! "$program" -nt "$lab/../include/xenith.h" ]; then
      if [ "$(dirname "$source")" = "$lab" ]; then
        ${CC:-cc} -std=c99 -Wall -Wextra -Werror -O1 -o "$program" "$source" -I"$lab/../include" "$library"
      else
        # Figures are compared with these.
        ${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -O2 -o "$program" "$source" -isystem "$image/peers/include" \
          -L"$image/peers/lib" -Wl,--as-needed,--allow-shlib-undefined -lxenlight -lxenctrl -lxenforeignmemory -lxenstore \
          -lxentoollog
      fi
    fi
    install -m 755 "$program" "$root/lab/bin/"
  done
  if [ -d "$lab/../build/ctest" ]; then
    find "$lab/../build/ctest" -maxdepth 1 -type f -perm -u+x -exec cp -t "$root/lab/bin/" {} +
  fi
  for file in ${LAB_BINS:-}; do install -m 755 -s "${file%%=*}" "$root/lab/bin/$(basename "${file##*=}")"; done

  # Their libraries, where dom0 has none.
  # (ldd fails on a program that needs none.)
  { find "$root/lab/bin" "$root/usr/bin" -type f -exec ldd {} + 2> /dev/null || true; } | grep -oE '/[^ :]+\.so[^ :]*' | grep -v libxenith | sort -u |
    while read -r file; do
      grep -qE "/$(basename "$file")\$" "$image/files" || { mkdir -p "$root/usr$(dirname "${file#/usr}")"; cp -L "$file" "$root/usr${file#/usr}"; }
    done

  # What a guest needs to run the command: a root of its own, on top of /boot/guest.gz.
  local domu=$1/domu
  mkdir -p "$domu/lib64" "$domu/lib/x86_64-linux-gnu" "$domu/usr/lib"
  cp "$root/usr/bin/xenith" "$domu/"
  cp -L "$root/$libraries/libxenith.so.0" "$domu/lib/x86_64-linux-gnu/"
  ldd "$root/usr/bin/xenith" "$root/$libraries/libxenith.so.0" | grep -oE '/[^ :]+\.so[^ :]*' | grep -v libxenith | sort -u | xargs cp -L -t "$domu/lib/x86_64-linux-gnu/"
  cp -L /lib64/ld-linux-x86-64.so.2 "$domu/lib64/"
  (cd "$domu" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) > "$root/lab/domu.gz"

  mksquashfs "$root" "$1/run.squashfs" -noappend -all-root -noI -noD -noF -noX -no-xattrs -no-progress -quiet > /dev/null
}

# qemu WORK KIND CONSOLE...: becomes QEMU. CONSOLE is what follows -serial; the orders are in WORK/orders, and the report goes to WORK/report.
qemu() {
  local work=$1 cpu='qemu64,+svm,+npt' accel
  accel=$(accelerator)
  [ "$accel" = tcg ] || cpu=host
  shift 2
  cp "$work/orders" "$work/orders.disk"; truncate -s 64K "$work/orders.disk"
  exec qemu-system-x86_64 -machine q35 -accel "$accel" -cpu "$cpu" -smp 1 -m 3500 -nodefaults -display none -no-reboot -serial "$@" \
    -kernel "$image/xen" -append "console=com1 com1=115200,8n1 dom0_mem=1400M,max:1400M bootscrub=0" \
    -initrd "$image/vmlinux console=hvc0 rdinit=/init quiet panic=5 mitigations=off,$image/initrd.gz" \
    -drive "file=$image/dom0.squashfs,format=raw,if=virtio,readonly=on" \
    -drive "file=${run:-$work/run.squashfs},format=raw,if=virtio,readonly=on" \
    -drive "file=$work/orders.disk,format=raw,if=virtio,readonly=on" \
    -chardev "file,id=report,path=$work/report" -device virtio-serial -device virtserialport,chardev=report,name=report
}
