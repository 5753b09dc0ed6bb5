# xl that is not there, and xl that fails half way: each error says why in xl's own words, and nothing is left of the domain.
# long: yes
# limit: 900
said=/tmp/own/said
mkdir -p /tmp/own
xml web 98304 > /tmp/own/web.xml

# Not there: what was asked for, what is meant by it, and status as ever.
xl=$(command -v xl)
without() {
  timeout 30 xenith "$@" list > /tmp/own/list
  has /tmp/own/list Domain-0 running
  fails 7 30 xenith "$@" create /tmp/own/web.xml
  has $said "xl"
  timeout 30 xenith "$@" define /tmp/own/web.xml
  fails 7 30 xenith "$@" start web
  has $said "xl"
  timeout 30 xenith "$@" undefine web
  fails 7 30 xenith "$@" doctor
  has $said "nothing here can start a domain" "xl"
}
without -c 'xen:///?xl=/nonexistent'
has $said /nonexistent
hidden=
for file in /usr/sbin/xl /usr/lib/xen-*/bin/xl; do
  if [ -e "$file" ]; then mv "$file" "$file.away"; hidden="$hidden $file"; fi
done
trap 'for file in $hidden; do [ ! -e "$file.away" ] || mv "$file.away" "$file"; done' EXIT
without
has $said "install"
for file in $hidden; do mv "$file.away" "$file"; done
[ "$(command -v xl)" = "$xl" ]

# One life and end, so that what hosts keep for ever is there before the comparison.
timeout 240 xenith create /tmp/own/web.xml
timeout 120 xenith destroy web
traces > /tmp/own/before

# refused WHAT XML WORD...: creating it fails with these words.
refused() {
  local what=$1 text=$2
  shift 2
  echo "$text" > /tmp/own/bad.xml
  fails 1 240 xenith create /tmp/own/bad.xml
  echo "$what: $(cat $said)"
  has $said "$@"
  [ "$(wc -c < $said)" -lt 1500 ]
  nothing_left
}
disk() { echo "<disk type='file' device='disk'><driver name='phy'/><source file='$1'/><target dev='xvda' bus='xen'/></disk>"; }
refused "no memory" "$(xml web 8388608)" "memory"
refused "too little for the kernel" "$(xml web 65536)" "memory"
refused "missing kernel" "$(xml web 98304 | sed 's|/boot/vmlinuz|/boot/none|')" /boot/none
refused "missing ramdisk" "$(xml web 98304 | sed 's|/boot/guest.gz|/boot/none.gz|')" /boot/none.gz
refused "missing disk" "$(xml web 98304 "$(disk /tmp/own/none.img)")" /tmp/own/none.img
truncate -s 1M /tmp/own/kernel
refused "a kernel that is none" "$(xml web 98304 | sed 's|/boot/vmlinuz|/tmp/own/kernel|')" "kernel"
refused "missing bridge" "$(xml web 98304 "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='nobridge'/></interface>")" "nobridge"
refused "a disk without a system" "$(xml web 98304 "$(disk /tmp/own/kernel)" | sed 's|<os>.*</os>|<bootloader>pygrub</bootloader><os><type>linux</type></os>|')" "bootloader"

# What failed can be created once the cause is gone; its name is taken then, before xl is asked.
timeout 240 xenith create /tmp/own/web.xml
fails 5 60 xenith create /tmp/own/web.xml
has $said "web"
[ "$(xl list | wc -l)" = 3 ]
