#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# The mails of make series follow netdev's rules, and give the composed tree.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

kernel "$tmp/kernel"
copy "$tmp/a"
cd "$tmp/a" || exit
sed -i '/^# mailing:/,$d' patches/series
n=$(grep -c '^[^#]' patches/series)

# mails WORDS: those that have them
mails() {
	grep -lE -- "$1" build/mail/* | wc -l
}

export KERNEL=$tmp/kernel
run scripts/compose
refuses "no mails without an identity" "git config --global user.name" \
	scripts/series
git config --global user.name "A U Thor"
git config --global user.email author@example.org
run scripts/compose
passes "the mails are written" scripts/series
same "a cover letter and $n mails" $((n + 1)) "$(mails .)"
grep -q "^Subject: \[PATCH net-next 0*/$n\] $(head -n 1 patches/cover-letter)" \
	build/mail/0000-cover-letter.patch
result $? "the cover letter comes first and has its subject"
same "[PATCH net-next k/$n] in order" "$(seq -s ' ' 0 "$n") " \
	"$(sed -n "s,^Subject: \[PATCH net-next 0*\([0-9]*\)/$n\].*,0\1,p" \
		build/mail/* | sed 's/^0*\(.\)/\1/' | tr '\n' ' ')"
same "each is signed off by who runs it" "$n" \
	"$(mails '^Signed-off-by: A U Thor <author@example.org>$')"
same "no base-commit, the version" "0 1" \
	"$(mails '^base-commit:') $(mails '^Applies to linux ')"
git clone -q -b base build/linux "$tmp/am" 2>"$tmp/out"
passes "git am takes them on the base" \
	git -C "$tmp/am" am "$PWD"/build/mail/00{0[1-9],1?}-*.patch
same "git am gives the composed tree" \
	"$(git -C build/linux rev-parse 'series^{tree}')" \
	"$(git -C "$tmp/am" rev-parse 'HEAD^{tree}')"

sed -i '0,/^[^#].*/s//&\n# mailing: the rest/' patches/series
run scripts/compose
MAILING=2 VERSION=3 passes "a part, a version" scripts/series
same "the second part's mails" "$n $((n - 1))" \
	"$(mails .) $(mails "^Subject: \[PATCH net-next v3 0*[1-9][0-9]*/$((n - 1))\]")"
grep -q "^Subject: \[PATCH net-next v3 0*/$((n - 1))\] $(head -n 1 patches/cover-letter-2)" \
	build/mail/*-0000-cover-letter.patch
result $? "it has a cover letter of its own"
MAILING=1 run scripts/series
same "the first part's mails" "2 1" \
	"$(mails .) $(mails '^Subject: \[PATCH net-next 1/1\]')"
MAILING=3 refuses "a part that is not there" "no mailing 3" scripts/series

git -C "$tmp/kernel" init -q
git -C "$tmp/kernel" add -f .
git -C "$tmp/kernel" commit -q -m base
run scripts/compose
run scripts/series
same "base-commit of a clone" 1 \
	"$(mails "^base-commit: $(git -C "$tmp/kernel" rev-parse HEAD)")"

done_testing
