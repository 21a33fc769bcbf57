# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Counts results: each check passed, failed, or was skipped. A check that could
# not run counts as failed.

passed=0
failed=0
skipped=0

# count PASSED FAILED SKIPPED
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

ok() {
	count 1 0 0
	echo "ok - $*"
}

not_ok() {
	count 0 1 0
	echo "not ok - $*"
}

# result STATUS TEXT
result() {
	if [ "$1" = 0 ]; then
		ok "$2"
	else
		not_ok "$2"
	fi
}

# count_line LINE: adds the counts of "[NAME: ]N passed, N failed, N skipped".
# Returns false if LINE has another form.
count_line() {
	local words
	[[ ${1#*: } =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped ]] ||
		return
	words=("${BASH_REMATCH[@]:1}")
	count "${words[@]}"
}

# Prints the counts. Returns false if anything failed or nothing passed.
summary() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" != 0 ]
}
