# boot: main
# limit: 1200
# What status costs beside libxl, with one guest and with eight. They are paused, so that they do not take the processor that is measured.
idle() {
  printf 'name="%s"\ntype="pvh"\nkernel="/boot/vmlinuz"\nmemory=80\n' "$1" > "/tmp/$1.cfg"
  xl create -p -q "/tmp/$1.cfg"
}
idle g1
/lab/bin/status-libxl 1 g1
for guest in g2 g3 g4 g5 g6 g7 g8; do idle $guest; done
/lab/bin/status-libxl 8 g1
