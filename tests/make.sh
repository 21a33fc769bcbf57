#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Makefile, and what stands before and around each task: deps and stage.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

copy "$tmp/a"
cd "$tmp/a" || exit

# shellcheck disable=SC2016
mapfile -t tasks < <(make -s --eval='print: ; @printf "%s\n" $(TASKS)' print)
same "make lists each task" "$(printf '%s\n' help "${tasks[@]}" | sort)" \
	"$(make | cut -d' ' -f1 | sort)"

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
printf '#!/bin/sh\nexit 3' >scripts/refresh
run make refresh
[ $? = 2 ] && ! grep -q "another make" "$tmp/out"
result $? "a task that fails is a make that fails"

# deps, with apt and the user as they may be
DEPS=check passes "deps: all there" scripts/deps dpkg tar
same "deps: one line, if all there" 1 "$(wc -l <"$tmp/out")"
DEPS=check refuses "deps: DEPS=check names what is missing" \
	"missing: no-such-package" scripts/deps dpkg no-such-package
for name in dpkg-query env mkdir tail; do
	mkdir -p "$tmp/few"
	ln -s "$(command -v $name)" "$tmp/few"
done
# shellcheck disable=SC2317
few() {
	PATH=$tmp/few "$PWD/scripts/deps" "$@"
}
printf '#!/bin/sh\necho 1000' >"$tmp/few/id"
chmod +x "$tmp/few/id"
refuses "deps: not root, no sudo" \
	"not root and no sudo: as root, apt-get install no-such-package" \
	few no-such-package
printf '#!/bin/sh\necho sudo >>%s\nexec "$@"' "$tmp/did" >"$tmp/few/sudo"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "$@" >>%s\necho reason\nexit ${APT-0}' "$tmp/did" \
	>"$tmp/few/apt-get"
chmod +x "$tmp/few/sudo" "$tmp/few/apt-get"
passes "deps: apt-get by sudo" few no-such-package
same "deps: what it runs" "sudo
-q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends no-such-package" \
	"$(cat "$tmp/did")"
export APT=100
refuses "deps: apt that fails" "apt could not install them" few no-such-package
grep -q '^reason' "$tmp/out" && grep -q build/log/deps.log "$tmp/out"
result $? "deps: apt's last lines and the log's name"
rm "$tmp/few/dpkg-query"
refuses "deps: no dpkg" "no dpkg here" few tar

# stage
run scripts/stage demo . 0 sh -c 'echo the reason >&2; exit 7'
same "stage: the status of what failed" 7 $?
run scripts/stage demo . 0 sh -c 'echo the reason >&2; exit 7'
grep -q build/log/demo.log "$tmp/out" && grep -q 'the reason' "$tmp/out"
result $? "stage: the log's name and last lines"
run scripts/stage demo build 9 true
same "stage: one line, not on a terminal" 1 "$(tr '\r' '\n' <"$tmp/out" | wc -l)"
rm -f pid
scripts/stage demo . 0 sh -c 'sleep 100 & echo $! >pid; wait' >"$tmp/out" &
await [ -s pid ]
kill $!
# shellcheck disable=SC2317
gone() {
	! kill -0 "$(cat pid)"
} 2>/dev/null
await gone
result $? "stage: nothing goes on when it is stopped"
gone || kill "$(cat pid)"

# check-all
printf '#!/bin/sh\nsleep 100 & echo $! >pid; wait' >scripts/suite
rm pid
CELLS=x86_64 scripts/check-all >"$tmp/out" 2>&1 &
await [ -s pid ]
kill $!
await gone
result $? "check-all: nothing goes on when it is stopped"
gone || kill "$(cat pid)"

exit $failed
