#!/bin/sh
# The story of `make demo` at a terminal: one embedded host, served by one process and used by many.
#
#   scripts/demo-command.sh XENITH GUEST.xml
set -eu

command=$1 guest=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/xenith-demo.XXXXXX")
"$command" sim --dir "$dir" >"$dir.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$dir" "$dir.log"' EXIT
export XENITH_URI="xen+sim:///?dir=$dir"

tries=0
until "$command" version >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { echo "the embedded host does not start:" >&2; cat "$dir.log" >&2; exit 1; }
  sleep 0.1
done

run() {
  echo "\$ xenith $*"
  "$command" "$@"
}

name=$(sed -n 's|.*<name>\(.*\)</name>.*|\1|p' "$guest")
run version
run define "$guest"
run list --all
run start "$name"
run list
run dominfo "$name"
run domstate --reason "$name"
run shutdown "$name"
tries=0
while [ "$("$command" domstate "$name")" != "shut off" ]; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { echo "the guest does not shut down" >&2; exit 1; }
  sleep 0.1
done
run list --all
run undefine "$name"
