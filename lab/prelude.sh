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
  (cd $folder/root && echo script | cpio -o -H newc 2> /dev/null | gzip -1) > $folder/script.gz
  cat /boot/guest.gz /lab/domu.gz $folder/script.gz > $folder/initrd
  start domu pvh 256 "ramdisk=\"$folder/initrd\"" 'on_poweroff="destroy"'
  says domu 'script ended:' 120
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
  rm -rf /tmp/* /var/lib/xen/* /var/log/xen/*.log /var/log/xen/console/*
  for id in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(xl list | wc -l)" -gt 2 ] || return 0
    sleep 0.5
  done
  echo "left behind:"
  xl list
  return 1
}
