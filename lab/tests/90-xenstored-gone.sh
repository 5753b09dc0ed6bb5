# boot: alone
# Last of all: xenstored dies, and status goes on without names.
start pv1 pv 128
kill -9 "$(cat /run/xenstored.pid)"
sleep 0.5
timeout 30 xenith list > /tmp/o
has /tmp/o "running"
[ "$(grep -c . /tmp/o)" = 4 ]
if timeout 30 xenith domid pv1 > /tmp/o 2>&1; then cat /tmp/o; exit 1; fi
has /tmp/o "is xenstored running?"
# The device waits for a daemon that does not come; we wait no longer than we were told.
start=$SECONDS
timeout 30 xenith --timeout 2 -c 'xen:///?xenstore=/dev/xen/xenbus' list > /tmp/o
has /tmp/o "running"
[ $((SECONDS - start)) -lt 15 ]
trap - EXIT
