# xenstored dies in the middle of calls: none hangs, each says what is wrong, and a new one with an empty store is lived with.
# long: yes
# boot: alone
# limit: 900
said=/tmp/own/said
own=/tmp/own
mkdir -p $own
xml web 98304 > $own/web.xml
xml later 98304 > $own/later.xml
timeout 240 xenith create $own/web.xml
id=$(xl domid web)
uuid=$(timeout 30 xenith domuuid web)

# Connections that were open before: one lists all the time, one is used afterwards.
cat > $own/watch.py <<'END'
import os, sys, time, xenith
lines = []
with xenith.open("xen:///", timeout=5, log=lambda level, line: lines.append(line)) as host:
    while True:
        begun = time.monotonic()
        seen = sorted((row.info.id, row.name) for row in host.domains(inactive=False))
        took = time.monotonic() - begun
        assert took < 20, took
        open(sys.argv[1] + ".new", "w").write(repr(seen) + "\n")
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(0.2)
END
python3 $own/watch.py $own/seen 2> $own/watch.err & watcher=$!
sees() { grep -qF -- "$1" $own/seen 2> /dev/null; }
until_true 60 sees "($id, 'web')"

# It stops answering, with calls under way, and is killed then: all calls end by their deadline, or soon after the kill.
daemon=$(cat /run/xenstored.pid)
(status=0; timeout 150 xenith --timeout 40 create $own/later.xml > $own/call.create 2>&1 || status=$?; echo "create: status $status" > $own/end.create) &
# The first domain has a monitor of that kind as well.
two() { [ "$(pgrep -f '^\S*xl create /proc/self/fd/3' | wc -l)" = 2 ]; }
until_true 100 two
sleep 0.3
kill -STOP $daemon
begun=$SECONDS
calls='list|list --all|domid web|dumpxml '$id'|shutdown '$id'|dominfo '$id'|doctor'
n=0
IFS='|'
for call in $calls; do
  n=$((n + 1))
  (IFS=' '; status=0; timeout 100 xenith --timeout 6 $call > $own/call.$n 2>&1 || status=$?; echo "$call: status $status after $((SECONDS - begun)) s" > $own/end.$n) &
done
unset IFS
# The fast ones are done while it is still stopped: list has rows without names.
until_true 60 test -s $own/end.1
has $own/end.1 "status 0"
sleep 2
kill -9 $daemon
ended() { [ "$(ls $own/end.* | wc -l)" = 8 ]; }
until_true 100 ended
for end in $own/end.*; do
  cat $end
  head -c 700 $own/call.${end##*.} | sed 's/^/      /'
  not grep -qE "status (124|137)" $end
done
sleep 1
echo "after the kill:"
timeout 10 xl list 2>&1 | head -5 || true
pgrep -fa 'xl |xenith' || true
until_true 60 sees "($id, None)"
kill -0 $watcher || { cat $own/watch.err; false; }

# Without a daemon: rows without names, and errors that say so.
timeout 30 xenith list > $own/o
has $own/o running
fails 4 30 xenith domid web
has $said "xenstored"
[ "$(timeout 30 xenith domid $uuid)" = $id ]
timeout 30 xenith dominfo $id > $own/o
has $own/o "$uuid"
for call in "dumpxml $id" "shutdown $id" "create $own/later.xml"; do
  status=0
  begun=$SECONDS
  timeout 150 xenith --timeout 15 $call > $own/o 2>&1 || status=$?
  echo "$call: status $status after $((SECONDS - begun)) s: $(head -c 700 $own/o)"
  [ $status != 0 ] && [ $status != 124 ]
  [ $((SECONDS - begun)) -lt 90 ]
done
timeout 60 xenith doctor > $own/o || true
grep -A20 Problems $own/o
has $own/o "xenstored"
timeout 30 xenith suspend $id
[ "$(timeout 30 xenith domstate $id | head -n 1)" = paused ]

# A new daemon with an empty store. The host's own start makes dom0's nodes again; those of the guest are gone.
rm -f /run/xenstored.pid /var/lib/xenstored/*
xenstored --pid-file /run/xenstored.pid
until_true 30 timeout 5 xenstore-exists /
echo "new store: $(timeout 10 xenstore-ls -f | wc -l) nodes"
timeout 30 xen-init-dom0 > $own/o 2>&1 || true
cat $own/o
until_true 60 sees "(0, 'Domain-0')"
until_true 60 sees "($id, None)"
kill -0 $watcher || { cat $own/watch.err; false; }
timeout 30 xenith list > $own/o
cat $own/o
has $own/o Domain-0
fails 3 30 xenith domid web
cat $said
[ "$(timeout 30 xenith domname 0)" = Domain-0 ]
timeout 60 xenith doctor > $own/o || true
grep -A20 Problems $own/o
has $own/o "domain $id ($uuid) has no name"
for call in "dumpxml $id" "shutdown $id" "resume $id"; do
  status=0
  begun=$SECONDS
  timeout 150 xenith --timeout 15 $call > $own/o 2>&1 || status=$?
  echo "$call: status $status after $((SECONDS - begun)) s: $(head -c 700 $own/o)"
  [ $status != 124 ]
  [ $((SECONDS - begun)) -lt 90 ]
done
timeout 120 xenith --timeout 60 destroy $id > $own/o 2>&1 || true
echo "destroy: $(cat $own/o)"
timeout 20 xl list
status=0
timeout 200 xenith --timeout 90 create $own/later.xml > $own/o 2>&1 || status=$?
echo "create: status $status: $(head -c 900 $own/o)"
timeout 30 xenith list
kill $watcher
