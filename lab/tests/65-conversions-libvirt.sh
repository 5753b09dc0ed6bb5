# 30 guests become the same in xl's language, and come back the same, in our words and in libvirt's.
# long: yes
# boot: libvirt
# limit: 600
until_true 120 virsh -c xen:///system version > /dev/null
python3 /lab/tests/conversions.py /tmp/conversions /lab/data/agreement.md
