#!/bin/sh
# Every exported function is in the test of wrong arguments; the two that take none are in version.c.
#   complete.sh exports.txt args.c
set -eu
missing=0
for name in $(sed -n 's/^\(xenith_[a-z0-9_]*\) .*/\1/p' "$1" | grep -v '^xenith_library_version'); do
    grep -qw "$name" "$2" || {
        echo "$2 does not call $name with wrong arguments" >&2
        missing=1
    }
done
exit $missing
