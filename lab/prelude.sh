# What a test may use. `set -e` is on: the first command that fails ends the test.

# start NAME pv|pvh|hvm MEMORY_MIB [CONFIG-LINE...]: starts a guest with xl, and returns as xl does.
# PV and PVH guests run guest-init; an HVM guest boots the disk of /boot/guest-disk.img, whose first sector says hello on the serial line.
start() {
  local name=$1 type=$2 memory=$3
  shift 3
  {
    printf 'name="%s"\ntype="%s"\nmemory=%s\nvcpus=1\n' "$name" "$type" "$memory"
    if [ "$type" = hvm ]; then
      cp --sparse=always /boot/guest-disk.img "/tmp/$name.img"
      printf 'vnc=1\nvncunused=1\nserial="file:/var/log/xen/console/guest-%s.log"\ndisk=["/tmp/%s.img,raw,hda,rw"]\n' "$name" "$name"
    else
      printf 'kernel="/boot/vmlinuz"\nramdisk="/boot/guest.gz"\nextra="console=hvc0 quiet mitigations=off"\n'
    fi
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi
  } > "/tmp/$name.cfg"
  xl create -q "/tmp/$name.cfg"
}

# guest NAME TYPE MEMORY_MIB [CONFIG-LINE...]: the same, and waits until the guest has spoken.
guest() {
  rm -f "/var/log/xen/console/guest-$1.log"
  start "$@"
  says "$1" 'guest up'
}

# says NAME TEXT [SECONDS]: waits until the guest's console shows it.
says() {
  until_true "${3:-90}" grep -qF -- "$2" "/var/log/xen/console/guest-$1.log" 2> /dev/null || { tail -n 30 "/var/log/xen/console/guest-$1.log"; return 1; }
}

# domu_run SCRIPT: runs a shell script in a PVH guest that has the command and the library; prints what its console showed, and returns its status.
domu_run() {
  local folder=/tmp/domu log=/var/log/xen/console/guest-domu.log
  rm -rf $folder $log
  mkdir -p $folder/root
  cp "$1" $folder/root/script
  chmod 755 $folder/root/script
  (cd $folder/root && echo script | cpio -o -H newc 2> /dev/null) > $folder/script.cpio
  # xl would unpack the first of several archives, and complain of the next.
  { zcat /boot/guest.gz /lab/domu.gz; cat $folder/script.cpio; } > $folder/initrd
  start domu pvh 256 "ramdisk=\"$folder/initrd\"" 'on_poweroff="destroy"'
  says domu 'script ended:' 400 || return 1
  tr -d '\r' < $log | sed -n '/^script begins$/,/^script ended:/p' | sed '1d;$d'
  return "$(tr -d '\r' < $log | sed -n 's/^script ended: //p')"
}

# has FILE WORD...: each word stands in the file, which is shown when one does not.
has() {
  local file=$1 word
  shift
  for word in "$@"; do
    grep -qF -- "$word" "$file" || { echo "no '$word' in:"; cat "$file"; return 1; }
  done
}

# not COMMAND...: it fails. A plain `! COMMAND` never ends a test: `set -e` does not look at what is negated.
not() { ! "$@"; }

# until_true SECONDS COMMAND...: waits until the command succeeds.
until_true() {
  local end=$((SECONDS + $1))
  shift
  while ! "$@"; do
    [ $SECONDS -lt $end ] || { echo "still not so: $*"; return 1; }
    sleep 0.2
  done
}

# gone NAME: no domain has that name.
gone() { ! xl domid "$1" > /dev/null 2>&1; }

# clean: what the runner does after each test, so that the next one finds a fresh host. Fails when a domain cannot be got rid of.
clean() {
  local id
  for id in $(xl list | awk 'NR > 1 && $2 > 0 { print $2 }'); do xl destroy "$id" > /dev/null 2>&1; done
  pkill -f '^(xl|xenith|qemu-system|/usr/libexec/xen-qemu)' 2> /dev/null
  # The deepest first.
  awk '$2 ~ "^/(tmp|mnt)/" { print $2 }' /proc/mounts | tac | xargs -r umount -l
  losetup -D
  if [ -n "$(find /etc/xen -newer /run/lab/restored -print -quit)" ]; then
    rm -rf /etc/xen
    cp -a /run/lab/etc-xen /etc/xen
    touch /run/lab/restored
  fi
  rm -rf /tmp/* /var/log/xen/*.log /var/log/xen/console/*
  # What libxl keeps of Domain-0 stays: without it `xl list -l` leaves that one out.
  find /var/lib/xen -mindepth 1 -maxdepth 1 ! -name 'userdata-?.0.*' -exec rm -rf {} +
  for id in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(xl list | wc -l)" -gt 2 ] || return 0
    sleep 0.5
  done
  echo "left behind:"
  xl list
  return 1
}

# xml NAME MEMORY_KIB [DEVICE...]: prints domain XML of a PV guest that runs guest-init.
xml() {
  local name=$1 memory=$2
  shift 2
  printf "<domain type='xen'><name>%s</name><memory>%s</memory><vcpu>1</vcpu>" "$name" "$memory"
  printf "<os><type>linux</type><kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=hvc0 quiet mitigations=off</cmdline></os>"
  printf '<devices>%s</devices></domain>\n' "$*"
}

# fails STATUS SECONDS COMMAND...: it ends with this status, in time; what it said is in /tmp/own/said, which is shown when it does not.
fails() {
  local want=$1 limit=$2 status=0
  shift 2
  mkdir -p /tmp/own
  timeout -k 5 "$limit" "$@" > /tmp/own/said 2>&1 || status=$?
  [ $status = "$want" ] || { echo "status $status instead of $want: $*"; cat /tmp/own/said; return 1; }
}

# traces: prints what a domain leaves on a host, to compare it before and after. /tmp/own is the test's own; /run/xen-hotplug has locks of
# xl's scripts, which stay.
traces() {
  xl list | awk '{ print $1, $2 }'
  xenstore-ls -f | sed -n 's/ = .*//; \,^/\(libxl\|vm\|local/domain\)/,p' | sort
  losetup -a
  find /tmp /run /var/lib/xen \( -path /tmp/own -o -path /run/lab -o -path /run/xen-hotplug \) -prune -o -print | sort
  ps -o args | grep -E '^(\S*/)?(xl|qemu\S*|xenith\S*) ' || true
}

# nothing_left: the traces are those in /tmp/own/before; what is more or less is shown.
nothing_left() {
  traces > /tmp/own/after
  diff /tmp/own/before /tmp/own/after > /tmp/own/diff || { head -n 40 /tmp/own/diff; return 1; }
}
