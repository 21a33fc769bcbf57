# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Builds kernels for QEMU guests with user space. Source tree.sh first. Run the
# functions that build through stage: they rely on errexit to report errors.

today=build/today/linux
# The fragments of a kernel for the programs of guest/
modular=(guest machine modular)
# For tests that wait for hundreds of grace periods: RCU looks for quiescent
# states without delay.
rcu=(rcutree.jiffies_till_first_fqs=0 rcutree.jiffies_till_next_fqs=1)
# Further arguments for make
words=()

# cell_key CELL KEY [DEFAULT]: the value of the line `#: KEY=VALUE` in
# configs/cells/CELL
cell_key() {
	local value
	value=$(sed -n "s/^#: $2=//p" "configs/cells/$1")
	echo "${value:-${3-}}"
}

# need_cell CELL
need_cell() {
	[ -f "configs/cells/${1:-none}" ] ||
		fail "no cell '$1', there are: $(cd configs/cells && echo *)"
}

# program NAME: the path of a program of guest/
program() {
	local path
	for path in "guest/$1" "guest/$1.py" "guest/state/$1.py"; do
		[ ! -f "$path" ] || [ ! -x "$path" ] || {
			echo "$path"
			return
		}
	done
	fail "no program '$1' in guest/ or guest/state/"
}

# kmake TREE OUT TARGET...
kmake() {
	make -C "$1" O="$PWD/$2" LOCALVERSION= CC="ccache gcc" \
		-j"$(nproc)" "${words[@]}" "${@:3}"
}

# configure TREE OUT CONFIG...: configures OUT with the fragments
# configs/CONFIG. Fails if Kconfig drops one of their lines.
configure() {
	local dropped configs=("${@:3}")
	mkdir -p "$2"
	cat "${configs[@]/#/configs/}" >"$2/wanted"
	KCONFIG_ALLCONFIG=$PWD/$2/wanted kmake "$1" "$2" allnoconfig
	dropped=$(grep '^CONFIG_' "$2/wanted" | grep -vxFf "$2/.config") ||
		return 0
	echo "${configs[*]/#/configs/}: Kconfig of this tree drops:" "$dropped" >&2
	return 1
}

# modules DIR TREE OUT: builds our modules in DIR, to OUT/NAME
modules() {
	local name=${1##*/}
	[ "$name" != ko ] || name=guest
	kmake "$2" "$3" M="$PWD/$1" MO="$PWD/$3/$name" modules
}

# compile TREE OUT CONFIG...: builds the kernel, and installs its modules to
# OUT/installed. Without CONFIG, OUT keeps its configuration.
compile() {
	[ $# = 2 ] || configure "$@"
	kmake "$1" "$2" all
	kmake "$1" "$2" modules_install INSTALL_MOD_STRIP=1 \
		INSTALL_MOD_PATH="$PWD/$2/installed"
}

# compile_module TREE OUT KO: builds one module only. Building it as an external
# module takes half as many processes. modpost only warns about unknown symbols,
# because its list may lack the symbols of other modules.
compile_module() {
	local part=$2/part/${3%/*}
	kmake "$1" "$2" M="${3%/*}" MO="$PWD/$part" KBUILD_MODPOST_WARN=1 "${3##*/}"
	strip -g -o "$2/installed/lib/modules/"*"/kernel/$3" "$part/${3##*/}"
}

# compile_guest TREE OUT [CELL]: builds the modular kernel with the checkers,
# the lines of CELL, the samples of the series and the modules of guest/ko
compile_guest() {
	local configs=("${modular[@]}" checkers)
	[ ! -d "$1/samples/netns_generic" ] || configs+=(samples)
	compile "$1" "$2" "${configs[@]}" ${3:+"cells/$3"}
	if [ -d "$1/samples/netns_generic" ]; then
		modules guest/ko "$1" "$2"
	fi
}

# worktree DIR: makes a worktree of the base in DIR, or renews one of another
# base
worktree() {
	local commit
	commit=$(in_tree rev-parse base)
	[ "$(git -C "$1" rev-parse HEAD 2>/dev/null)" != "$commit" ] || return 0
	rm -rf "${1%/linux}"
	in_tree worktree prune
	in_tree worktree add --detach "$PWD/$1" base
}

base_tree() {
	worktree "$base"
}

# Makes a worktree of the base with the patches of benchmark/today
today_tree() {
	local patch
	worktree "$today"
	git -C "$today" checkout -q -f .
	for patch in benchmark/today/*.patch; do
		git -C "$today" apply "$PWD/$patch"
	done
}
