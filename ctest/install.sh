#!/bin/sh
# Installs into an empty DESTDIR, in a distribution's layout, from a folder of which nothing may be written: what is there, and what the
# files say of where they are. Then uninstalls: nothing is left.
#   install.sh ROOT-OF-THE-SOURCES
set -eu
root=$1
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX LIBDIR || true
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
failed=0

bad() {
    echo "install: $*" >&2
    failed=1
}

# A cargo that must not be run: installing, as root perhaps, compiles nothing.
layout="PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu DESTDIR=$stage CARGO=false CC=false"
before=$(find "$root/build/out" -newer "$root/build/out" -type f | sort)
# shellcheck disable=SC2086
make -C "$root" -s install $layout

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
lib=$stage/usr/lib/x86_64-linux-gnu
for file in lib/x86_64-linux-gnu/libxenith.so.$version lib/x86_64-linux-gnu/libxenith.a lib/x86_64-linux-gnu/pkgconfig/xenith.pc \
    include/xenith.h bin/xenith share/man/man1/xenith.1 share/bash-completion/completions/xenith; do
    test -f "$stage/usr/$file" || bad "/usr/$file is missing"
done
test "$(readlink "$lib/libxenith.so")" = libxenith.so.0 || bad "libxenith.so does not point to libxenith.so.0"
test "$(readlink "$lib/libxenith.so.0")" = "libxenith.so.$version" || bad "libxenith.so.0 points elsewhere"
grep -rqF "$stage" "$lib/pkgconfig" && bad "xenith.pc holds the staging folder"
grep -q '@' "$lib/pkgconfig/xenith.pc" && bad "xenith.pc has a place that was not filled in"

export PKG_CONFIG_PATH="$lib/pkgconfig"
unset PKG_CONFIG_SYSROOT_DIR || true
test "$(pkg-config --modversion xenith)" = "$version" || bad "pkg-config answers another version"
test "$(pkg-config --variable=libdir xenith)" = /usr/lib/x86_64-linux-gnu || bad "pkg-config answers another libdir"
test "$(pkg-config --variable=includedir xenith)" = /usr/include || bad "pkg-config answers another includedir"
"$stage/usr/bin/xenith" --version | grep -qF "$version" || bad "the command does not run, or is of another version"
test "$before" = "$(find "$root/build/out" -newer "$root/build/out" -type f | sort)" || bad "installing changed what was built"

# shellcheck disable=SC2086
make -C "$root" -s uninstall $layout
left=$(find "$stage" ! -type d)
test -z "$left" || bad "uninstall leaves: $left"
exit $failed
