# Domains that are odd: without a name, unknown to xenstore, zombies, numbers used again. Each is listed sanely and breaks nothing.
# long: yes
# limit: 600
said=/tmp/own/said
own=/tmp/own
mkdir -p $own
start pv1 pv 128
# A connection that sees all of it, and never fails.
cat > $own/watch.py <<'END'
import sys, time, xenith
with xenith.open("xen:///") as host:
    while True:
        seen = sorted((row.info.id, row.name) for row in host.domains(inactive=False))
        open(sys.argv[1] + ".new", "w").write(repr(seen) + "\n")
        import os
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(0.2)
END
python3 $own/watch.py $own/seen 2> $own/watch.err & watcher=$!
sees() { grep -qF -- "$1" $own/seen 2> /dev/null; }
until_true 60 sees pv1

# row ID: what `list` shows for that domain: name and state, in one blank.
row() { timeout 30 xenith list | awk -v id="$1" '$1 == id { $1 = ""; sub(/^ /, ""); print }'; }

echo "without a name"
id=$(xl domid pv1)
uuid=$(timeout 30 xenith domuuid pv1)
xenstore-rm /local/domain/$id/name
until_true 30 sees "($id, None)"
row $id
[ "$(timeout 30 xenith domuuid $id)" = "$uuid" ]
[ "$(timeout 30 xenith domid $uuid)" = $id ]
fails 3 30 xenith domname $id
has $said "no name"
fails 3 30 xenith domid pv1
timeout 30 xenith dominfo $id > $own/o
timeout 60 xenith doctor > $own/o
has $own/o "domain $id ($uuid) has no name"
timeout 60 xenith dumpxml $id > $own/o 2>&1 || true
echo "its XML: $(head -n 3 $own/o)"
xenstore-write /local/domain/$id/name pv1
until_true 30 sees "($id, 'pv1')"

echo "a name that is none"
for name in '' 'a/b' "$(printf 'a\033[31mb')" "$(head -c 400 /dev/zero | tr '\0' n)"; do
  xenstore-write /local/domain/$id/name "$name"
  until_true 30 sees "($id, None)"
  timeout 30 xenith list > $own/o
  [ "$(wc -c < $own/o)" -lt 1000 ]
  not grep -q "$(printf '\033')" $own/o
  xenstore-write /local/domain/$id/name pv1
  until_true 30 sees "($id, 'pv1')"
done

echo "two of one name"
start pv2 pv 128
other=$(xl domid pv2)
xenstore-write /local/domain/$other/name pv1
until_true 30 sees "($other, 'pv1')"
[ "$(timeout 30 xenith domid pv1)" = $other ]
xenstore-write /local/domain/$other/name pv2
[ "$(timeout 30 xenith domid pv1)" = $id ]

echo "unknown to xenstore"
raw=$(/lab/bin/peer-odd create 11111111-2222-4333-8444-555555555555)
until_true 30 sees "($raw, None)"
row $raw
[ "$(timeout 30 xenith domid 11111111-2222-4333-8444-555555555555)" = "$raw" ]
timeout 30 xenith dominfo $raw > $own/o
has $own/o "11111111-2222-4333-8444-555555555555"
timeout 30 xenith domstate $raw
timeout 60 xenith doctor > $own/o
has $own/o "domain $raw (11111111"
for verb in dumpxml shutdown reboot; do
  status=0
  timeout 100 xenith --timeout 20 $verb $raw > $own/o 2>&1 || status=$?
  echo "$verb of it: status $status: $(head -c 600 $own/o)"
  [ $status != 0 ] && [ $status != 124 ]
done
fails 1 60 xenith save $raw $own/saved
cat $said
[ ! -e $own/saved ]
timeout 60 xenith suspend $raw
timeout 60 xenith destroy $raw
until_true 30 test -z "$(row $raw)"

echo "a number used again"
/lab/bin/peer-odd create 11111111-2222-4333-8444-555555555555 700 > /dev/null
xenstore-write /local/domain/700/name first
until_true 30 sees "(700, 'first')"
/lab/bin/peer-odd destroy 700
/lab/bin/peer-odd create 22222222-2222-4333-8444-555555555555 700 > /dev/null
# xenstored was never told, so the name that is there is what both of them have.
until_true 30 timeout 30 xenith domid 22222222-2222-4333-8444-555555555555
fails 3 30 xenith domid 11111111-2222-4333-8444-555555555555
xenstore-write /local/domain/700/name second
until_true 30 sees "(700, 'second')"
[ "$(timeout 30 xenith domname 700)" = second ]
/lab/bin/peer-odd destroy 700
xenstore-rm /local/domain/700
gone_id() { ! sees "($1, "; }
until_true 30 gone_id 700

echo "without a uuid"
raw=$(/lab/bin/peer-odd create 00000000-0000-0000-0000-000000000000)
until_true 30 sees "($raw, None)"
timeout 30 xenith dominfo $raw > $own/o
has $own/o "00000000-0000-0000-0000-000000000000"
timeout 60 xenith doctor > $own/o
timeout 60 xenith destroy $raw
until_true 30 gone_id $raw

echo "a zombie"
/lab/bin/peer-odd hold $other > $own/held & holder=$!
until_true 20 grep -q held $own/held
timeout 60 xenith -v destroy $other > $own/o 2>&1
cat $own/o
xl list
row $other
[ "$(row $other | awk '{ print $NF }')" != running ]
timeout 30 xenith dominfo $other > $own/o
cat $own/o
timeout 60 xenith doctor > $own/o
has $own/o "domain $other is being torn down"
# Its name is free for its next life.
start pv2 pv 128
[ "$(timeout 30 xenith domid pv2)" = "$(xl domid pv2)" ]
timeout 60 xenith destroy $other > $own/o 2>&1 || true
echo "destroyed once more: $(cat $own/o)"
kill $holder
until_true 30 gone_id $other

echo "one that dies between two steps"
timeout 60 python3 - <<'END'
import subprocess, xenith
with xenith.open("xen:///") as host:
    domain = host.lookup_by_name("pv2")
    subprocess.run(["xl", "destroy", "pv2"], check=True)
    for step in ("info", "state", "xml", "name", "suspend", "shutdown", "destroy"):
        try:
            found = getattr(domain, step)
            found() if callable(found) else found
            raise SystemExit(step + " answered for a domain that is gone")
        except xenith.XenithError as error:
            print(step, "->", type(error).__name__, error)
    assert "pv2" not in [row.name for row in host.domains(inactive=False)]
END

echo "half made, and left"
xml half 131072 > $own/half.xml
timeout 200 xenith create --paused $own/half.xml
id=$(xl domid half)
pkill -9 -f '^\S*xl create.*half' || pkill -9 -f 'xl create -p' || true
xenstore-rm /local/domain/$id/name
until_true 30 sees "($id, None)"
row $id
timeout 60 xenith destroy $id
until_true 30 gone_id $id
kill -0 $watcher || { cat $own/watch.err; false; }
kill $watcher
