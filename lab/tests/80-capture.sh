# A capture of this host: nothing in it names a guest, nothing is other than before, and it stands in for the host.
# limit: 600
# long: yes
mkdir -p /tmp/own
uuid=9a0df5b2-3c4d-4e5f-8a9b-0c1d2e3f4a5b
start zanzibar pv 128 "uuid=\"$uuid\"" 'vif=["bridge=xenbr0,mac=aa:bb:cc:dd:ee:07"]' 'disk=["/boot/guest-disk.img,raw,xvda,r"]'
start quokka pvh 128
start wombat hvm 128
says zanzibar 'guest up' 240
says quokka 'guest up' 240
cp /tmp/quokka.cfg /etc/xen/quokka-defined.cfg
sed -i 's/"quokka"/"quokka-defined"/' /etc/xen/quokka-defined.cfg
xenstore-write "/local/domain/$(xl domid zanzibar)/data/secret-of-bob" 'the password is swordfish'

xl list | awk '{ print $1, $2, $4 }' > /tmp/own/list.before
xenstore-ls -f | grep -v /meminfo > /tmp/own/store.before
xenith doctor --capture /tmp/own/host.jsonl > /tmp/o
cat /tmp/o
xl list | awk '{ print $1, $2, $4 }' > /tmp/own/list.after
xenstore-ls -f | grep -v /meminfo > /tmp/own/store.after
diff /tmp/own/list.before /tmp/own/list.after
diff /tmp/own/store.before /tmp/own/store.after
[ "$(stat -c %a /tmp/own/host.jsonl)" = 600 ]

hex=${uuid//-/}
others=$(xl list -v | awk 'NR > 1 { print $(NF - 2), $(NF - 1), $NF }' | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | grep -v '^00000000-0000-0000' | sort -u)
[ "$(echo "$others" | wc -l)" = 3 ]
for secret in zanzibar quokka wombat "$uuid" "$hex" aa:bb:cc:dd:ee:07 xenbr0 guest-disk secret-of-bob swordfish "\"$(hostname)\"" $others ${others//-/}; do
  if grep -qiF -- "$secret" /tmp/own/host.jsonl; then echo "it says '$secret':"; grep -iF -- "$secret" /tmp/own/host.jsonl | cut -c1-300; exit 1; fi
done
has /tmp/own/host.jsonl '"op":"sysctl.cputopoinfo"' '"record":"toolstack","xl":"' '"kernel":"6.' '"control":"control_d"' '/device/vif/0/state' 'key-0001'

# It stands in for this host.
there=xen+sim:///?capture=/tmp/own/host.jsonl
xenith -c "$there" list > /tmp/o
has /tmp/o Domain-0 guest-1 guest-2 guest-3
[ "$(xenith -c "$there" --json list | grep -c '"uuid"')" = "$(xenith --json list | grep -c '"uuid"')" ]
[ "$(xenith -c "$there" --json version | grep '"version"')" = "$(xenith --json version | grep '"version"')" ]
xenith -c "$there" nodeinfo > /tmp/own/node.there
xenith nodeinfo > /tmp/own/node.here
diff <(grep -v -i free /tmp/own/node.here) <(grep -v -i free /tmp/own/node.there)
xenith -c "$there" doctor > /tmp/o
has /tmp/o "a simulation"
xenith -c "$there" doctor --capture /tmp/own/again.jsonl
diff /tmp/own/host.jsonl /tmp/own/again.jsonl

# Nobody but root has the roads, and that is what a capture of theirs says.
su nobody -s /bin/bash -c 'cd /tmp && xenith doctor --capture /tmp/nobody.jsonl'
grep '"failure"' /tmp/nobody.jsonl
has /tmp/nobody.jsonl '"road":"hypercall","doing":"opening","status":"access_denied"'
not grep -q zanzibar /tmp/nobody.jsonl

# From C and Python.
python3 - <<'END'
import xenith
xenith.capture("/tmp/own/python.jsonl")
try:
    xenith.capture("/tmp/own/python.jsonl")
except xenith.ExistsError as error:
    print(error)
else:
    raise SystemExit("it was overwritten")
END

# What the capabilities say of a real host.
xenith capabilities > /tmp/o
has /tmp/o '<arch>x86_64</arch>' '<svm/>' '<os_type>xenpvh</os_type>' 'hvmloader</loader>' '<hap default="on" toggle="yes"/>' '<emulator>/'
