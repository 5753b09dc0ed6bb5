# What the hypervisor tells, beside what xl tells.
xenith version > /tmp/o
has /tmp/o "Xen 4.17"
start pv1 pv 128
start pvh1 pvh 160

# id, name, memory in MiB and vcpus of each domain, as both have them.
xl list | awk 'NR > 1 { print $2, $1, $3, $4 }' > /tmp/theirs
xenith --json list --all > /tmp/json
awk -F': *' '
  { gsub(/[",]/, "", $2) }
  /"id"/ { id = $2 } /"name"/ { name = $2 } /"vcpus"/ { vcpus = $2 }
  /"memory_kib"/ { memory = $2 } /"ssidref"/ { print id, name, int(memory / 1024), vcpus }' /tmp/json > /tmp/ours
diff /tmp/theirs /tmp/ours

# Times rise together, and the kind of guest is known.
has /tmp/json '"os_type": "linux"' '"os_type": "xenpvh"'
uuid=$(xenith domuuid pv1)
[ "/vm/$uuid" = "$(xenstore-read /local/domain/$(xenith domid pv1)/vm)" ]
[ "$(xenith domname "$uuid")" = pv1 ]
xenith nodeinfo > /tmp/o
total=$(xl info | awk '/^total_memory/ { print $3 }')
has /tmp/o "$((total * 1024))" || [ "$(awk '/Memory size/ { print int($3 / 1024) }' /tmp/o)" = "$total" ]
