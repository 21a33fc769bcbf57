# SPDX-License-Identifier: GPL-2.0
#
# One task a line. The work is done by scripts/, the kernel's own tools and
# what Debian packages; logs are in build/log.

MAKEFLAGS += --no-print-directory

ifneq ($(words $(subst :, ,$(CURDIR))),1)
$(error The kernel's build takes no path with a space or colon: move this checkout)
endif

export KERNEL DEPS MAILING VERSION BASE GUEST STEPS CELL NETNS CELLS

# Objects are the same wherever the checkout is. No CCACHE_DEPEND: it does not
# see that piggy.S includes the kernel, and an old one would boot.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

TREE_PKGS := git xz-utils python3
BUILD_PKGS := $(TREE_PKGS) gcc libc6-dev flex bison bc libelf-dev libssl-dev \
	ccache qemu-system-x86
CHECK_PKGS := $(BUILD_PKGS) perl shellcheck flake8 pylint
RUN_PKGS := $(BUILD_PKGS) kmod iproute2 iputils-ping iperf3 ethtool ipset \
	iptables can-utils
SELFTEST_PKGS := $(RUN_PKGS) iputils-arping jq ndisc6 net-tools \
	netcat-openbsd netsniff-ng nftables procps python3-pyroute2 smcroute \
	socat tcpdump
DOCS_PKGS := $(BUILD_PKGS) python3-sphinx python3-yaml graphviz

TASKS := tree refresh series kunit check check-all check-gdb mutants coverage \
	docs memory bench selftests run clean

.PHONY: help $(TASKS)
help: ## list the tasks (this list)
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

# One run at a time in a checkout.
ifndef LOCKED
$(TASKS):
	@mkdir -p build
	@flock -n -E 75 -o build/.lock $(MAKE) LOCKED=1 $@ || { \
		status=$$?; \
		[ $$status != 75 ] || echo "another make is at work in this" \
			"checkout: wait for it, or stop it" >&2; \
		exit $$status; }
else

# DEPS=check goes no further than the packages.
DO := @$(if $(filter check,$(DEPS)),:)
# With ASIS=1 what is in build/linux is taken, committed or not.
COMPOSE := $(DO) $(if $(ASIS),:,scripts/compose)

tree: ## compose build/linux: the base and a commit for each patch
	@scripts/deps $(TREE_PKGS)
	$(COMPOSE)

refresh: ## write the commits of build/linux back to patches/ and files
	@scripts/refresh

series: ## write the mails of the series to build/mail
	@scripts/deps $(TREE_PKGS)
	$(COMPOSE)
	$(DO) scripts/series

kunit: ## run the KUnit suite in QEMU
	@scripts/deps $(BUILD_PKGS)
	$(COMPOSE)
	$(DO) scripts/check

check: ## run the KUnit suite, the samples, and the checks of our scripts
	@scripts/deps $(sort $(CHECK_PKGS) $(RUN_PKGS))
	$(COMPOSE)
	$(DO) scripts/check --all

# CELLS="a b" takes those of configs/cells.
check-all: ## run the KUnit suite on each configuration of the matrix
	@scripts/deps $(BUILD_PKGS)
	$(COMPOSE)
	$(DO) scripts/check-all

check-gdb: ## run lx-netns-generic of scripts/gdb on guests and a vmcore
	@scripts/deps $(sort $(BUILD_PKGS) $(RUN_PKGS)) gdb
	$(COMPOSE)
	$(DO) scripts/check-gdb

# M="NAME NAME" runs those.
mutants: ## put each bug of tests/mutations back, which must be caught
	@scripts/deps $(sort $(BUILD_PKGS) $(RUN_PKGS))
	$(COMPOSE)
	$(DO) scripts/mutants $(M)

coverage: ## print which lines and branches of the series are run
	@scripts/deps $(BUILD_PKGS) gcovr
	$(COMPOSE)
	$(DO) scripts/coverage

docs: ## build the page of the series by Sphinx, and check what it names
	@scripts/deps $(DOCS_PKGS)
	$(COMPOSE)
	$(DO) scripts/docs

# NETNS=n namespaces.
memory: ## print what an idle netns costs, by module, base beside series
	@scripts/deps $(sort $(BUILD_PKGS) $(RUN_PKGS)) gnuplot-nox
	$(COMPOSE)
	$(DO) scripts/memory

bench: ## time and weigh base beside series: uses, loads, namespaces, ids
	@scripts/deps $(RUN_PKGS)
	$(COMPOSE)
	$(DO) scripts/bench

# T="WORD WORD" runs those that have one of the words, in tests/selftests.
selftests: ## run upstream's selftests of the modules, base beside series
	@scripts/deps $(SELFTEST_PKGS)
	$(COMPOSE)
	$(DO) scripts/selftests $(T)

# BASE=1 tours the base as well, GUEST=shell gives a prompt, NETNS=n namespaces.
# GUEST="vxlan NAME" puts a module's states and failures to the test, as mutants
# do, STEPS="idle NAME" those steps of it, and CELL=kasan under KASAN.
run: ## tour the modules in QEMU, carrying packets
	@scripts/deps $(RUN_PKGS)
	$(COMPOSE)
	$(DO) scripts/run

clean: ## remove build/ (the downloads in ~/.cache stay)
	@du -sh build 2>/dev/null | sed 's/\t.*/ freed by removing build/'
	@rm -rf build

endif
