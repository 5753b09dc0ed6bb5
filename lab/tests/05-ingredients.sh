# What dom0 is made of, each thing once.
# limit: 900
python3 -c 'import ctypes, hashlib, json, sqlite3, ssl, subprocess'
python3 -c '
import xenith
with xenith.open("xen:///") as host:
    assert [row.name for row in host.domains(inactive=False)] == ["Domain-0"]
'
# The C tests come along where they are built: `make lab` builds them.
[ ! -e /lab/bin/version ] || /lab/bin/version
[ "$(/lab/bin/peer-ioctl 0 | cut -d" " -f1)" = 0 ]
/lab/bin/peer-libxl > /tmp/o
has /tmp/o "Domain-0"
/usr/lib/xen-4.17/bin/pygrub --help > /tmp/o 2>&1 || true
has /tmp/o "pygrub"
/usr/lib/xen-4.17/bin/pygrub -l /boot/guest-disk.img > /tmp/o
has /tmp/o "guest"
[ -d /sys/class/net/xenbr0/bridge ]
grep -q cgroup2 /proc/mounts
[ "$(su nobody -s /bin/sh -c 'id -u')" = 65534 ]

# Each kind of guest. The device of the first is on the bridge.
guest pv1 pv 96 'vif=["mac=00:16:3e:00:00:01,bridge=xenbr0"]'
ls /sys/class/net/xenbr0/brif | grep -q '^vif'
xl destroy pv1
guest hvm1 hvm 64
xl destroy hvm1
guest pvh1 pvh 96
xl destroy pvh1

# One that a boot loader finds on its disk: pygrub, whose menu wants a terminal.
cp --sparse=always /boot/guest-disk.img /tmp/disk.img
printf 'name="grub1"\ntype="pv"\nmemory=96\nbootloader="pygrub"\ndisk=["/tmp/disk.img,raw,xvda,rw"]\n' > /tmp/grub1.cfg
xl create -q /tmp/grub1.cfg
says grub1 "guest up"
