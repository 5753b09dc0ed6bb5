#!/bin/bash
# Boots a real Xen and runs the lab's tests in its dom0.
#
#   lab/run.sh PREFIX [TEST...]     PREFIX is an installed xenith; TEST a file name in lab/tests without its .sh
#
# QEMU emulates the processor (qemu64 with SVM: PV, PVH and HVM guests all run), so no /dev/kvm is needed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=$1
shift
limit=${XENITH_LAB_SECONDS:-420}
build=$here/../build/lab
mkdir -p "$build"
image=$("$here/image.sh" "$build")

# What changes from run to run rides in an initramfs of its own behind the image: the kernel unpacks one after the other.
work=$(mktemp -d "${TMPDIR:-/tmp}/xenith-lab.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/lab/tests" "$root/usr/bin" "$root/usr/lib/x86_64-linux-gnu"
install -m 755 "$here/dom0-init" "$root/init"
install -m 644 "$here/prelude.sh" "$root/lab/prelude.sh"
if [ $# -eq 0 ]; then
  cp "$here"/tests/*.sh "$root/lab/tests/"
else
  for test in "$@"; do cp "$here/tests/$test.sh" "$root/lab/tests/"; done
fi
tests=$(find "$root/lab/tests" -name '*.sh' | wc -l)
install -m 755 "$prefix/bin/xenith" "$root/usr/bin/xenith"
cp "$prefix/lib/libxenith.so.0" "$root/usr/lib/x86_64-linux-gnu/"
${CC:-cc} -std=c99 -Wall -Wextra -Werror -O1 -o "$root/lab/watch-names" "$here/watch-names.c" -I"$prefix/include" "$prefix/lib/libxenith.so"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/overlay.gz"
cat "$image" "$work/overlay.gz" > "$work/dom0.gz"
zcat /boot/xen-4.17-amd64.gz > "$work/xen"
vmlinuz=$(ls -1 /boot/vmlinuz-*-amd64 | sort -V | tail -n1)

echo "lab: booting Xen 4.17 with $tests tests (QEMU, at most $limit s)"
timeout "$limit" qemu-system-x86_64 -machine q35 -accel tcg -cpu qemu64,+svm,+npt -smp 1 -m 2600 -nographic -no-reboot -nic none \
  -kernel "$work/xen" -append "console=com1 com1=115200,8n1 dom0_mem=1000M" \
  -initrd "$vmlinuz console=hvc0 rdinit=/init quiet,$work/dom0.gz" < /dev/null 2>&1 | tr -d '\r' > "$work/log" &
qemu=$!

# Each result as it comes.
tail -n +1 -f --pid=$qemu "$work/log" | sed -n '/^LAB-BEGIN$/,/^LAB-END$/ { s/^LAB-PASSED /ok      /p; s/^LAB-FAILED /FAILED  /p; /^    /p }' || true
wait $qemu || true

passed=$(grep -c '^LAB-PASSED ' "$work/log" || true)
if ! grep -q '^LAB-END$' "$work/log"; then
  echo "lab: dom0 did not finish within $limit s; the end of its console:" >&2
  tail -n 30 "$work/log" >&2
fi
echo "lab: $passed passed, $((tests - passed)) failed"
[ "$passed" -eq "$tests" ]
