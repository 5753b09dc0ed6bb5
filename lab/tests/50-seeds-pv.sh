# The seed guests of the classic driver's documentation that are paravirtualized, and a PVH guest: created from domain XML through the C ABI,
# adapted in paths and sizes only.
# limit: 900
act=/lab/bin/act

cp --sparse=always /boot/guest-disk.img /tmp/disk.img
adapt() {
  sed -e 's|/var/lib/xen/install/vmlinuz-fedora8-x86_64|/boot/vmlinuz|; s|/var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64|/boot/guest.gz|' \
    -e 's|/var/lib/xen/images/fc4.img|/tmp/disk.img|' "$1"
}

# PV, kernel and initrd: reaches its init, with a disk, a network device and a screen (which the guest takes for its console from then on).
adapt /lab/data/pv-direct-kernel.xml > /tmp/pv.xml
id=$($act create /tmp/pv.xml)
says fc8 "Run /init as init process" 240
says fc8 "kickstart=http://example.com/myguest.ks" 240
[ "$(xl domid fc8)" = "$id" ]
[ -e "/sys/class/net/xenbr0/brif/vif$id.0" ]
$act xml fc8 > /tmp/o
has /tmp/o "<domain type='xen' id='$id'>" "<source file='/tmp/disk.img'/>" "<target dev='vif$id.0'/>" "<mac address='aa:00:00:00:00:11'/>" "tty='/dev/pts/" "<graphics type='vnc' port='5900'"
[ "$(xenith domstate fc8)" != paused ]

# Its life: paused, going on, shut down as it answers.
$act suspend fc8
[ "$(xenith domstate fc8)" = paused ]
$act resume fc8
[ "$(xenith domstate fc8)" != paused ]
listens() { [ "$(xenstore-read "/local/domain/$($act id "$1")/control/feature-poweroff")" = 1 ]; }
until_true 200 listens fc8
$act shutdown fc8
until_true 240 gone fc8
if $act state fc8 2> /tmp/o; then echo "still there"; exit 1; fi
has /tmp/o "status 40"

# PV, found on its disk by pygrub.
adapt /lab/data/pv-bootloader.xml > /tmp/grub.xml
$act create /tmp/grub.xml
says fc8 "guest up: xen" 240
$act destroy fc8
gone fc8

# PVH.
sed -e "s|<type>linux</type>|<type arch='x86_64' machine='xenpvh'>xenpvh</type>|; /graphics/d; s|sda1|xvda|; s|<cmdline>|<cmdline>console=hvc0|" /tmp/pv.xml > /tmp/pvh.xml
$act create-paused /tmp/pvh.xml
[ "$(xenith domstate fc8)" = paused ]
$act resume fc8
says fc8 "guest up: xen" 240
$act xml fc8 > /tmp/o
has /tmp/o "xenpvh"
$act destroy fc8
gone fc8
not grep -q vif <(ls /sys/class/net/xenbr0/brif/)
