# The files of a host without xend, under bad conditions: two writers, a full disk, writers that are killed, files that others wrote.
# limit: 400
said=/tmp/own/said
own=/tmp/own
mkdir -p $own/etc
xml other 98304 > /tmp/own/other.xml
uri="xen:///?store=$own/etc"
x() { timeout 60 xenith -c "$uri" "$@"; }
# What is in the folder, but for the lock and what is started with the host.
files() { ls -A "$own/etc" | grep -vxE '\.xenith\.lock|auto' || true; }

# Two programs define the same name at once: one does, the other is told; there is one file.
for round in 1 2 3 4; do
  for who in 1 2 3; do
    xml web $((65536 * who)) | sed "s|<memory>|<uuid>0000000$who-0000-4000-8000-000000000000</uuid>&|" > $own/$who.xml
    (status=0; x define $own/$who.xml > $own/$who.out 2>&1 || status=$?; echo $status > $own/$who.status) &
  done
  wait
  sort $own/?.status | tr -d '\n' > $own/statuses
  echo "statuses $(cat $own/statuses)"
  [ "$(cat $own/statuses)" = 055 ]
  winner=$(grep -lx 0 $own/?.status)
  for who in 1 2 3; do [ "$own/$who.status" = "$winner" ] || has $own/$who.out web "0000-4000-8000"; done
  [ "$(files)" = web.cfg ]
  [ "$(stat -c %a $own/etc/web.cfg)" = 600 ]
  grep -q "memory = *$((64 * $(basename "$winner" .status)))$" $own/etc/web.cfg
  x undefine web
  [ -z "$(files)" ]
done

# A full disk: the old definition stays whole, the new one is refused with the reason, and nothing else is left.
mkdir -p /tmp/small
mount -t tmpfs -o size=64k,mode=755 small /tmp/small
full() { timeout 60 xenith -c 'xen:///?store=/tmp/small' "$@"; }
full define $own/1.xml
cp /tmp/small/web.cfg $own/web.before
dd if=/dev/zero of=/tmp/small/.ballast bs=4k 2> /dev/null || true
xml web 1048576 | sed "s|<memory>|<uuid>00000001-0000-4000-8000-000000000000</uuid><title>$(head -c 3000 /dev/zero | tr '\0' t)</title>&|" > $own/big.xml

for file in big other; do
  fails 1 60 xenith -c 'xen:///?store=/tmp/small' define $own/$file.xml
  has $said "No space left on device" /tmp/small
  cmp /tmp/small/web.cfg $own/web.before
  ls -A /tmp/small | sort | tr '\n' ' ' > $own/names
  [ "$(cat $own/names)" = ".ballast .xenith.lock web.cfg " ] || { cat $own/names; false; }
done
rm /tmp/small/.ballast
full define $own/other.xml
umount /tmp/small

# kill -9 in the middle of defining: the old or the new, always readable, and the next writer is not held up.
x define $own/1.xml
sed "s|<memory>65536|<memory>655360|" $own/1.xml > $own/11.xml
killed=0
for round in $(seq 25); do
  xenith -c "$uri" define $own/$((round % 2 * 10 + 1)).xml > /dev/null 2>&1 & writer=$!
  sleep 0.$(printf %03d $((round * 20)))
  kill -9 $writer 2> /dev/null || true
  status=0
  wait $writer 2> /dev/null || status=$?
  [ $status = 0 ] || [ $status = 137 ]
  [ $status = 0 ] || killed=$((killed + 1))
  grep -qE '^memory = *(64|640)$' $own/etc/web.cfg
  tail -c 1 $own/etc/web.cfg | od -An -c | grep -q '\\n'
done
x list --all > $own/o
has $own/o web
[ "$(grep -c web $own/o)" = 1 ]
x define $own/11.xml
grep -qE '^memory = *640$' $own/etc/web.cfg
echo "$killed were killed, and left: $(files | tr "\n" " ")"
[ $killed -ge 3 ]
[ "$(files | grep -vc '^\.')" = 1 ]
x undefine web

# A broken file beside good ones: they are listed, and it is reported with file and line.
x define $own/other.xml
printf 'name = "broken"\nmemory = 64\nvif = [ "mac=00:16:3e:00:00:02"\ndisk = = \n' > $own/etc/broken.cfg
x list --all > $own/o 2> $own/e
has $own/o other
cat $own/e
has $own/e "broken.cfg" "line 4"
x doctor > $own/o
has $own/o "broken.cfg" "line 4"
fails 1 60 xenith -c "$uri" domuuid broken
has $said "broken.cfg" "line 4"
xml broken 65536 > $own/b.xml
fails 1 60 xenith -c "$uri" define $own/b.xml
has $said "broken.cfg"
rm $own/etc/broken.cfg
x undefine other

