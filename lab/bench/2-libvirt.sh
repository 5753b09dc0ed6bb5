# boot: libvirt
# limit: 1200
# What status costs beside libvirt, with one guest and with eight, which libvirt has started: it does not see those of others.
idle() {
  printf "<domain type='xen'><name>%s</name><memory unit='MiB'>96</memory><vcpu>1</vcpu><os><type>linux</type><kernel>/boot/vmlinuz</kernel></os></domain>" "$1" > "/tmp/$1.xml"
  virsh -q create --paused "/tmp/$1.xml" > /dev/null
}
idle g1
/lab/bin/status-libvirt 1 g1
for guest in g2 g3 g4 g5 g6 g7 g8; do idle $guest; done
/lab/bin/status-libvirt 8 g1
