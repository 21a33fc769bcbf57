#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# The comparison of two logs by make selftests, and the names of the tests.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

# compared STATUS LAST-LINE TEXT: base's log is in $tmp/base, series' in stdin
compared() {
	local status
	cat >"$tmp/series"
	run scripts/report/selftests.py "$tmp/base" "$tmp/series" "$tmp/csv"
	status=$?
	[ $status = "$1" ] && [ "$(tail -n 1 "$tmp/out")" = "$2" ]
	result $? "$3"
}

log() {
	printf '%s\n' "begin 1 net/a.sh" "$@"
}

said=("| TEST: a thing       [ OK ]" "| PASS: another"
	"| ok 3 a third" "| TEST: this one [SKIP]")
log "${said[@]}" "end 0 5" >"$tmp/base"
compared 0 "3 passed, 0 failed, 1 skipped" "equal logs: a skip is no pass" \
	<"$tmp/base"
same "the results as CSV" "test,subtest,base,series,verdict
net/a.sh,a thing,OK,OK,passed
net/a.sh,another,OK,OK,passed
net/a.sh,a third,OK,OK,passed
net/a.sh,this one,SKIP,SKIP,not run" "$(cat "$tmp/csv")"
log "${said[@]/ OK /FAIL}" "end 0 5" |
	compared 1 "2 passed, 1 failed, 1 skipped" \
		"a failure of a script that exits 0"
log "${said[@]/PASS/SKIP}" "end 0 5" |
	compared 1 "2 passed, 1 failed, 1 skipped" \
		"a test skipped on the series alone"
log "${said[@]:1}" "end 0 5" |
	compared 1 "2 passed, 1 failed, 1 skipped" \
		"a test that the series does not come to"
log "${said[@]}" "end 124 5" |
	compared 1 "3 passed, 1 failed, 1 skipped" "a script that does not end"
log "${said[@]}" "splat [    1.5] WARNING: at x.c:5" "end 0 5" |
	compared 1 "3 passed, 1 failed, 1 skipped" "a warning of the kernel"
log "${said[@]}" "| RTNETLINK answers: Invalid argument" "end 0 5" |
	compared 1 "3 passed, 1 failed, 1 skipped" \
		"an error that the script does not count"
log "${said[0]}" "end crash 0" |
	compared 1 "1 passed, 3 failed, 0 skipped" "a kernel that dies"
: | compared 1 "0 passed, 3 failed, 0 skipped" "a kernel that runs no test"

log "| SKIP: no tool" "end 4 1" >"$tmp/base"
compared 0 "0 passed, 0 failed, 1 skipped" "a script skipped on both" \
	<"$tmp/base"
log "| Error: no a-x8Zpq1 at 0x12ab" "end 1 1" >"$tmp/base"
log "| Error: no a-yyZpq2 at 0x12ac" "end 1 1" |
	compared 0 "0 passed, 0 failed, 0 skipped" \
		"a failure on both, in the same words"
log "end 0 5" | compared 0 "1 passed, 0 failed, 0 skipped" \
	"a failure on the base alone"

sed -n 's/^[0-9]*\t[a-z0-9_,]*\t\([^ ]*\).*/\1/p' configs/selftests.list |
	sort -u | xargs printf 'tools/testing/selftests/%s\n' >"$tmp/named"
xargs git -C build/linux ls-tree --name-only base <"$tmp/named" >"$tmp/there"
same "configs/selftests.list names upstream's" "$(cat "$tmp/named")" \
	"$(cat "$tmp/there")"

done_testing
