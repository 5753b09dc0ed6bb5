# What we write for xl means what we say: for each guest of the repository's, the real xl says what it understood of the configuration (xl
# create --dryrun: it starts nothing), and that is compared with the XML, field by field. Its exit status proves little: it accepts keys that it does not know.
# boot: main
# limit: 600
[ -x /lab/bin/agreement ] || { echo "/lab/bin/agreement is missing: 'make lab' builds it, or LAB_BINS=...=agreement names tests/agreement.rs's program"; exit 1; }
cp -r /lab/data/agreement /tmp/agreement
folders=$(echo /tmp/agreement/* | tr ' ' :)
XENITH_AGREEMENT_WRITE=$folders /lab/bin/agreement --exact the_guests_of_the_environment_are_written_for_xl > /tmp/o || { cat /tmp/o; exit 1; }

count=0
for config in /tmp/agreement/*/*.cfg; do
  xl create --dryrun "$config" > "${config%.cfg}.json" 2> /tmp/stderr || { echo "xl refuses $config:"; cat /tmp/stderr "$config"; exit 1; }
  count=$((count + 1))
done
[ $count -ge 30 ] || { echo "only $count guests"; exit 1; }
XENITH_AGREEMENT=$folders /lab/bin/agreement --exact a_host_of_the_environment_agrees --nocapture > /tmp/o || { cat /tmp/o; exit 1; }
has /tmp/o '1 passed'
