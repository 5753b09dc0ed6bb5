#!/bin/sh
# What the built library needs to run, and what it takes to build it: read from the files, not from memory.
#
#   scripts/requirements.sh show LIBRARY         says it
#   scripts/requirements.sh check LIBRARY        holds the table in README.md against it
#   scripts/requirements.sh old-kernel COMMAND   runs a command as a kernel would that has no system call younger than Linux 3.2
#                                                (needs strace)
set -eu
root=$(dirname "$0")/..
what=$1
shift

# Rust documents Linux 3.2 for x86_64-unknown-linux-gnu. These came later; a file that asks for one without the mark "weak" (which means
# that it can do without) needs a younger kernel.
younger="getrandom statx rseq clone3 membarrier memfd_create renameat2 copy_file_range faccessat2 openat2 close_range mlock2
    pidfd_open epoll_pwait2 preadv2 pwritev2"

# The newest symbol version of glibc that the file asks for. "w": it can do without.
glibc() {
    objdump -T "$1" | awk '/\*UND\*/ && $2 != "w"' | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1 | cut -d_ -f2
}

kernel() {
    for call in $younger; do
        if objdump -T "$1" | awk '/\*UND\*/ && $2 != "w" { print $NF }' | grep -qx "$call"; then
            echo "$1 cannot do without $call, which Linux 3.2 has not" >&2
            exit 1
        fi
    done
    echo 3.2
}

# The oldest compiler that the workspace and each of its dependencies accept.
rust() {
    (cd "$root" && "${CARGO:-cargo}" metadata --format-version 1 --locked --filter-platform "$(uname -m)-unknown-linux-gnu") | python3 -c '
import json, sys
versions = [p["rust_version"] for p in json.load(sys.stdin)["packages"] if p["rust_version"]]
print(".".join(map(str, max(tuple(map(int, v.split(".")[:2])) for v in versions))))'
}

case $what in
show)
    echo "glibc $(glibc "$1"), Linux $(kernel "$1"); to build: Rust $(rust)"
    ;;
check)
    # A library built on another system asks for that system's glibc: the README speaks of Debian 12.
    debian=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}") || debian=
    rows="Linux $(kernel "$1")
Rust $(rust)"
    [ "$debian" = "debian 12" ] && rows="glibc $(glibc "$1")
$rows"
    echo "$rows" | while read -r name version; do
        grep -q "^| $name | $version |" "$root/README.md" || {
            echo "README.md: its table of requirements lacks the row | $name | $version |, which is what $1 needs" >&2
            exit 1
        }
    done
    grep -q "^rust-version = \"$(rust)\"" "$root/Cargo.toml" || {
        echo "Cargo.toml: rust-version is not $(rust), which its dependencies need" >&2
        exit 1
    }
    echo "requirements: as README.md says"
    ;;
old-kernel)
    calls=$(echo $younger | tr ' ' ',')
    exec strace -f -qq -o /dev/null -e "inject=$calls:error=ENOSYS" "$@"
    ;;
*)
    echo "usage: $0 show|check LIBRARY, or old-kernel COMMAND" >&2
    exit 2
    ;;
esac
