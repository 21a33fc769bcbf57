# SPDX-License-Identifier: GPL-2.0
#
# The tasks. `make` lists them with their variables. Logs are in build/log.

SHELL := /bin/bash
.SHELLFLAGS := -pc
MAKEFLAGS += --no-print-directory

ifneq ($(words $(subst :, ,$(CURDIR))),1)
$(error The kernel's build takes no path with a space or colon: move this checkout)
endif

# Objects must not depend on the path of the checkout. Do not set CCACHE_DEPEND:
# ccache then misses that piggy.S includes the kernel, and an old kernel boots.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

TREE_PKGS := git xz-utils python3
BUILD_PKGS := $(TREE_PKGS) gcc libc6-dev flex bison bc libelf-dev libssl-dev \
	ccache qemu-system-x86
RUN_PKGS := $(BUILD_PKGS) kmod iproute2 iputils-ping iperf3 ethtool ipset \
	iptables can-utils
CHECK_PKGS := $(RUN_PKGS) perl shellcheck shfmt flake8 pylint
SELFTEST_PKGS := $(RUN_PKGS) iputils-arping jq ndisc6 net-tools \
	netcat-openbsd netsniff-ng nftables procps python3-pyroute2 smcroute \
	socat tcpdump
DOCS_PKGS := $(BUILD_PKGS) python3-sphinx python3-yaml graphviz

TASKS := tree refresh series kunit check matrix states coverage mutants docs \
	check-gdb selftests memory bench run shell clean

.PHONY: help $(TASKS)

# In the rules below, `##@` begins a group of the list. `##` gives the task's
# effect | its variables | its rough time and disk usage from scratch.
help: ## list the tasks
	@awk -F ' *(:.*## |[|]) *' '/^##@/ { print substr($$0, 4) ":" } \
		/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2; \
			if (NF > 2) printf "  %10s %s\n", "", $$3 \
				($$3 && $$4 ? "; " : "") $$4 }' Makefile

# One run at a time in a checkout. The tasks of one command line take turns.
.NOTPARALLEL:
ifndef LOCKED
GOALS := $(filter $(TASKS),$(MAKECMDGOALS))
ifneq ($(GOALS),)
$(firstword $(GOALS)):
	+@mkdir -p build
	@flock -n -E 75 -o build/.lock $(MAKE) LOCKED=1 $(GOALS) || { \
		status=$$?; \
		[ $$status != 75 ] || echo "another make is at work in this" \
			"checkout: wait for it, or stop it" >&2; \
		exit $$status; }
endif
$(filter-out $(firstword $(GOALS)),$(TASKS)):
	@:
else

# With DEPS=check, a task stops after it has named the missing packages.
DO := @$(if $(filter check,$(DEPS)),:)
# With ASIS=1, a task uses build/linux as it is, committed or not.
COMPOSE := $(DO) $(if $(ASIS),:,scripts/compose)

##@ The series
tree: ## compose build/linux: the base and a commit for each patch | KERNEL=/path, KERNEL=package | 1 min, 2 GB
	@scripts/deps $(TREE_PKGS)
	$(COMPOSE)

refresh: ## write the commits of build/linux back to patches/ and whole files
	@scripts/refresh

series: ## write the mails of the series to build/mail | MAILING=n, VERSION=n
	@scripts/deps $(TREE_PKGS)
	$(COMPOSE)
	$(DO) scripts/series

docs: ## build the documentation page with Sphinx, and check the names in it | | 3 min
	@scripts/deps $(DOCS_PKGS)
	$(COMPOSE)
	$(DO) scripts/docs

##@ Tests
kunit: ## run the KUnit suite in QEMU | ASIS=1 | 10 min, 3 GB
	@scripts/deps $(BUILD_PKGS)
	$(COMPOSE)
	$(DO) scripts/check

check: ## run the KUnit suite, the sample modules, and the tests of our scripts | AGAIN=1, ASIS=1 | 18 min, 4 GB
	@scripts/deps $(CHECK_PKGS)
	$(COMPOSE)
	$(DO) scripts/check --all

matrix: ## run the KUnit suite on each cell of configs/cells | ONLY="kasan rt", KEEP=1, AGAIN=1 | 3 h, 6 GB
	@scripts/deps $(BUILD_PKGS)
	$(COMPOSE)
	$(DO) scripts/matrix

states: ## test the conversions in QEMU: NULL, first use, failures, teardown | ONLY="vxlan can", STEPS="idle first", CELL=kasan | 25 min, 4 GB
	@scripts/deps $(RUN_PKGS)
	$(COMPOSE)
	$(DO) scripts/states

mutants: ## apply each bug of mutations/: a test must fail | ONLY="vxlan-* copy-bytes", KEEP=1 | 1 h, 10 GB
	@scripts/deps $(RUN_PKGS)
	$(COMPOSE)
	$(DO) scripts/mutants.py

coverage: ## list the changed lines and branches that no test runs | KEEP=1 | 25 min, 6 GB
	@scripts/deps $(RUN_PKGS) gcovr
	$(COMPOSE)
	$(DO) scripts/coverage.py

check-gdb: ## test lx-netns-generic of scripts/gdb on guests and a vmcore | | 15 min, 5 GB
	@scripts/deps $(RUN_PKGS) gdb
	$(COMPOSE)
	$(DO) scripts/check-gdb

selftests: ## run the upstream selftests of the modules on base and series | ONLY="vxlan", KEEP=1 | 5 h, 6 GB
	@scripts/deps $(SELFTEST_PKGS)
	$(COMPOSE)
	$(DO) scripts/selftests

##@ Measurements
memory: ## print the bytes of one more unused netns, by module, on base and series | NETNS=n, KEEP=1 | 45 min, 8 GB, 4 GB of memory
	@scripts/deps $(RUN_PKGS) gnuplot-nox
	$(COMPOSE)
	$(DO) scripts/memory

bench: ## time first uses, loads, namespaces and ids: base, today's API, series | NETNS=n, ROUNDS=n, KEEP=1 | 40 min, 8 GB
	@scripts/deps $(RUN_PKGS) gnuplot-nox
	$(COMPOSE)
	$(DO) scripts/bench

##@ Demonstration, and tidying up
run: ## demonstrate vxlan in QEMU, with traffic through a tunnel | BASE=1, NETNS=n | 20 min, 4 GB
	@scripts/deps $(RUN_PKGS)
	$(COMPOSE)
	$(DO) scripts/tour

shell: ## open a shell in that guest
	@scripts/deps $(RUN_PKGS)
	$(COMPOSE)
	$(DO) scripts/tour shell

clean: ## remove build/; the downloads in ~/.cache stay
	@du -sh build 2>/dev/null | sed 's/\t.*/ freed by removing build/'
	@rm -rf build

endif
