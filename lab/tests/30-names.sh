# One connection sees renames by others, over xenstored's socket and over the kernel's device.
guest pv1 pv 128
for uri in 'xen:///' 'xen:///?xenstore=/dev/xen/xenbus'; do
  echo "over $uri"
  /lab/watch-names "$uri" 1 40 > /tmp/o & watcher=$!
  sleep 1.5
  xl rename pv1 other
  sleep 1
  xl rename other pv1
  wait $watcher
  printf 'pv1\nother\npv1\n' | diff - /tmp/o
done

# The device serves connection after connection: a wrong use of it stops xenstore for the whole machine.
for round in 1 2 3 4 5 6 7 8; do
  timeout 20 xenith -c 'xen:///?xenstore=/dev/xen/xenbus' list > /tmp/o
  has /tmp/o pv1
done
timeout 10 xenstore-read /local/domain/0/name

# Rubbish that a guest's side could write does not become a name.
head -c 3000 /dev/urandom | base64 -w0 > /tmp/rubbish
xenstore-write "/local/domain/$(xenith domid pv1)/name" "$(head -c 3000 /tmp/rubbish)/x"
xenith list > /tmp/o
[ "$(wc -c < /tmp/o)" -lt 1000 ]
xenstore-write "/local/domain/$(xl list | awk 'NR == 3 { print $2 }')/name" pv1
