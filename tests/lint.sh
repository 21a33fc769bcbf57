#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Our scripts under shellcheck (and flake8 and pylint, where there is Python),
# each commit of the series under checkpatch as netdev's CI runs it.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

# written_in INTERPRETER: the files whose first line names it
written_in() {
	# shellcheck disable=SC2016
	find . -path ./build -prune -o -path ./.git -prune -o -type f -print0 |
		xargs -0 awk -v by="^#!.*[/ ]($1)( |$)" '
			FNR == 1 && $0 ~ by { print FILENAME }
			{ nextfile }'
}

mapfile -t shell < <(written_in 'sh|bash')
shellcheck -x "${shell[@]}" >"$tmp/shellcheck" 2>&1 &
mapfile -t python < <(written_in 'python3?'; find . -path ./build -prune -o \
	-name '*.py' -print)
if [ ${#python[@]} != 0 ]; then
	passes "flake8" flake8 "${python[@]}"
	# gdb has the modules of scripts/gdb, and says what their classes are
	passes "pylint" pylint -s n --ignored-modules=gdb,linux \
		--min-public-methods=1 --ignored-argument-names=from_tty \
		"${python[@]}"
fi

# What netdev's CI ignores; we sign off when we mail, and a base that is no
# clone knows no commit.
ignored=COMMIT_LOG_LONG_LINE,MACRO_ARG_REUSE,ALLOC_SIZEOF_STRUCT
ignored+=,NO_AUTHOR_SIGN_OFF,GIT_COMMIT_ID,CAMELCASE,FILE_PATH_CHANGES
ignored+=,BAD_REPORTED_BY_LINK,MISSING_SIGN_OFF,UNKNOWN_COMMIT_ID
cd build/linux || exit
for commit in $(git rev-list --reverse base..series); do
	passes "checkpatch: $(git log -1 --format=%s "$commit")" \
		scripts/checkpatch.pl -q --strict --show-types --no-summary \
		--max-line-length=80 --ignore="$ignored" -g "$commit"
done
run scripts/kernel-doc -Wall -none "$repo/include/net/netns/generic.h"
same "kernel-doc of the header" "" "$(cat "$tmp/out")"

wait $!
status=$?
mv "$tmp/shellcheck" "$tmp/out"
result $status "shellcheck of ${#shell[@]} scripts"

exit $failed
