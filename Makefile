# xenith: build, install, test.
#
#   make                  builds the library and the command
#   make install          puts them into PREFIX (/usr/local); DESTDIR, LIBDIR, BINDIR as usual. Builds nothing: give `make` the same PREFIX.
#   make uninstall        takes them out again
#   make header           writes include/xenith.h and the export list anew
#   make abi              takes the header's binary interface as the reference that later builds are compared with
#   make demo             the main job on an embedded Xen host: from C, from Python, from a terminal
#   make test             everything; CI runs this
#   make test-c           the C tests, on what an install gives
#   make test-python      the Python tests, likewise
#   make lab              the roads on a real Xen 4.17, which QEMU boots; LAB_TESTS=... some; LAB_BINS=... brings programs
#   make bench-lab        what status costs on that Xen, beside the raw ioctl, libxl and libvirt
#   make fuzz             looks for bytes that break a reader, by libFuzzer; FUZZ=target one of them, SECONDS=60 each; make fuzz-keep: corpus
#   make bench            what calls cost, how big the library is, how much memory a connection takes, what it runs on
#
# V=1 shows every command.

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin
DATADIR    ?= $(PREFIX)/share
DESTDIR    ?=
CARGO      ?= cargo
CC         ?= cc
STRIP      ?= strip
OBJCOPY    ?= objcopy

# Debian's own Python where its pytest was installed; scripts/setup.sh sees to that.
PYTHON     ?= $(shell for python in python3 /usr/bin/python3; do \
                $$python -c 'import pytest' 2>/dev/null && { echo $$python; exit; }; done; echo /usr/bin/python3)
MYPY       ?= mypy

# What a step does is said in a word; a command is shown when it fails or with V=1.
Q   := $(if $(V),,@)
say  = @printf '  %-9s%s\n' '$(1)' '$(patsubst $(CURDIR)/%,%,$(2))'

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME  := libxenith.so.0
SHARED  := libxenith.so.$(VERSION)

# What `make` leaves and `make install` takes.
OUT := build/out
# The static library is built apart from everything else: only as the single crate type is it optimized as a whole.
ABI := target/abi

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all build header check-header abi check-abi install uninstall demo-c test-c clean FORCE

all: build

build: $(OUT)/$(SHARED) $(OUT)/libxenith.a $(OUT)/libs.private $(OUT)/bin/xenith $(OUT)/share/man/man1/xenith.1

# ---- build ----

# Where the library looks first for the command, which it starts as the monitor of a domain that lost its own; then in /usr/local/bin and
# /usr/bin. So who installs elsewhere gives PREFIX or BINDIR to `make` as well as to `make install`. It is a path on the machine
# that runs it: without DESTDIR.
BUILT_FOR = XENITH_BINDIR='$(BINDIR)'

# Asking rustc what to link with makes it say each time that it was asked; nobody needs that line.
$(ABI)/release/libxenith.a: SHELL := /bin/bash
$(ABI)/release/libxenith.a: FORCE
	@CARGO=$(CARGO) scripts/setup.sh rust
	$(call say,CARGO,the library)
	$(Q)set -o pipefail; $(BUILT_FOR) $(CARGO) rustc --release --locked -p xenith --lib --crate-type staticlib --target-dir $(ABI) -- \
	    --print native-static-libs=$(CURDIR)/$(ABI)/native-static-libs 2>&1 | \
	    { grep -v -e '^note: native artifacts to link against' -e '^$$' || true; }

# rustc cannot give symbols a version, so the shared library is linked from the static one. Each exported function is a root;
# what none of them needs is dropped.
$(OUT)/$(SHARED): $(ABI)/release/libxenith.a bindings/exports.txt bindings/xenith.map Makefile
	@mkdir -p $(OUT)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -o $@ \
	    -Wl,-soname,$(SONAME) -Wl,--version-script=bindings/xenith.map \
	    $$(sed -n 's/^\(xenith_[a-z0-9_]*\) .*/-Wl,-u,\1/p' bindings/exports.txt) \
	    $< $$(cat $(ABI)/native-static-libs) \
	    -Wl,--gc-sections -Wl,--as-needed -Wl,-O1 -Wl,-s -Wl,-z,defs -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now $(LDFLAGS)

# One object, in which only the exported functions are global: a program can link a second Rust library statically, whose
# runtime's symbols would clash with ours. The bitcode that Rust's own objects carry goes: a linker with an LLVM plugin
# would read it instead of the code.
$(OUT)/libxenith.a: $(ABI)/release/libxenith.a bindings/exports.txt Makefile
	@mkdir -p $(OUT)
	$(call say,AR,$@)
	$(Q)sed -n 's/^\(xenith_[a-z0-9_]*\) .*/\1/p' bindings/exports.txt > $(OUT)/exported
	$(Q)$(LD) -r --gc-sections $$(sed 's/^/-u /' $(OUT)/exported) -o $(OUT)/xenith.o $<
	$(Q)$(OBJCOPY) --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd \
	    --keep-global-symbols=$(OUT)/exported $(OUT)/xenith.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(OUT)/xenith.o

# The compiler driver adds -lc and the right libgcc itself, also under -static, where -lgcc_s does not exist.
$(OUT)/libs.private: $(ABI)/release/libxenith.a
	@mkdir -p $(OUT)
	$(Q)tr ' ' '\n' < $(ABI)/native-static-libs | grep -vx -e -lc -e -lgcc_s | tr '\n' ' ' | sed 's/ *$$//' > $@

target/release/xenith: FORCE
	$(call say,CARGO,the command)
	$(Q)$(BUILT_FOR) $(CARGO) build --release --locked -p xenith-cli --target-dir target

$(OUT)/bin/xenith: target/release/xenith
	@mkdir -p $(@D)
	$(Q)cp $< $@.new && $(STRIP) $@.new && mv $@.new $@

# Manual pages and completions come from the command's own declarations.
$(OUT)/share/man/man1/xenith.1: $(OUT)/bin/xenith
	@mkdir -p $(OUT)/share/completions
	$(call say,MAN,$(@D))
	$(Q)$< man $(@D)
	$(Q)for shell in bash zsh fish; do $< completions $$shell > $(OUT)/share/completions/$$shell || exit 1; done
	@touch $@

# ---- what the world links against ----

header:
	$(CARGO) run --quiet --locked -p xenith-bindings write

check-header:
	@$(CARGO) run --quiet --locked -p xenith-bindings check

abi: header
	@$(PYTHON) scripts/abi.py write include/xenith.h bindings/abi.txt

# The header as it was installed.
check-abi: test-prefix
	@$(PYTHON) scripts/abi.py check $(TEST_PREFIX)/include/xenith.h bindings/abi.txt

# ---- install ----

INSTALL := install
D       := $(DESTDIR)
COMPLETIONS := bash:bash-completion/completions/xenith zsh:zsh/site-functions/_xenith fish:fish/vendor_completions.d/xenith.fish

# Depends on nothing, so that `sudo make install` compiles nothing as root.
install:
	@test -e $(OUT)/$(SHARED) -a -e $(OUT)/share/man/man1/xenith.1 || \
	    { echo "make install: nothing is built yet: run \`make\` first, as yourself" >&2; exit 1; }
	$(INSTALL) -d $(D)$(LIBDIR)/pkgconfig $(D)$(INCLUDEDIR) $(D)$(BINDIR) $(D)$(DATADIR)/man/man1
	$(INSTALL) -m 755 $(OUT)/$(SHARED) $(D)$(LIBDIR)/$(SHARED)
	ln -sf $(SHARED) $(D)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libxenith.so
	$(INSTALL) -m 644 $(OUT)/libxenith.a $(D)$(LIBDIR)/libxenith.a
	$(INSTALL) -m 644 include/xenith.h $(D)$(INCLUDEDIR)/xenith.h
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	    -e "s|@LIBS_PRIVATE@|$$(cat $(OUT)/libs.private)|" \
	    pkgconfig/xenith.pc.in > $(D)$(LIBDIR)/pkgconfig/xenith.pc
	chmod 644 $(D)$(LIBDIR)/pkgconfig/xenith.pc
	$(INSTALL) -m 755 $(OUT)/bin/xenith $(D)$(BINDIR)/xenith
	$(INSTALL) -m 644 $(OUT)/share/man/man1/*.1 $(D)$(DATADIR)/man/man1/
	for c in $(COMPLETIONS); do \
	    $(INSTALL) -D -m 644 $(OUT)/share/completions/$${c%%:*} $(D)$(DATADIR)/$${c#*:} || exit 1; \
	done
	@test -n "$(D)" || echo "installed in $(PREFIX); if it is in the loader's path, run ldconfig as root now"

uninstall:
	rm -f $(D)$(LIBDIR)/$(SHARED) $(D)$(LIBDIR)/$(SONAME) $(D)$(LIBDIR)/libxenith.so $(D)$(LIBDIR)/libxenith.a
	rm -f $(D)$(LIBDIR)/pkgconfig/xenith.pc $(D)$(INCLUDEDIR)/xenith.h $(D)$(BINDIR)/xenith
	rm -f $(D)$(DATADIR)/man/man1/xenith.1 $(D)$(DATADIR)/man/man1/xenith-*.1
	for c in $(COMPLETIONS); do rm -f $(D)$(DATADIR)/$${c#*:}; done

# ---- tests from C ----

# An installation of our own, which the C and Python tests and the demos use as a user would. READY=1: it is up to date, as
# `make demo` and `make test` tell the parts that they run one after the other.
TEST_PREFIX := $(CURDIR)/build/prefix
export PKG_CONFIG_PATH := $(TEST_PREFIX)/lib/pkgconfig$(if $(PKG_CONFIG_PATH),:$(PKG_CONFIG_PATH))

.PHONY: test-prefix
ifndef READY
test-prefix: build
	@rm -rf $(TEST_PREFIX)
	@$(MAKE) --no-print-directory install PREFIX=$(TEST_PREFIX) LIBDIR=$(TEST_PREFIX)/lib \
	    INCLUDEDIR=$(TEST_PREFIX)/include BINDIR=$(TEST_PREFIX)/bin DATADIR=$(TEST_PREFIX)/share DESTDIR= > /dev/null
endif

test-c: check-header check-abi test-prefix
	$(Q)cmake -S ctest -B build/ctest -DCMAKE_BUILD_TYPE=Debug $(if $(V),,> /dev/null)
	$(Q)cmake --build build/ctest $(if $(V),--verbose,-- --no-print-directory --quiet)
	ctest --test-dir build/ctest --output-on-failure

# The story of the README, compiled as a stranger would.
demo-c: test-prefix
	@mkdir -p build/demo
	$(call say,CC,ctest/demo.c)
	$(Q)$(CC) -std=c99 -Wall -Wextra -Wpedantic -Werror ctest/demo.c -o build/demo/demo \
	    $$(pkg-config --cflags --libs xenith) -Wl,-rpath,$(TEST_PREFIX)/lib
	$(Q)build/demo/demo tests/data/seeds/pv-direct-kernel.xml

# ---- tests from Python ----

PYTHON_ENV = XENITH_LIBRARY=$(TEST_PREFIX)/lib/libxenith.so.0 XENITH_HEADER=$(TEST_PREFIX)/include/xenith.h \
    XENITH_COMMAND=$(TEST_PREFIX)/bin/xenith

test-python: test-prefix
	$(Q)cd python && $(PYTHON_ENV) $(PYTHON) -m pytest -q
	$(Q)cd python && $(MYPY) --strict

demo-python: test-prefix
	$(Q)$(PYTHON_ENV) PYTHONPATH=python $(PYTHON) python/examples/story.py tests/data/seeds/hvm-bios.xml

# ---- everything ----

.PHONY: setup-build setup-test demo demo-python demo-command test test-rust test-python test-readme bench

setup-build:
	@CARGO=$(CARGO) scripts/setup.sh build

setup-test:
	@CARGO=$(CARGO) scripts/setup.sh test

demo-command: test-prefix
	@scripts/demo-command.sh $(TEST_PREFIX)/bin/xenith tests/data/seeds/pv-bootloader.xml

PART := $(MAKE) --no-print-directory READY=1

# One after the other, each under its headline, whatever -j says.
demo: setup-build
	@echo "== building the library and the command; the first time takes minutes"
	@$(MAKE) --no-print-directory test-prefix
	@echo; echo "== from C: ctest/demo.c"; $(PART) demo-c
	@echo; echo "== from Python: python/examples/story.py"; $(PART) demo-python
	@echo; echo "== from a terminal: scripts/demo-command.sh"; $(PART) demo-command

test-rust:
	@echo "== Rust: formatted, no warnings, unit and crate tests"
	$(Q)$(CARGO) fmt --all --check
	$(Q)$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(Q)$(CARGO) test --workspace --locked --no-run
	$(Q)$(CARGO) test --workspace --locked --quiet

# The short run is among the Rust tests. Needs a C++ compiler, for libFuzzer.
.PHONY: fuzz fuzz-keep
SECONDS := 60
fuzz:
	@CARGO=$(CARGO) scripts/fuzz.sh $(SECONDS) $(FUZZ)

fuzz-keep:
	@CARGO=$(CARGO) scripts/fuzz.sh keep $(FUZZ)

test-readme: test-prefix
	$(Q)$(PYTHON) scripts/test-readme.py $(TEST_PREFIX) README.md python/README.md

test: setup-test
	@$(MAKE) --no-print-directory test-rust
	@echo; echo "== the library as it is installed"; $(MAKE) --no-print-directory test-prefix
	@echo; echo "== C"; $(PART) test-c
	@echo; echo "== Python"; $(PART) test-python
	@echo; echo "== the README: examples, requirements, the demo"; $(PART) test-readme
	@CARGO=$(CARGO) scripts/requirements.sh check $(TEST_PREFIX)/lib/$(SHARED)
	@$(PART) demo-c demo-python demo-command > /dev/null
	@echo; echo "== a real Xen"; if why=$$(scripts/setup.sh lab 2>&1); then LAB_SHORT=1 $(PART) lab && echo && echo "make test: everything passed"; else \
	    echo "$$why"; \
	    if echo ' $(XENITH_REQUIRE) ' | grep -q ' lab '; then echo "make test: FAILED: XENITH_REQUIRE asks for the lab, which cannot run here (above)"; exit 1; fi; \
	    echo; echo "make test: everything passed but THE LAB, WHICH DID NOT RUN (no test met a real Xen):"; echo "$$why" | sed 's/^/    /'; fi

.PHONY: lab setup-lab lab-programs
setup-lab:
	@CARGO=$(CARGO) scripts/setup.sh lab

# What runs in dom0 beside the library: the C tests, which use it as it is installed, tests/agreement.rs and the list of behaviours.
# LAB_BINS brings more.
LAB_RUST := agreement behaviours
lab-programs: test-prefix
	$(Q)cmake -S ctest -B build/ctest -DCMAKE_BUILD_TYPE=Debug $(if $(V),,> /dev/null)
	$(Q)cmake --build build/ctest $(if $(V),--verbose,-- --no-print-directory --quiet)
	@mkdir -p build/lab-tests
	$(Q)$(CARGO) test --locked --no-run $(LAB_RUST:%=--test %) > build/lab-tests/log 2>&1 || { cat build/lab-tests/log; exit 1; }
	$(Q)for test in $(LAB_RUST); do \
	    cp "$$(sed -n "s/^ *Executable .*(\(.*\/$$test-[0-9a-f]*\))$$/\1/p" build/lab-tests/log)" build/lab-tests/$$test || { cat build/lab-tests/log; exit 1; }; \
	done

lab: setup-lab
	@$(MAKE) --no-print-directory lab-programs
	@LAB_BINS='$(LAB_RUST:%=$(CURDIR)/build/lab-tests/%) $(LAB_BINS)' lab/run.sh $(TEST_PREFIX) $(LAB_TESTS)

# Figures beside the raw ioctl, libxl and libvirt, in dom0; the table fails where a goal is missed. LAB_TESTS='1-libxl' does one peer.
STATUS := lab/bench/status.c -O2 -std=gnu99 -Wall -Wextra -Werror
BENCH_LAB := $(or $(LAB_TESTS),1-libxl 2-libvirt)
.PHONY: bench-lab
bench-lab: setup-lab
	@$(MAKE) --no-print-directory test-prefix
	@mkdir -p build/bench
	$(Q)$(CC) $(STATUS) -DPEER_LIBXL -o build/bench/status-libxl $$(pkg-config --cflags --libs xenith) -lxenlight -lxentoollog
	$(Q)$(CC) $(STATUS) -DPEER_LIBVIRT -o build/bench/status-libvirt $$(pkg-config --cflags --libs xenith) -lvirt
	@LAB_FOLDER=bench LAB_BINS='build/bench/status-libxl build/bench/status-libvirt' lab/run.sh $(TEST_PREFIX) $(BENCH_LAB)
	@lab/bench/table.py $(BENCH_LAB:%=build/lab/logs/%.log)

bench: test-prefix
	$(Q)$(CARGO) bench --locked --bench figures --bench parse
	@mkdir -p build/bench
	$(Q)$(CC) -O2 -std=c99 benches/memory.c -o build/bench/memory $$(pkg-config --cflags --libs xenith) -Wl,-rpath,$(TEST_PREFIX)/lib
	@echo; echo "memory of a C program that holds one connection to an embedded host, which lives in the same process (goal: under 8192 kB):"
	@build/bench/memory
	@echo; echo "size of the installed library, stripped (goal: under 4194304):"
	@stat -c '%s bytes' $(TEST_PREFIX)/lib/$(SHARED)
	@echo; echo "what it runs on:"
	@CARGO=$(CARGO) scripts/requirements.sh show $(TEST_PREFIX)/lib/$(SHARED)

clean:
	rm -rf build
	$(CARGO) clean
