# One connection sees renames by others, over xenstored's socket and over the kernel's device.
start pv1 pv 128
id=$(xl domid pv1)
for uri in 'xen:///' 'xen:///?xenstore=/dev/xen/xenbus'; do
  echo "over $uri"
  /lab/bin/watch-names "$uri" "$id" 600 > /tmp/o & watcher=$!
  shows() { [ "$(tail -n 1 /tmp/o)" = "$1" ]; }
  until_true 20 shows pv1
  xl rename pv1 other
  until_true 20 shows other
  xl rename other pv1
  until_true 20 shows pv1
  kill $watcher
  wait $watcher || true
done

# The device serves connection after connection: a wrong use of it stops xenstore for the whole machine.
for round in 1 2 3 4 5 6 7 8; do
  timeout 20 xenith -c 'xen:///?xenstore=/dev/xen/xenbus' list > /tmp/o
  has /tmp/o pv1
done
timeout 10 xenstore-read /local/domain/0/name

# Rubbish that a guest's side could write does not become a name.
head -c 3000 /dev/urandom | base64 -w0 > /tmp/rubbish
xenstore-write "/local/domain/$id/name" "$(head -c 3000 /tmp/rubbish)/x"
xenith list > /tmp/o
[ "$(wc -c < /tmp/o)" -lt 1000 ]
xenstore-write "/local/domain/$id/name" pv1
