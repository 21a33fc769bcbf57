#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What make selftests makes of two logs, and that its tests are upstream's.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

copy "$tmp/a"
cd "$tmp/a" || exit
mkdir -p build/selftests

# compared STATUS LAST-LINE TEXT: base's log is in $tmp/base, series' in stdin
compared() {
	local status
	cat >build/selftests/series.log
	cp "$tmp/base" build/selftests/base.log
	run scripts/selftests --compare
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
compared 0 "3 passed, 0 failed" "the same is no failure, a skip no pass" \
	<"$tmp/base"
log "${said[@]/ OK /FAIL}" "end 0 5" |
	compared 1 "2 passed, 1 failed" "a failure of a script that exits 0"
log "${said[@]/PASS/SKIP}" "end 0 5" |
	compared 1 "2 passed, 1 failed" "what is skipped on the series alone"
log "${said[@]:1}" "end 0 5" |
	compared 1 "2 passed, 1 failed" "a test that the series does not come to"
log "${said[@]}" "end 124 5" |
	compared 1 "3 passed, 1 failed" "a script that does not end"
log "${said[@]}" "splat [    1.5] WARNING: at x.c:5" "end 0 5" |
	compared 1 "3 passed, 1 failed" "a warning of the kernel"
log "${said[@]}" "| RTNETLINK answers: Invalid argument" "end 0 5" |
	compared 1 "3 passed, 1 failed" "an error of which the script says nothing"
log "${said[0]}" "end crash 0" |
	compared 1 "1 passed, 3 failed" "a kernel that dies"

log "| SKIP: no tool" "end 4 1" >"$tmp/base"
compared 0 "0 passed, 0 failed" "skipped on both is not run" <"$tmp/base"
log "| Error: no a-x8Zpq1 at 0x12ab" "end 1 1" >"$tmp/base"
log "| Error: no a-yyZpq2 at 0x12ac" "end 1 1" |
	compared 0 "0 passed, 0 failed" "failed on both, in the same words"
log "end 0 5" | compared 0 "1 passed, 0 failed" "the series mends it"

cd "$repo" || exit
sed -n 's/^[0-9]*\t[a-z0-9_,]*\t\([^ ]*\).*/\1/p' tests/selftests | sort -u |
	xargs printf 'tools/testing/selftests/%s\n' >"$tmp/named"
xargs git -C build/linux ls-tree --name-only base <"$tmp/named" >"$tmp/there"
same "tests/selftests names upstream's" "$(cat "$tmp/named")" \
	"$(cat "$tmp/there")"

exit $failed
