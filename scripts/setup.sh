#!/bin/sh
# Makes a Debian machine ready to build and test xenith: installs what is missing where it may, else names it and fails.
#
#   scripts/setup.sh rust      says whether the Rust compiler will do; installs nothing
#   scripts/setup.sh build     what `make` and `make demo` need
#   scripts/setup.sh test      what `make test` needs as well
#   scripts/setup.sh lab       what `make lab` needs: the build's, QEMU, and tools for disks; Xen and dom0's packages are only
#                             downloaded, into build/lab (lab/fetch.sh)
set -eu
what=${1:-build}
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
cargo=${CARGO:-cargo}

# The version of cargo, which is that of the compiler beside it; nothing where there is none.
version() {
  "$cargo" --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p'
}

# Whether that is at least what Cargo.toml asks for.
new_enough() {
  found=$(version) && [ -n "$found" ] && [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" = "$needed" ]
}

rust() {
  new_enough && return
  found=$(version)
  if [ -n "$found" ]; then
    echo "setup: this is Rust $found, and xenith needs $needed or newer: rustup update" >&2
  else
    echo "setup: no Rust compiler ($cargo): xenith needs Rust $needed or newer" >&2
  fi
  echo "setup: get one with rustup (https://rustup.rs); Debian 12 and later have rustc-web and cargo-web" >&2
  exit 1
}

if [ "$what" = rust ]; then
  rust
  exit
fi

packages="gcc g++ libc6-dev make pkg-config binutils python3"
[ "$what" = test ] && packages="$packages cmake valgrind mypy python3-pytest python3-pip python3-setuptools python3-wheel"
if [ "$what" = lab ]; then
  if [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ]; then
    echo "setup: the lab boots an amd64 machine from Debian's packages, and this is none" >&2
    exit 1
  fi
  packages="$packages qemu-system-x86 cpio squashfs-tools e2fsprogs kmod cmake valgrind libxen-dev libvirt-dev"
fi

missing=
for package in $packages; do
  # "install ok installed" is what dpkg says of a package that is there whole.
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done

if [ -n "$missing" ]; then
  install="apt-get install -y --no-install-recommends$missing"
  if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian machine; install the counterparts of:$missing" >&2
    exit 1
  elif [ "$(id -u)" = 0 ]; then
    sudo=
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo=sudo
  else
    echo "setup: missing:$missing" >&2
    echo "setup: as root run: apt-get update && $install" >&2
    exit 1
  fi
  echo "setup: installing$missing"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive $install >/dev/null
fi

rust
if [ "$what" = test ]; then
  for tool in fmt clippy; do
    "$cargo" $tool --version >/dev/null 2>&1 || {
      echo "setup: \`cargo $tool\` is missing: rustup component add rustfmt clippy" >&2
      exit 1
    }
  done
fi
if [ "$what" = lab ]; then
  # Says what it lacks.
  "$(dirname "$0")/../lab/fetch.sh" "$(dirname "$0")/../build/lab" >/dev/null
fi
