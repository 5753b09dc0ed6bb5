# The seed guests that are fully virtualized: created from domain XML through the C ABI, adapted in paths and sizes only.
# limit: 900
act=/lab/bin/act

cp --sparse=always /boot/guest-disk.img /tmp/disk.img
truncate -s 1M /tmp/cd.iso
truncate -s 1440K /tmp/fd.img
adapt() {
  sed -e 's|/var/lib/xen/install/vmlinuz-fedora8-x86_64|/boot/vmlinuz|; s|/var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64|/boot/guest.gz|' \
    -e 's|/var/lib/xen/images/fv0|/tmp/disk.img|; s|/var/lib/xen/images/fc5-x86_64-boot.iso|/tmp/cd.iso|; s|/root/fd.img|/tmp/fd.img|' \
    -e 's|<memory>524288<|<memory>131072<|' "$1"
}
listening() { grep -qi ":$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp; }

# BIOS: the firmware starts, the first sector of the disk speaks on the serial line, VNC listens where the XML says.
adapt /lab/data/hvm-bios.xml | sed "s|<graphics|<serial type='pty'/><graphics|" > /tmp/hvm.xml
id=$($act create /tmp/hvm.xml) || { cat /var/log/xen/qemu-dm-fv0.log; exit 1; }
listening 5904
$act xml fv0 > /tmp/o
has /tmp/o "<domain type='xen' id='$id'>" "hvm</type>" "<graphics type='vnc' port='5904'" "<target dev='hda'" "<target dev='hdc'" "<serial type='pty'>" "<source path='/dev/pts/"
tty=$(sed -n "s|.*<source path='\(/dev/pts/[0-9]*\)'/>.*|\1|p" /tmp/o | head -n 1)
grep -m 1 -q "guest up: firmware" /var/log/xen/console/guest-fv0.log 2> /dev/null || timeout 240 grep -m 1 -q "guest up: firmware" "$tty"
[ "$(xenith domstate fv0)" != paused ]
$act suspend fv0
[ "$(xenith domstate fv0)" = paused ]
$act resume fv0
[ "$(xenith domstate fv0)" != paused ]
$act destroy fv0
gone fv0
not listening 5904

# A kernel of the host's.
adapt /lab/data/hvm-direct-kernel.xml | sed "s|/boot/vmlinuz|/boot/bzImage|; s|</cmdline>|console=ttyS0 </cmdline>|; s|<graphics|<serial type='file'><source path='/tmp/serial'/></serial><graphics|" > /tmp/kernel.xml
$act create /tmp/kernel.xml || { cat /var/log/xen/qemu-dm-fv0.log; exit 1; }
until_true 240 grep -q "guest up: xen" /tmp/serial || { tail /tmp/serial; exit 1; }
grep -q "kickstart=http://example.com/myguest.ks" /tmp/serial
$act destroy fv0
gone fv0
