#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# The Makefile, and what runs each task: stage and matrix.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

copy "$tmp/a"
cd "$tmp/a" || exit

# shellcheck disable=SC2016
mapfile -t tasks < <(make -s --eval='print: ; @printf "%s\n" $(TASKS)' print)
same "make lists each task" "$(printf '%s\n' help "${tasks[@]}" | sort)" \
	"$(make | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | sort)"

mkdir "$tmp/a b"
cp Makefile "$tmp/a b"
refuses "a path with a space" "no path with a space" make -C "$tmp/a b"

printf '#!/bin/sh\nsleep 100 & echo $! >pid; wait' >scripts/refresh
make refresh >"$tmp/first" 2>&1 &
await [ -s pid ]
refuses "a second make in one checkout" "another make is at work" make refresh
kill "$(cat pid)"
wait $!
passes "then it has its turn" make clean
# Without its turn, the second task would find the first one at work
for name in compose refresh series; do
	printf '#!/bin/sh\nmkdir turn && sleep 0.3 && rmdir turn && echo %s' \
		$name >scripts/$name
done
passes "make -j4 with three tasks" make -j4 tree refresh series
same "they take turns, in their order" "compose refresh compose series" \
	"$(grep -v '^deps' "$tmp/out" | xargs)"
printf '#!/bin/sh\nexit 3' >scripts/refresh
run make refresh
[ $? = 2 ] && ! grep -q "another make" "$tmp/out"
result $? "a task that fails is a make that fails"

# stage
demo() {
	(
		. scripts/lib/stage.sh
		stage "$@"
	)
}
run demo demo . 0 sh -c 'echo the reason >&2; exit 7'
same "stage: the status of the step that failed" 7 $?
run demo demo . 0 sh -c 'echo the reason >&2; exit 7'
grep -q build/log/demo.log "$tmp/out" && grep -q 'the reason' "$tmp/out"
result $? "stage: the log's name and last lines"
run demo demo build 9 true
same "stage: one line, not on a terminal" 1 "$(tr '\r' '\n' <"$tmp/out" | wc -l)"
broken() {
	false
	echo not reached
}
set +e
run demo demo . 0 broken
same "stage: a function ends at its first error" 1 $?
rm -f pid
bash -c '. scripts/lib/stage.sh
	stage demo . 0 sh -c "sleep 100 & echo \$! >pid; wait"' >"$tmp/out" &
await [ -s pid ]
kill $!
gone() {
	! kill -0 "$(cat pid)"
} 2>/dev/null
await gone
result $? "stage: nothing goes on when it is stopped"
gone || kill "$(cat pid)"

# matrix
printf '#!/bin/sh\nsleep 100 & echo $! >pid; wait' >scripts/suite
rm pid
mkdir -p build/linux
git -C build/linux init -q
git -C build/linux -c user.name=a -c user.email=a commit -q --allow-empty -m base
ONLY=x86_64 scripts/matrix >"$tmp/out" 2>&1 &
await [ -s pid ]
kill $!
await gone
result $? "matrix: nothing goes on when it is stopped"
gone || kill "$(cat pid)"
refuses "matrix: a cell that is not there" "no cell 'none', there are: arm64" \
	env ONLY=none scripts/matrix

done_testing
