# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For all scripts that use build/linux: paths, and a parser for patch files.
# Source this file first, because it cleans the environment.
#
# A patch file is a mail: the subject, the message, and below the line `---`
# the whole files that land with it and the edits to the kernel's own files.

# shellcheck source=scripts/lib/clean.sh
. "${BASH_SOURCE[0]%/*}/clean.sh"

tree=build/linux
# Each tree has the same path relative to its build directory. ccache hashes
# this path, so files that two trees share are compiled once.
base=build/base/linux
# A fingerprint of the input of compose, and the resulting commit
record=$tree/.git/composed

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# is_full DIR: true if DIR has less than 1 MB or no inode left
is_full() {
	df --output=avail,itotal,iavail "$1" 2>/dev/null | awk '
		NR == 2 { full = $1 < 1024 || $2 > 0 && $3 == 0 }
		END { exit !full }'
}

# cannot TEXT...: fails after a program has printed the reason
cannot() {
	if is_full build; then
		fail "cannot $*: the disk is full"
	fi
	fail "cannot $*, see above"
}

in_tree() {
	git -C "$tree" "$@"
}

patches() {
	sed '/^#/d; /^$/d' patches/series
}

message() {
	sed -e '1s/^Subject: //' -e '/^---$/,$d' "patches/$1"
}

# lands PATCH...
lands() {
	sed -sn '/^---$/,/^diff /s/^Lands: //p' "${@/#/patches/}" </dev/null
}

edits() {
	sed -n '/^---$/,${ /^diff --git /,$p }' "patches/$1"
}

# identity: "NAME <MAIL>"; nothing, if the user has none
identity() {
	# shellcheck disable=SC2153
	[ "$GIT_COMMITTER_EMAIL" = "$nobody" ] ||
		echo "$GIT_COMMITTER_NAME <$GIT_COMMITTER_EMAIL>"
}

# A fingerprint of the base and of all files that the tree is composed from
fingerprint() {
	local p
	mapfile -t p < <(patches)
	{
		in_tree rev-parse base
		cat patches/series "${p[@]/#/patches/}"
		lands "${p[@]}" | xargs -r ls -l | cut -c4
		lands "${p[@]}" | xargs -r cat
	} 2>/dev/null | sha256sum | cut -d' ' -f1
}

# remember PRINTS COMMIT
remember() {
	printf '%s\n%s\n' "$1" "$2" >"$record.new" && mv "$record.new" "$record"
}

# Fails if the tree has changes that compose or refresh would overwrite.
tree_is_clean() {
	local changes
	changes=$(in_tree --no-optional-locks status --porcelain -unormal) ||
		fail "git cannot read $tree, see above"
	[ -z "$changes" ] ||
		fail "$tree has uncommitted changes: commit them there," \
			"or drop them (git -C $tree stash -u), then try again"
	[ "$(in_tree symbolic-ref -q HEAD)" = refs/heads/series ] ||
		fail "$tree is not on its branch series: end the rebase, or" \
			"git -C $tree checkout series, then try again"
}

# A tree composed on a clone has its own copy of the base, and borrows the older
# history from the clone. If the clone is gone, make the tree shallow.
outlive_clone() {
	local link=$tree/.git/objects/info/alternates
	[ -f "$link" ] && [ ! -d "$(cat "$link")" ] &&
		in_tree cat-file -e 'base^{tree}' 2>/dev/null || return 0
	in_tree rev-parse base >"$tree/.git/shallow" 2>/dev/null && rm "$link"
}
