#!/bin/sh
# Reads the installed library as the loader will: its name, its symbols with their versions, its flags. Nothing that the build was told
# is believed here.
#   installed.sh libxenith.so.0 exports.txt
set -eu
library=$1
exports=$2
failed=0

bad() {
    echo "$library: $*" >&2
    failed=1
}

dynamic=$(readelf -dW "$library")
echo "$dynamic" | grep -q 'SONAME.*\[libxenith\.so\.0\]' || bad "its soname is not libxenith.so.0"
echo "$dynamic" | grep -q 'FLAGS_1.*NODELETE' || bad "it can be unloaded: the NODELETE flag is missing"
echo "$dynamic" | grep -q 'FLAGS_1.*NOW' || bad "it is bound lazily: the NOW flag is missing"
echo "$dynamic" | grep -Eq 'RPATH|RUNPATH' && bad "it has a search path of the machine that built it"
readelf -SW "$library" | grep -q ' \.debug_info ' && bad "it is not stripped"
readelf -lW "$library" | grep -q 'GNU_STACK.*RWE' && bad "its stack is executable"

# "name version" of each defined dynamic symbol; the version nodes themselves are absolute symbols.
found=$(objdump -T "$library" | awk '$0 !~ /\*UND\*|\*ABS\*/ && NF >= 6 { v = $(NF-1); gsub(/[()]/, "", v); print $NF, v }' | sort)
wanted=$(grep -v '^#' "$exports" | sort)
test -n "$wanted" || bad "$exports is empty"
if [ "$found" != "$wanted" ]; then
    bad "it does not export what exports.txt says (- wanted, + found):"
    echo "$wanted" > "${TMPDIR:-/tmp}/wanted.$$"
    echo "$found" | diff -U0 "${TMPDIR:-/tmp}/wanted.$$" - | grep '^[-+][a-z_]' >&2 || true
    rm -f "${TMPDIR:-/tmp}/wanted.$$"
fi

needs=$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so\.6|libgcc_s\.so\.1|libm\.so\.6|ld-linux.*)$' || true)
test -z "$needs" || bad "it needs more than the C library: $needs"

size=$(stat -Lc %s "$library")
test "$size" -lt 4194304 || bad "it has $size bytes; the goal is under 4 MiB"
glibc=$(objdump -T "$library" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
echo "$library: $size bytes, $(echo "$found" | wc -l) symbols, needs $glibc"
exit $failed
