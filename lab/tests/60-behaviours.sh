# The list of behaviours that the embedded host is held to as well (tests/behaviours), on this host. Each one's result is a line.
# limit: 3000
cat > /tmp/guest.xml <<'END'
<domain type='xen'>
  <name>@NAME@</name>
  <memory>98304</memory>
  <vcpu>1</vcpu>
  <os>
    <type>linux</type>
    <kernel>/boot/vmlinuz</kernel>
    <initrd>/boot/guest.gz</initrd>
    <cmdline>console=hvc0 quiet mitigations=off sysrq_always_enabled</cmdline>
  </os>
  <devices>
    <console/>
  </devices>
</domain>
END
[ -e /lab/bin/behaviours ] || { echo "no /lab/bin/behaviours: make lab brings it, LAB_BINS elsewhere"; exit 1; }
XENITH_BEHAVIOURS_URI=xen:/// XENITH_BEHAVIOURS_GUEST=/tmp/guest.xml /lab/bin/behaviours --exact --nocapture the_host_that_the_environment_names_behaves
