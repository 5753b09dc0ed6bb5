# In a guest, a command ends in time and says that this is no host; only xenstore answers there.
# long: yes
# limit: 900
cat > /tmp/script <<'END'
#!/bin/sh
echo "in $(cat /sys/hypervisor/type), $(xenith --version)"
for command in doctor list 'list --all'; do
  echo "== $command"
  timeout 100 xenith --timeout 20 $command
  echo "$command: $?"
done
# A road for status that is nowhere: the report is the same.
umount /proc/xen
echo "== without xenfs"
timeout 100 xenith --timeout 20 list
echo "without xenfs: $?"
exit 7
END
status=0
domu_run /tmp/script > /tmp/o || status=$?
cat /tmp/o
[ $status = 7 ]
has /tmp/o "in xen, xenith" "doctor: 4" "list: 4" "list --all: 4" "without xenfs: 4"
part() { sed -n "/^== $1\$/,/^== /p" /tmp/o; }
for what in doctor list 'list --all' 'without xenfs'; do
  part "$what" > /tmp/part
  has /tmp/part "this machine is a guest of Xen (a domU, domain " "open the connection in the host's dom0"
done
# The guest's own xenstore answers, and the report says so.
part doctor | grep -qE '^ *xenstore +yes '
