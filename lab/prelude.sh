# What a test may use; runs the test named by $1.

PV=/tmp/pv.cfg PVH=/tmp/pvh.cfg

# guest NAME TYPE MEMORY_MIB: starts one with xl, and waits until its init has spoken.
guest() {
  printf 'name="%s"\ntype="%s"\nkernel="/boot/vmlinuz"\nramdisk="/boot/guest.gz"\nmemory=%s\nvcpus=2\n' "$1" "$2" "$3" > "/tmp/$1.cfg"
  xl create -q "/tmp/$1.cfg"
}

# has FILE WORD...: each word stands in the file, which is shown when one does not.
has() {
  local file=$1 word
  shift
  for word in "$@"; do
    grep -qF -- "$word" "$file" || { echo "no '$word' in:"; cat "$file"; return 1; }
  done
}

# until SECONDS COMMAND...: waits until the command succeeds.
until_true() {
  local end=$((SECONDS + $1))
  shift
  while ! "$@"; do
    [ $SECONDS -lt $end ] || { echo "still not so: $*"; return 1; }
    sleep 0.2
  done
}

# A test leaves nothing behind for the next one.
clean() {
  local id
  for id in $(xl list | awk 'NR > 1 && $2 > 0 { print $2 }'); do xl destroy "$id" 2> /dev/null || true; done
}
trap clean EXIT

. "$1"
