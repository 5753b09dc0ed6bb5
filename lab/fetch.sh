#!/bin/bash
# Downloads the Debian packages that dom0 is made of, with all that they depend on; installs none, and needs no rights. Prints the name of a
# file that names them, one in a line.
#
#   lab/fetch.sh FOLDER
#
# apt works as it does for the machine (sources, keys, proxies), but believes that nothing is installed, and keeps everything in
# FOLDER/apt. What it found out holds until the machine's lists of packages change.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/apt"
apt=$(cd "$1/apt" && pwd)
system=/var/lib/apt/lists
mkdir -p "$apt"/{archives,lists,none}/partial
: > "$apt/status"
mapfile -t packages < <(grep -v '^#' "$here/packages")

# complete: what is listed is there.
complete() { [ -s "$apt/list" ] && (cd "$apt/archives" && xargs stat -c '' < "$apt/list") > /dev/null 2>&1; }

fresh=1
for source in "$here/packages" "$here/fetch.sh" "$system"; do [ "$apt/list" -nt "$source" ] || fresh=; done
if [ $fresh ] && complete; then
  echo "$apt/list"
  exit
fi

lists=$system
ls "$system"/*_Packages* > /dev/null 2>&1 || lists=$apt/lists
apt() {
  apt-get -qq -y -o Debug::NoLocking=true -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false -o Acquire::Retries=2 \
    -o Dir::State::status="$apt/status" -o Dir::State::Lists="$lists" -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" "$@"
}
get() {
  # Asked as if nothing were downloaded yet: what is, is not named.
  apt install --print-uris -o Dir::Cache::archives="$apt/none" "${packages[@]}" > "$apt/uris" && apt install --download-only "${packages[@]}" > /dev/null &&
    awk '{ print $2 }' "$apt/uris" | sort > "$apt/list.new" && [ -s "$apt/list.new" ] && mv "$apt/list.new" "$apt/list"
}
echo "lab: looking for its packages" >&2
if ! get 2> "$apt/words"; then
  # The machine's lists may be older than what the archive has.
  lists=$apt/lists
  if ! { apt update > /dev/null && get; } 2> "$apt/words"; then
    if complete; then
      echo "lab: apt cannot say whether there are newer packages; going on with those that are here" >&2
    else
      echo "lab: its packages, which are Debian 12's, cannot be downloaded:" >&2
      head -n 5 "$apt/words" >&2
      exit 1
    fi
  fi
fi
# Those of other versions go.
(cd "$apt/archives" && ls -- *.deb | grep -vxFf "$apt/list" | xargs -r rm -f --) || true
rm -f "$apt/uris"
touch "$apt/list"
echo "$apt/list"
