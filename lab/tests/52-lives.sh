# The lives of a domain that was created through the C ABI: reboot after the caller was killed, save, restore, and a monitor that is set up again.
# limit: 900
act=/lab/bin/act
sed -e "s|/var/lib/xen/install/vmlinuz-fedora8-x86_64|/boot/vmlinuz|; s|/var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64|/boot/guest.gz|" \
  -e '/<disk/,/<\/disk>/d; /<interface/,/<\/interface>/d; /graphics/d' /lab/data/pv-direct-kernel.xml > /tmp/pv.xml
ups() { [ "$(grep -c 'guest up' /var/log/xen/console/guest-fc8.log)" -ge "$1" ]; }
listens() { [ "$(xenstore-read "/local/domain/$($act id fc8)/control/feature-poweroff")" = 1 ]; }

# The caller is killed, with everything that runs in its session and control group, as the end of a service does it.
mkdir -p /sys/fs/cgroup/service
setsid sh -c 'echo $$ > /sys/fs/cgroup/service/cgroup.procs; exec /lab/bin/act create-and-wait /tmp/pv.xml' > /tmp/id &
until_true 200 test -s /tmp/id
first=$(cat /tmp/id)
until_true 240 ups 1
kill -9 $!
until_true 200 listens
xenith domstate --reason fc8 > /tmp/o
not grep -q missing /tmp/o
$act reboot fc8
until_true 240 ups 2
second=$($act id fc8)
[ "$second" -gt "$first" ]

# Saved, it is gone; restored, it goes on where it was.
until_true 200 listens
$act save fc8 /tmp/fc8.save
gone fc8
test -s /tmp/fc8.save
third=$($act restore /tmp/fc8.save)
[ "$third" -gt "$second" ]
sleep 1
[ "$(xenith domstate fc8)" != paused ]
ups 2
not ups 3
# (A restored guest does not say again that it listens; it does.)

# Without its monitor nobody would act on a reboot: that is said, and mended.
pkill -9 -x xl
xenith domstate --reason fc8 > /tmp/o
has /tmp/o "monitor"
xenith doctor > /tmp/o 2>&1 || true
has /tmp/o "fc8" "monitor"
$act monitor fc8
xenith domstate --reason fc8 > /tmp/o
not grep -q missing /tmp/o
$act reboot fc8
until_true 240 ups 3
until_true 200 listens
$act shutdown fc8
until_true 240 gone fc8
