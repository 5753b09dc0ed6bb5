# Every domain of the host, whoever started it, is the same in our words, in xl's (list, list -v, list -l) and in xenstore's.
# They are paused, so that one processor is enough for all of them; the last one runs.
# long: yes
# boot: main
# limit: 900
for disk in ours admin screen cd; do truncate -s 8M /tmp/$disk.img; done
cp --sparse=always /boot/guest-disk.img /tmp/bios.img
cp --sparse=always /boot/guest-disk.img /tmp/stored.img

# Ours, transient: PV with a disk, an interface and a screen.
cat > /tmp/ours.xml <<'END'
<domain type='xen'>
  <name>pv-ours</name>
  <uuid>5e1f0c52-8a1e-4f59-9d3b-1c5b9f0a6201</uuid>
  <memory unit='MiB'>128</memory>
  <currentMemory unit='MiB'>96</currentMemory>
  <vcpu current='1'>2</vcpu>
  <os><type>linux</type><kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=hvc0 quiet mitigations=off</cmdline></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='phy' type='raw'/><source file='/tmp/ours.img'/><target dev='xvda'/></disk>
    <interface type='bridge'><mac address='00:16:3e:62:00:01'/><source bridge='xenbr0'/><target dev='ours0'/></interface>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
  </devices>
</domain>
END
xenith create --paused /tmp/ours.xml

# Ours, a file of define's: PVH.
cat > /tmp/stored.xml <<'END'
<domain type='xen'>
  <name>pvh-stored</name>
  <title>A guest with a title</title>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type>xenpvh</type><kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=hvc0 quiet mitigations=off</cmdline></os>
  <devices><interface type='bridge'><source bridge='xenbr0'/></interface></devices>
</domain>
END
xenith define /tmp/stored.xml
xenith start --paused pvh-stored

# Ours, a file of define's: HVM from its firmware, with a serial port and a screen at a port that is free.
cat > /tmp/stored.xml <<'END'
<domain type='xen'>
  <name>hvm-stored</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/><pae/></features>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/tmp/stored.img'/><target dev='hda'/></disk>
    <interface type='bridge'><source bridge='xenbr0'/><model type='e1000'/></interface>
    <serial type='pty'/>
    <graphics type='vnc' autoport='yes'/>
  </devices>
</domain>
END
xenith define /tmp/stored.xml
xenith start --paused hvm-stored

# An administrator's file, started by us. It has no uuid and its interface no address.
cat > /etc/xen/pv-admin.cfg <<'END'
# by hand
name = 'pv-admin'
kernel = '/boot/vmlinuz'
ramdisk = '/boot/guest.gz'
extra = 'console=hvc0 quiet mitigations=off'
memory = 96
maxmem = 112
vcpus = 1
disk = [ 'file:/tmp/admin.img,xvda,w' ]
vif = [ 'bridge=xenbr0' ]
on_crash = 'restart'
END
xenith start --paused pv-admin

# xl's: HVM with a disk, a CD, a screen at a port that is fixed and a serial port.
cat > /tmp/hvm-xl.cfg <<'END'
name = "hvm-xl"
type = "hvm"
memory = 64
vcpus = 2
boot = "cd"
disk = [ "/tmp/bios.img,raw,hda,rw", "/tmp/cd.img,raw,hdc,ro,cdrom" ]
vif = [ "mac=00:16:3e:62:00:04,bridge=xenbr0,model=e1000", "type=vif,mac=00:16:3e:62:00:05,bridge=xenbr0" ]
vnc = 1
vnclisten = "127.0.0.1"
vncdisplay = 42
vncunused = 0
serial = "pty"
on_poweroff = "preserve"
END
xl create -q -p /tmp/hvm-xl.cfg

# xl's: PV with a screen and a name of its own for the interface.
start pv-xl pv 128 'vfb=["vnc=1,vnclisten=127.0.0.1,vncunused=1"]' 'vif=["mac=00:16:3e:62:00:06,bridge=xenbr0,vifname=tapper"]' 'disk=["/tmp/screen.img,raw,xvdb,ro"]'
xl pause pv-xl

# xl's: PVH, which has said hello, so that its devices are connected.
guest pvh-xl pvh 128

python3 /lab/tests/agreement.py xl /lab/data/agreement.md
