# Files that an administrator and xen-create-image wrote into /etc/xen: each starts as it is; and what the xendomains service goes by.
# long: yes
# limit: 600
own=/tmp/own
mkdir -p $own

# As they write them, comments and all.
cat > /etc/xen/admin.cfg <<'END'
# The web server. Ask Anna before you touch it.
kernel  = "/boot/vmlinuz"
ramdisk = '/boot/guest.gz'
memory  = 96
name    = "admin"
vif     = [ 'bridge=xenbr0' ]   # one card
extra   = "console=hvc0 quiet mitigations=off"
colour  = "blue"
END
truncate -s 4M /tmp/own/disk.img /tmp/own/swap.img
cat > /etc/xen/image.example.org.cfg <<'END'
#
# Configuration file for the Xen instance image.example.org, created
# by a tool of that name.
#

#
#  Kernel + memory size
#
kernel      = '/boot/vmlinuz'
extra       = 'elevator=noop console=hvc0 quiet mitigations=off'
ramdisk     = '/boot/guest.gz'

vcpus       = '1'
memory      = '96'


#
#  Disk device(s).
#
root        = '/dev/xvda2 ro'
disk        = [
                  'file:/tmp/own/disk.img,xvda2,w',
                  'file:/tmp/own/swap.img,xvda1,w',
              ]


#
#  Physical volumes
#


#
#  Hostname
#
name        = 'image.example.org'

#
#  Networking
#
dhcp        = 'dhcp'
vif         = [ 'mac=00:16:3E:11:22:33' ]

#
#  Behaviour
#
on_poweroff = 'destroy'
on_reboot   = 'restart'
on_crash    = 'restart'
END
timeout 60 xenith list --all > $own/o
has $own/o admin image.example.org "shut off"
cp /etc/xen/admin.cfg $own/admin.before
for name in admin image.example.org; do
  timeout 60 xenith dumpxml $name > $own/$name.xml
  uuid=$(timeout 60 xenith domuuid $name)
  timeout 240 xenith start $name
  [ "$(timeout 60 xenith domuuid $name)" = "$uuid" ]
  [ "$(xl list -v | awk -v n=$name '$1 == n { print $7 }')" = "$uuid" ]
  timeout 60 xenith list --all > $own/o
  [ "$(grep -c " $name " $own/o)" = 1 ]
  says $name "guest up" 120
  timeout 60 xenith dumpxml $name > $own/o
  has $own/o "$uuid" "<name>$name</name>"
done
has $own/image.example.org.xml "disk.img" "00:16:3e:11:22:33" "<on_reboot>restart"
has $own/admin.xml "xenbr0"
cmp /etc/xen/admin.cfg $own/admin.before
for name in admin image.example.org; do
  timeout 120 xenith destroy $name
  timeout 60 xenith domstate $name > $own/o
  has $own/o "shut off"
done

# The same file, started by its administrator with xl: one row, persistent, found by the uuid that it had here.
uuid=$(timeout 60 xenith domuuid admin)
xl create -q /etc/xen/admin.cfg
timeout 60 xenith list --all > $own/o
[ "$(grep -c " admin " $own/o)" = 1 ]
has $own/o image.example.org
timeout 60 xenith dominfo admin > $own/o
cat $own/o
grep -qiE 'persistent: *yes' $own/o
[ "$(timeout 60 xenith domname "$uuid")" = admin ]
timeout 120 xenith destroy "$uuid"
gone admin
timeout 60 xenith domstate admin > $own/o
has $own/o "shut off"

# Autostart is what the xendomains service goes by: each file or link in the folder that it looks at.
timeout 60 xenith autostart admin
[ "$(readlink -f /etc/xen/auto/*)" = /etc/xen/admin.cfg ]
for file in /etc/xen/auto/*; do
  [ -s "$file" ] && xl create -q --defconfig "$file"
done
timeout 60 xenith domstate admin > $own/o
not grep -q "shut off" $own/o
timeout 60 xenith autostart --disable admin
[ -z "$(ls /etc/xen/auto)" ]
