# A guest that fills its own nodes in xenstore with rubbish, and floods them: what we tell stays sane and short, and costs no more.
# long: yes
# limit: 900
own=/tmp/own
mkdir -p $own/root
truncate -s 1M $own/disk.img

# From inside: a guest that writes as much as it may to each node that it may, and then floods its own subtree for ever.
cat > $own/root/script <<'END'
#!/bin/busybox sh
bus=/dev/xen/xenbus
[ -e $bus ] || bus=/proc/xen/xenbus
exec 3<> $bus
# Answers are thrown away, so that the next requests are taken.
cat <&3 > /dev/null &
rubbish=
while [ ${#rubbish} -lt 3900 ]; do rubbish="$rubbish<x a='&'>%s%n\$(id);\"../../"; done
octal() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) 0 0; }
# write PATH VALUE: XS_WRITE, request 0, transaction 0.
write() {
  length=$((${#1} + 1 + ${#2}))
  printf "\\013\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000$(octal $length)%s\\000%s" "$1" "$2" >&3
}
# xenstored refuses a guest's nodes of more than 2048 bytes.
long=$(printf '%.1800s' "$rubbish")
for node in name vm domid console/vnc-port console/tty device/vbd/51712/backend device/vbd/51712/state device/vbd/51712/backend-id device/vif/0/backend device/vif/0/mac \
  control/shutdown control/feature-poweroff data/x attr/os/name error/device/vbd/51712/error memory/target image/device-model-fifo hvmloader/bios own; do
  write $node "$long"
done
for n in 1 2 3 4 5 6 7 8; do write "data/deep/$n/$(printf '%.200s' "$rubbish" | tr -cd a-z)/x" "$long"; done
echo "rubbish is written"
n=0
while :; do
  n=$((n + 1))
  write data/flood "$n"
  write attr/flood "$n"
  [ $((n % 100)) != 0 ] || echo "flooded $n"
done
END
chmod 755 $own/root/script
(cd $own/root && echo script | cpio -o -H newc 2> /dev/null) > $own/script.cpio
# xl would unpack the first of several archives, and complain of the next.
{ zcat /boot/guest.gz; cat $own/script.cpio; } > $own/initrd
rm -f /var/log/xen/console/guest-evil.log
start evil pvh 128 "ramdisk=\"$own/initrd\"" "disk=[\"$own/disk.img,raw,xvda,rw\"]" 'vif=["mac=00:16:3e:00:00:01,bridge=xenbr0"]'
says evil "rubbish is written" 200
id=$(xl domid evil)
uuid=$(timeout 30 xenith domuuid evil)
says evil "flooded 100" 200
xenstore-read /local/domain/$id/data/x /local/domain/$id/attr/os/name /local/domain/$id/device/vif/0/mac > $own/theirs
[ "$(grep -c "^<x a=" $own/theirs)" = 3 ] || { cut -c1-120 $own/theirs; false; }
xenstore-ls -f /local/domain/$id | cut -c1-120

# sane: everything that is told of it is short, in time, and of characters that can be shown.
sane() {
  local verb
  for verb in list "list --all" "dominfo evil" "domstate $id" "dumpxml evil" "domuuid evil" doctor; do
    timeout 60 xenith $verb > $own/o 2> $own/e || { echo "$verb: $(head -c 500 $own/e)"; return 1; }
    [ "$(cat $own/o $own/e | wc -c)" -lt 6000 ] || { echo "$verb: $(wc -c < $own/o)"; head -c 3000 $own/o; return 1; }
    [ "$(tr -d '\11\12\40-\176\200-\377' < $own/o | wc -c)" = 0 ]
    case $verb in list* | dumpxml*) has $own/o evil ;; esac
  done
  [ "$(timeout 30 xenith domname $id)" = evil ]
  timeout 60 xenith dumpxml evil > $own/xml
  has $own/xml "<name>evil</name>" "$uuid" "disk.img" "00:16:3e:00:00:01"
  not grep -q 'id);' $own/xml
  python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' $own/xml
  timeout 60 xenith --json list > $own/json
  python3 -c 'import sys, json; json.load(open(sys.argv[1]))' $own/json
}
sane
echo "sane while it floods"

# The flood is not heard: with one connection, lists at rest read nothing from xenstored, whatever the guest writes.
flooded() { grep -c flooded /var/log/xen/console/guest-evil.log; }
before=$(flooded)
cat > $own/lists.py <<'END'
import socket, sys, threading, time, xenith
# Between the library and xenstored stands this, and counts.
heard = {"asked": 0, "told": 0}
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[2])
door.listen()
def pass_on(source, sink, way):
    while data := source.recv(65536):
        heard[way] += len(data)
        sink.sendall(data)
def serve():
    while True:
        near = door.accept()[0]
        far = socket.socket(socket.AF_UNIX)
        far.connect("/run/xenstored/socket")
        threading.Thread(target=pass_on, args=(near, far, "asked"), daemon=True).start()
        threading.Thread(target=pass_on, args=(far, near, "told"), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
with xenith.open("xen:///?xenstore=" + sys.argv[2]) as host:
    host.domains(inactive=False)
    time.sleep(1)
    assert heard["told"] > 0
    before = dict(heard)
    for _ in range(200):
        rows = host.domains(inactive=False)
        assert [row.name for row in rows if row.info.id == int(sys.argv[1])] == ["evil"]
        time.sleep(0.02)
    print("before", before, "and after 200 lists", heard)
    assert heard == before, "the flood is heard"
END
more() { [ "$(flooded)" -gt "$1" ]; }
until_true 200 more "$before"
before=$(flooded)
timeout 200 python3 $own/lists.py $id $own/socket
until_true 200 more "$before"

# The same from dom0's side, where nothing stops it: every node that the guest owns or may write.
head -c 3000 /dev/urandom | base64 -w0 | head -c 3900 > $own/rubbish
xl pause evil
xenstore-ls -f -p /local/domain/$id | sed -n "s/^\(\S*\) = .*[(,]\([nwb]$id\).*/\1/p" | grep -v '/name$' > $own/nodes
wc -l < $own/nodes
while read -r node; do
  case $node in */shutdown) continue ;; esac
  xenstore-write "$node" "$(cat $own/rubbish)" || true
done < $own/nodes
sane
# The far ends of its devices are dom0's, but what if not.
timeout 120 xenith destroy evil
until_true 60 gone evil
timeout 30 xenith list > $own/o
not grep -q evil $own/o
