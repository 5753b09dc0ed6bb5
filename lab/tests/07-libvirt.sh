# The peer runs.
# boot: libvirt
until_true 60 virsh -c xen:///system version > /tmp/o
has /tmp/o "Running hypervisor: Xen"
start pv1 pv 96
virsh -c xen:///system list > /tmp/o
has /tmp/o "Domain-0"
