# Pause, resume, shut down and destroy, as xl then sees it.
guest pv1 pv 128
state() { xl list pv1 | awk 'NR == 2 { print $5 }'; }
xenith suspend pv1
case $(state) in --p---) ;; *) echo "not paused: $(state)"; exit 1 ;; esac
[ "$(xenith domstate pv1)" = paused ]
xenith resume pv1
case $(state) in *p*) echo "still paused: $(state)"; exit 1 ;; esac

# The guest's kernel answers once it is up.
sleep 8
xenith shutdown pv1
gone() { ! xl list pv1 > /dev/null 2>&1; }
until_true 60 gone

guest pvh1 pvh 160
free=$(xl info | awk '/^free_memory/ { print $3 }')
xenith destroy pvh1
until_true 20 eval '! xl list pvh1 > /dev/null 2>&1'
until_true 20 eval '[ "$(xl info | awk "/^free_memory/ { print \$3 }")" -ge $((free + 160)) ]'
if xenith dominfo pvh1 > /tmp/o 2>&1; then cat /tmp/o; exit 1; fi
has /tmp/o "pvh1"
