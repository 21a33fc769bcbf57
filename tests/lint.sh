#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# Our scripts under shellcheck, shfmt, flake8 and pylint, a licence in each file,
# and each commit of the series under checkpatch as netdev's CI runs it.
set -uo pipefail
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

ours() {
	find . \( -path ./build -o -path ./.git \) -prune -o -type f -print
}

# written_in INTERPRETER: the files whose first line names it
written_in() {
	# shellcheck disable=SC2016
	ours | xargs -d '\n' awk -v by="^#!.*[/ ]($1)( |$)" '
		FNR == 1 && $0 ~ by { print FILENAME }
		{ nextfile }'
}

mapfile -t shell < <(written_in 'sh|bash')
# With -a, the files that these source as well
shellcheck -xa "${shell[@]}" >"$tmp/shellcheck" 2>&1 &
shellcheck=$!
mapfile -t python < <(ours | grep '\.py$')
# gdb has the modules of scripts/gdb, and says what their classes are
PYTHONPATH=guest pylint -s n --ignored-modules=gdb,linux \
	--min-public-methods=1 --ignored-argument-names=from_tty \
	"${python[@]}" >"$tmp/pylint" 2>&1 &
pylint=$!
passes "flake8 of ${#python[@]} files" flake8 "${python[@]}"
# The selftest that lands has the style of the kernel's
mapfile -t own < <(printf '%s\n' "${shell[@]}" | grep -v '^./tools/')
passes "shfmt of ${#own[@]} scripts" shfmt -d "${own[@]}" tests/lib scripts/lib/*.sh
# REUSE.toml speaks for the rest
same "each file names its licence" "" "$(ours |
	grep -vE '^./((patches|mutations|benchmark/today)/.*\.patch|patches/cover-letter.*)$' |
	grep -vE '^./(results/.*|COPYING|MAINTAINERS|net/core/.kunitconfig)$' |
	xargs -d '\n' grep -L SPDX-License-Identifier)"

# netdev's CI ignores these. Whoever mails a patch signs it off then, and a base
# that is no clone knows no commit.
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

# ended TEXT PID OUTPUT
ended() {
	local status=0
	wait "$2" || status=$?
	mv "$3" "$tmp/out"
	result $status "$1"
}
ended "shellcheck of ${#shell[@]} scripts" $shellcheck "$tmp/shellcheck"
ended "pylint of ${#python[@]} files" $pylint "$tmp/pylint"

done_testing
