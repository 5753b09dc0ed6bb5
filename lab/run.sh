#!/bin/bash
# Boots a real Xen and runs the lab's tests in its dom0.
#
#   lab/run.sh PREFIX [TEST...]     PREFIX is an installed xenith, or target/debug; TEST a file name in lab/tests without its .sh
#
#   LAB_JOBS=N     so many boots at once (each takes 4 GB and a processor)
#   LAB_BINS=...   programs to put into /lab/bin: FILE or FILE=NAME
#   LAB_VERBOSE=1  shows what passing tests print as well; build/lab/logs keeps it in any case
#   LAB_SHORT=1    leaves out the tests that say `# long: yes`
#   LAB_FOLDER=bench  runs lab/bench instead of lab/tests
#   LAB_ACCEL=tcg  emulates even where KVM works
set -euo pipefail
. "$(dirname "$0")/boot.sh"
prefix=$1
shift
tests=$lab/${LAB_FOLDER:-tests}
began=$SECONDS
mkdir -p "$build/logs"
image=$("$lab/image.sh" "$build")

work=$(mktemp -d "${TMPDIR:-/tmp}/xenith-lab.XXXXXX")
machine=
trap '[ -z "$machine" ] || kill "$machine" 2> /dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
overlay "$work" "$prefix"
run=$work/run.squashfs

# header TEST WORD DEFAULT: what the line `# WORD: ...` at the top of a test says.
header() { sed -n -e '1,10s/^# '"$2"': *//p' "$tests/$1.sh" | grep . || echo "$3"; }

# One folder for each boot, with the orders for it, in the order in which they are booted.
[ $# -gt 0 ] || set -- $(cd "$tests" && ls -- *.sh | sed 's/\.sh$//')
left=0
if [ -n "${LAB_SHORT:-}" ]; then
  for test in "$@"; do
    shift
    if [ -n "$(header "$test" long '')" ]; then left=$((left + 1)); else set -- "$@" "$test"; fi
  done
fi
for test in "$@"; do
  [ -e "$tests/$test.sh" ] || { echo "lab: there is no $tests/$test.sh" >&2; exit 2; }
  kind=$(header "$test" boot main)
  case $kind in
    main) boot=$work/boots/1-main ;;
    libvirt) boot=$work/boots/2-libvirt ;;
    alone) boot=$work/boots/3-$test ;;
    *) echo "lab: $test asks for the boot '$kind', which nobody knows" >&2; exit 2 ;;
  esac
  mkdir -p "$boot"
  [ -e "$boot/orders" ] || echo "boot $kind" > "$boot/orders"
  echo "test $test $(header "$test" limit 300)" >> "$boot/orders"
done

# tell WORD NAME [SECONDS] [REASON]: one test's line; kept for the end.
tell() {
  echo "$1 $2" >> "$work/results"
  printf '%-7s %-28s %5s s%s\n' "$1" "$2" "${3:--}" "${4:+   ($4)}"
}

# one BOOT: boots, follows the report, and says what became of each test.
one() {
  local boot=$1 kind line rest='' part running='' deadline alive=1 output name limit log
  kind=$(sed -n 's/^boot //p' "$boot/orders")
  log=$build/logs/console-$(basename "$boot").log
  mkfifo "$boot/report"
  exec 8<> "$boot/report"
  (qemu "$boot" "$kind" "file:$log") 8>&- < /dev/null 2> "$boot/stderr" &
  machine=$!
  deadline=$((SECONDS + 240))
  output=$boot/output
  : > "$output"
  while :; do
    if IFS= read -r -t 1 part <&8; then
      line=$rest$part
      rest=
    else
      rest=$rest$part
      # What was written before the end is still to be read.
      [ $alive = 1 ] || break
      if [ $SECONDS -ge $deadline ]; then kill -9 "$machine"; fi
      kill -0 "$machine" 2> /dev/null || alive=0
      continue
    fi
    case $line in
      'test '*)
        running=${line#test }
        limit=$(sed -n "s/^test $running //p" "$boot/orders")
        # The limit is dom0's to keep; this is for a dom0 that no longer can.
        deadline=$((SECONDS + limit + 150))
        : > "$output"
        ;;
      '| '*) echo "${line#| }" >> "$output" ;;
      'passed '* | 'failed '*)
        read -r part name limit rest <<< "$line"
        cp "$output" "$build/logs/$name.log"
        running=
        deadline=$((SECONDS + 150))
        if [ "$part" = passed ]; then tell ok "$name" "$limit"; else tell FAILED "$name" "$limit" "$rest"; fi
        rest=
        if [ "$part" = failed ] || [ -n "${LAB_VERBOSE:-}" ]; then sed 's/^/    /' "$output"; fi
        ;;
      end) break ;;
    esac
  done
  kill -9 "$machine" 2> /dev/null || true
  wait "$machine" 2> /dev/null || true
  machine=
  exec 8>&-

  while read -r _ name _; do
    grep -q " $name\$" "$work/results" 2> /dev/null && continue
    if [ "$name" = "$running" ]; then
      tell FAILED "$name" '' "the host died, or hung, in it"
      sed 's/^/    /' "$output"
    else
      tell FAILED "$name" '' "did not run: its host died, or did not come up"
    fi
    running=${running:-none}
  done < <(grep '^test ' "$boot/orders")
  if [ -n "$running" ]; then
    echo "lab: the end of the console of $(basename "$boot") ($log):"
    { cat "$boot/stderr"; tr -d '\r' < "$log" | tail -n 30; } | sed 's/^/    /'
  fi
}

: > "$work/results"
jobs=${LAB_JOBS:-1}
boots=$(ls "$work/boots" | wc -l)
echo "lab: Xen 4.17, $# tests in $boots boot$([ "$boots" = 1 ] || echo s) ($(accelerator)$([ "$jobs" = 1 ] || echo ", $jobs at once"))"
if [ "$jobs" = 1 ]; then
  for boot in "$work"/boots/*; do one "$boot"; done
else
  # Each boot's lines stay together.
  export -f
  for boot in "$work"/boots/*; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    (trap '[ -z "$machine" ] || kill "$machine" 2> /dev/null' EXIT; one "$boot" > "$boot/lines" 2>&1; cat "$boot/lines") &
  done
  wait
fi

passed=$(grep -c '^ok ' "$work/results" || true)
[ "$left" -eq 0 ] || echo "lab: $left long tests were left out; \`make lab\` runs them as well"
echo "lab: $passed passed, $(($# - passed)) failed   ($((SECONDS - began)) s)"
[ "$passed" -eq $# ]
