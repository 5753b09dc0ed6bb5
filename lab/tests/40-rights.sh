# Who may not, is told what to do.
if su nobody -s /bin/sh -c "xenith list" > /tmp/o 2>&1; then cat /tmp/o; exit 1; fi
has /tmp/o "/dev/xen/privcmd" "Permission denied" "run as root"
