# Pause, resume and shut down, as xl then sees it.
start pv1 pv 128
state() { xl list pv1 | awk 'NR == 2 { print $5 }'; }
xenith suspend pv1
case $(state) in --p---) ;; *) echo "not paused: $(state)"; exit 1 ;; esac
[ "$(xenith domstate pv1)" = paused ]
xenith resume pv1
case $(state) in *p*) echo "still paused: $(state)"; exit 1 ;; esac

# The guest's kernel says when it will answer.
id=$(xl domid pv1)
ready() { [ "$(xenstore-read "/local/domain/$id/control/feature-poweroff")" = 1 ]; }
until_true 90 ready
xenith shutdown pv1
until_true 120 gone pv1

# A domain that xl started is xl's to destroy: it keeps devices and a monitor. Where xl cannot be run we say so and do nothing.
start pvh1 pvh 160
if xenith -c 'xen:///?xl=/nonexistent' destroy pvh1 > /tmp/o 2>&1; then cat /tmp/o; exit 1; fi
has /tmp/o "xl destroy"
xl list pvh1 > /dev/null
xenith destroy pvh1
gone pvh1
