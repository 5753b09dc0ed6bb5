#!/bin/sh
# Makes a Debian machine ready to build and test xenith: installs what is missing where it may, else names it and fails.
#
#   scripts/setup.sh build     what `make` and `make demo` need
#   scripts/setup.sh test      what `make test` needs as well
set -eu

packages="gcc g++ libc6-dev make pkg-config binutils python3"
[ "${1:-build}" = test ] && packages="$packages cmake valgrind python3-pytest python3-pip python3-setuptools python3-wheel"

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

if ! command -v cargo >/dev/null; then
  echo "setup: no Rust compiler: install one with rustup (https://rustup.rs), or Debian's rustc-web and cargo-web" >&2
  exit 1
fi
