# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Keeps the results of cells that passed: build/cells/CELL.kept has what the
# result depends on, and the result's line. Needs tree.sh and kernel.sh.

# cell_print CELL [FILE]...: a fingerprint of the tree as it stands, of the cell,
# and of the files that run it
cell_print() {
	local over files
	read -ra over <<<"$(cell_key "$1" over)"
	files=(scripts/lib/{tree,stage,kernel,count}.sh scripts/{suite,boot}
		"$(cell_key "$1" run scripts/suite)" guest/{init,lib.py,suite.py}
		configs/{kunit,splats} "${over[@]}" "configs/cells/$1")
	{
		in_tree rev-parse 'HEAD^{tree}'
		in_tree diff HEAD
		(cd "$tree" && git ls-files -oz --exclude-standard |
			xargs -0r sha256sum)
		cat "${files[@]}" "${@:2}"
	} | sha256sum | cut -d' ' -f1
}

# kept CELL PRINT: the line of the result that is kept for PRINT. False if none is,
# or if AGAIN=1.
kept() {
	[ -z "${AGAIN-}" ] &&
		[ "$(sed -n 1p "build/cells/$1.kept" 2>/dev/null)" = "$2" ] &&
		sed -n 2p "build/cells/$1.kept"
}

# keep CELL PRINT LINE
keep() {
	mkdir -p build/cells
	printf '%s\n' "$2" "$3" >"build/cells/$1.kept"
}
