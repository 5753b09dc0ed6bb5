# xl that hangs, and callers that are killed: calls end near their deadline, and no half-made domain stays.
# long: yes
# limit: 1200
said=/tmp/own/said
mkdir -p /tmp/own
uuid=4dea22b3-1d52-d8f3-2516-782e98ab3f71
named() { xml web 98304 "$@" | sed "s|<memory>|<uuid>$uuid</uuid>&|"; }
named > /tmp/own/web.xml
truncate -s 1M /tmp/own/disk.img
named "<disk type='file' device='disk'><driver name='phy'/><source file='/tmp/own/disk.img'/><target dev='xvda' bus='xen'/></disk>" > /tmp/own/disk.xml

# Stand-ins that never end: one that can be asked to, and one that has to be killed.
printf '#!/bin/bash\nexec sleep 8642\n' > /tmp/own/hangs
printf '#!/bin/bash\ntrap "" TERM HUP\nwhile :; do sleep 8643; done\n' > /tmp/own/stubborn
chmod 755 /tmp/own/hangs /tmp/own/stubborn
for xl in hangs stubborn; do
  begun=$SECONDS
  fails 6 60 xenith --timeout 2 -c "xen:///?xl=/tmp/own/$xl" create /tmp/own/web.xml
  has $said "deadline" xl
  [ $((SECONDS - begun)) -lt 30 ]
  not pgrep -f 'sleep 864'
  timeout 30 xenith -c "xen:///?xl=/tmp/own/$xl" list > /tmp/own/list
  has /tmp/own/list Domain-0
done

timeout 240 xenith create /tmp/own/disk.xml
timeout 120 xenith destroy web
traces > /tmp/own/before

# A real creation whose hotplug script hangs when it adds the disk.
mv /etc/xen/scripts/block /etc/xen/scripts/block.real
printf '#!/bin/bash\ncase $1 in add) exec sleep 8644 ;; esac\nexec /etc/xen/scripts/block.real "$@"\n' > /etc/xen/scripts/block
chmod 755 /etc/xen/scripts/block
begun=$SECONDS
fails 6 120 xenith --timeout 20 create /tmp/own/disk.xml
cat $said
[ $((SECONDS - begun)) -lt 90 ]
not pgrep -f 'sleep 8644'
nothing_left

# One that hangs when it takes the disk away as well: what could not be done is named.
printf '#!/bin/bash\nexec sleep 8644\n' > /etc/xen/scripts/block
begun=$SECONDS
fails 6 180 xenith --timeout 15 create /tmp/own/disk.xml
cat $said
[ $((SECONDS - begun)) -lt 120 ]
if xl list | grep -q web; then has $said "$uuid" "xl destroy"; fi
xl list
mv /etc/xen/scripts/block.real /etc/xen/scripts/block
for id in $(xl list | awk 'NR > 1 && $2 > 0 { print $2 }'); do timeout 120 xenith destroy $id; done
until_true 60 gone web
nothing_left

# The caller is killed at several moments: the domain comes up whole, or there is none. Either way the name is free again after.
keepers() { pgrep -f xenith-keeper || ps -o comm | grep -q '^xenith-keeper'; }
none_busy() { ! keepers > /dev/null; }
for after in 0.05 0.4 1 2 4; do
  xenith create /tmp/own/web.xml > /tmp/own/o 2>&1 & caller=$!
  sleep $after
  kill -9 $caller 2> /dev/null || true
  wait $caller || true
  until_true 120 none_busy
  timeout 30 xenith list > /tmp/own/list
  if xl domid web > /dev/null 2>&1; then
    echo "killed after $after s: it runs"
    timeout 30 xenith domstate --reason web > /tmp/own/o
    has /tmp/own/o "run" || has /tmp/own/o "blocked" || has /tmp/own/o "idle"
    not grep -q monitor /tmp/own/o
    timeout 120 xenith destroy web
  else
    echo "killed after $after s: there is none"
  fi
  nothing_left
done

# xl itself is killed: the caller takes away what it left.
for after in 0.3 1.2 2.5; do
  rm -f /tmp/own/killed
  timeout 240 xenith create /tmp/own/web.xml > /tmp/own/o 2>&1 & caller=$!
  until_true 60 pgrep -f 'xl create /proc/self/fd/3' > /dev/null
  sleep $after
  kill -9 $(pgrep -f '^\S*xl create /proc/self/fd/3') || true
  status=0
  wait $caller || status=$?
  echo "xl killed after $after s: status $status: $(cat /tmp/own/o)"
  if [ $status = 0 ]; then
    # It was its monitor by then.
    timeout 120 xenith destroy web
  else
    has /tmp/own/o "signal 9"
  fi
  nothing_left
done

# All of them are killed: what is half made is listed, named by doctor, and can be destroyed.
mv /etc/xen/scripts/block /etc/xen/scripts/block.real
printf '#!/bin/bash\ncase $1 in add) exec sleep 8644 ;; esac\nexec /etc/xen/scripts/block.real "$@"\n' > /etc/xen/scripts/block
chmod 755 /etc/xen/scripts/block
xenith create /tmp/own/disk.xml > /tmp/own/o 2>&1 & caller=$!
until_true 120 pgrep -f 'sleep 8644' > /dev/null
kill -9 $caller $(pgrep -f 'xl create /proc/self/fd/3') $(pgrep -f 'sleep 8644') || true
wait $caller || true
mv /etc/xen/scripts/block.real /etc/xen/scripts/block
timeout 30 xenith list > /tmp/own/list
cat /tmp/own/list
id=$(xl list | awk 'NR > 1 && $2 > 0 { print $2 }')
timeout 30 xenith dominfo $uuid > /tmp/own/o
timeout 60 xenith doctor > /tmp/own/o
grep -A20 Problems /tmp/own/o
has /tmp/own/o "web" "$id" "half made"
timeout 120 xenith destroy "$uuid"
nothing_left
timeout 240 xenith create /tmp/own/disk.xml
