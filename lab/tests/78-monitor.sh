# A monitor of our own in the place of one that was killed, to its end: reboot, poweroff, and destroy by others.
# long: yes
# limit: 900
said=/tmp/own/said
own=/tmp/own
mkdir -p $own
xml web 98304 > $own/web.xml
log=/var/log/xen/console/guest-web.log
ups() { [ "$(grep -c 'guest up' $log)" -ge "$1" ]; }
ready() { [ "$(xenstore-read "/local/domain/$(xl domid web)/control/feature-poweroff" 2> /dev/null)" = 1 ]; }
# lost: xl's monitor of it is killed.
lost() {
  until_true 100 ready
  kill -9 $(pgrep -f '^\S*xl (create|restore) ')
  timeout 30 xenith domstate --reason web > $own/o
  has $own/o "monitor: missing" "xenith monitor --detach web"
  timeout 60 xenith doctor > $own/o
  has $own/o "has no monitor"
}
minded() { timeout 30 xenith domstate --reason web > $own/o && ! grep -q monitor $own/o; }
none_of_ours() { ! pgrep -f '^(/usr/bin/)?xenith.* monitor' > /dev/null && [ -z "$(ls -A /run/xenith 2> /dev/null)" ]; }
rm -f $log
timeout 240 xenith create $own/web.xml
until_true 200 ups 1

echo "reboot"
lost
timeout 60 xenith monitor --detach web
minded
fails 5 30 xenith monitor web
has $said "has a monitor already"
first=$(xl domid web)
uuid=$(timeout 30 xenith domuuid web)
timeout 100 xenith reboot web
until_true 200 ups 2
second=$(xl domid web)
[ "$second" -gt "$first" ]
[ "$(timeout 30 xenith domuuid web)" = "$uuid" ]
# The new life has xl's own monitor, and ours has gone.
pgrep -fa 'xl create'
until_true 60 none_of_ours
minded

echo "destroy by others"
lost
timeout 60 xenith monitor --detach web
xl destroy web
until_true 60 none_of_ours
gone web
traces > $own/after
cat $own/after | grep -v '^/lib' | head -40

echo "poweroff"
rm -f $log
timeout 240 xenith create $own/web.xml
until_true 200 ups 1
lost
xenith monitor web > $own/monitor 2>&1 & monitor=$!
until_true 60 minded
timeout 100 xenith shutdown web
until_true 200 gone web
wait $monitor
has $own/monitor "is gone"
until_true 60 none_of_ours

echo "a save that fails"
mkdir -p /tmp/small
mount -t tmpfs -o size=8m small /tmp/small
rm -f $log
timeout 240 xenith create $own/web.xml
until_true 200 ups 1
until_true 100 ready
fails 1 200 xenith save web /tmp/small/web.save
cat $said
has $said "No space left on device" "goes on"
[ ! -e /tmp/small/web.save ]
umount /tmp/small
# It goes on, and somebody minds it: on reboot it begins again.
until_true 60 minded
pgrep -fa 'xl create|xenith' || true
timeout 100 xenith reboot web
until_true 200 ups 2
minded
