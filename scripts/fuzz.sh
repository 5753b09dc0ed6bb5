#!/bin/sh
# Lets libFuzzer look for bytes that break a reader, guided by the code that they reach. Works with a stable compiler.
#
#   fuzz.sh SECONDS [TARGET...]   runs the targets (all of them where none is named), so long each
#   fuzz.sh keep [TARGET...]      puts what the runs found to reach new code into fuzz/corpus, as little of it as possible
#
# What it finds is kept in build/fuzz/TARGET; a text that breaks the reader in build/fuzz/broken-TARGET-*: put it into
# fuzz/corpus/TARGET under a name of its own when it is fixed, and `make test` reads it each time.
set -eu
cd "$(dirname "$0")/.."
what=${1:?usage: fuzz.sh SECONDS|keep [TARGET...]}
shift
: "${CARGO:=cargo}"

flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code"
# With a target named, the flags are not for build scripts and macros.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$flags" "$CARGO" build --locked --quiet -p xenith-fuzz --bin guided --features guided --profile fuzz \
    --target "$host" --target-dir target/guided
guided=target/guided/$host/fuzz/guided

[ $# -gt 0 ] || set -- $(ls fuzz/corpus)
status=0
for target in "$@"; do
    [ -d "fuzz/corpus/$target" ] || { echo "fuzz: '$target' is no target: $(ls fuzz/corpus | tr '\n' ' ')" >&2; exit 2; }
    mkdir -p "build/fuzz/$target"
    if [ "$what" = keep ]; then
        # Into a folder of its own first: what the corpus has is there already.
        XENITH_FUZZ=$target "$guided" -merge=1 -max_len=4096 -timeout=10 "fuzz/corpus/$target" "build/fuzz/$target" 2>&1 | tail -n 1
        continue
    fi
    echo "== $target, for $what seconds"
    XENITH_FUZZ=$target "$guided" -max_total_time="$what" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -verbosity=0 "-artifact_prefix=build/fuzz/broken-$target-" "build/fuzz/$target" "fuzz/corpus/$target" \
        > "build/fuzz/$target.log" 2>&1 || { status=1; tail -n 25 "build/fuzz/$target.log"; }
    sed -n 's/^stat::number_of_executed_units: */   executions: /p; s/^stat::new_units_added: */   new texts: /p' "build/fuzz/$target.log"
done
exit $status
