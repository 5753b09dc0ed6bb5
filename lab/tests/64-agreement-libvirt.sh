# Guests that libvirt started are the same in our words and in virsh's, and acting on them leaves libvirt with a true picture.
# long: yes
# boot: libvirt
# limit: 900
until_true 120 virsh -c xen:///system version > /dev/null
theirs() { virsh -c xen:///system "$@"; }
truncate -s 8M /tmp/kept.img /tmp/second.img

# document NAME DEVICES
document() {
  printf "<domain type='xen'>\n<name>%s</name>\n<memory unit='KiB'>131072</memory>\n<currentMemory unit='KiB'>98304</currentMemory>\n<vcpu>1</vcpu>\n" "$1"
  printf "<os><type>linux</type><kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=hvc0 quiet mitigations=off</cmdline></os>\n"
  printf "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>\n<devices>%s</devices>\n</domain>\n" "$2"
}
document kept "<disk type='file' device='disk'><driver name='phy' type='raw'/><source file='/tmp/kept.img'/><target dev='xvda' bus='xen'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/tmp/second.img'/><target dev='xvdb' bus='xen'/><readonly/></disk>
<interface type='bridge'><mac address='00:16:3e:64:00:01'/><source bridge='xenbr0'/></interface>
<interface type='bridge'><mac address='00:16:3e:64:00:02'/><source bridge='xenbr0'/><target dev='second0'/></interface>
<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/><console type='pty'/>" > /tmp/kept.xml
document brief "<console type='pty'/>" > /tmp/brief.xml
theirs define /tmp/kept.xml
theirs start kept
theirs create /tmp/brief.xml

python3 /lab/tests/agreement.py libvirt /lab/data/agreement.md

# libvirt minds them: nobody else does.
if xenith monitor brief > /tmp/o 2>&1; then cat /tmp/o; exit 1; fi
has /tmp/o 'libvirt'

# A life that we end is over for libvirt as well: the persistent domain is shut off, the transient one is gone.
xenith suspend kept
xenith resume kept
theirs list --all > /tmp/o
[ "$(awk '$2 == "kept" { print $3 }' /tmp/o)" = running ] || { cat /tmp/o; exit 1; }
xenith destroy kept
ready() { [ "$(xenstore-read "/local/domain/$(xl domid brief)/control/feature-poweroff")" = 1 ]; }
until_true 300 ready
xenith shutdown brief
until_true 200 gone brief
picture() { theirs list --all > /tmp/o && [ "$(awk '$2 == "kept" { print $3 $4 }' /tmp/o)" = shutoff ] && ! grep -q brief /tmp/o; }
until_true 60 picture || { cat /tmp/o; exit 1; }
theirs start kept
xenith dominfo kept > /tmp/o
has /tmp/o running
