# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Keeps the results of cells that passed. build/cells/CELL.kept has a
# fingerprint of the inputs, and the line of the result. Needs tree.sh and
# kernel.sh.

# cell_print CELL [FILE]...: a fingerprint of the tree with its uncommitted
# changes, of the cell, and of the files that run the cell
cell_print() {
	local over files
	read -ra over <<<"$(cell_key "$1" over)"
	files=(scripts/lib/*.sh scripts/{suite,boot,report/kunit.py}
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

# kept CELL PRINT: prints the kept result for PRINT. Returns false if there is
# none, or with AGAIN=1.
kept() {
	[ -z "${AGAIN-}" ] &&
		[ "$(sed -n 1p "build/cells/$1.kept" 2>/dev/null)" = "$2" ] &&
		sed -n 2p "build/cells/$1.kept"
}

# forget CELL: for a run that replaces its kernel
forget() {
	rm -f "build/cells/$1.kept"
}

# keep CELL PRINT LINE
keep() {
	mkdir -p build/cells
	printf '%s\n' "$2" "$3" >"build/cells/$1.kept"
}
