#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# compose and refresh are inverse, and neither loses anything.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

t=build/linux
me='A U Thor <author@example.org>'
core=net/core/net_namespace.c

in_tree() {
	git -C $t -c user.name=me -c user.email=me@example.org "$@"
}

commits() {
	in_tree log --format='%T %B' base..series
}

# What compose does when it has no memory of the tree.
anew() {
	rm -f "$t/.git/composed"
	scripts/compose
}

# commit MESSAGE FILE...
commit() {
	in_tree add -f "${@:2}" && in_tree commit -q -m "$1"
}

undo() {
	in_tree reset -q --hard "$head"
	rm -rf "$t/new"
}

first() {
	sed '/^#/d; /^$/d; s,^,patches/,' patches/series |
		xargs grep -l "$1" | head -n 1
}

of() {
	in_tree log --format=%H base..series -- "$1" | tail -n 1
}

kernel "$tmp/kernel"
echo '*' >"$tmp/kernel/.gitignore" # as Debian's
copy "$tmp/a"
cd "$tmp/a" || exit
rm -rf benchmark guest mutations results
export KERNEL=$tmp/kernel

passes "a plain directory is composed" scripts/compose
before=$(state)
passes "refresh after compose passes" scripts/refresh
same "refresh after compose changes no byte" "$before" "$(state)"

head=$(in_tree rev-parse HEAD)
TIMEFORMAT='%U %S'
used=$({ time run scripts/compose; } 2>&1)
same "compose with nothing changed says nothing" "" "$(cat "$tmp/out")"
awk '{ exit $1 + $2 > 5 }' <<<"$used"
result $? "compose with nothing changed takes under 5 s of the CPU"
passes "compose with nothing changed passes" scripts/compose
same "compose with nothing changed keeps the commit" \
	"$head" "$(in_tree rev-parse HEAD)"

# What follows needs no more than the first patch to the core, the first whole
# file, and MAINTAINERS.
patch=$(first "^diff --git a/$core")
lander=$(first '^Lands: [a-z]')
whole=$(sed -n 's/^Lands: //p' "$lander" | head -n 1)
entry=$(first '^Lands: MAINTAINERS')
last=$(grep -nxF -e "${patch##*/}" -e "${lander##*/}" patches/series | tail -n 1)
sed -i -e "${last%%:*}q" patches/series
echo "${entry##*/}" >>patches/series
cp "$patch" "$tmp/patch"
run scripts/compose
head=$(in_tree rev-parse HEAD)
run anew
same "compose anew gives the same commit" "$head" "$(in_tree rev-parse HEAD)"

# Bad input of the command line and the files.
KERNEL=$tmp/none refuses "KERNEL= that is not there" "not a directory" \
	scripts/compose
KERNEL=$tmp refuses "KERNEL= that is no kernel" "not a kernel tree" \
	scripts/compose
KERNEL=$t refuses "KERNEL= that is the composed tree" "composed tree itself" \
	scripts/compose
cp -r "$tmp/kernel" "$tmp/built"
touch "$tmp/built/.config"
KERNEL=$tmp/built refuses "KERNEL= that was built in" "make mrproper" \
	scripts/compose
awk -v core="$core" '
	/^diff / { ours = index($0, core) }
	ours && /^@@/ { hunk = 1 }
	hunk == 1 && /^ ./ { $0 = " not in the base"; hunk = 2 }
	{ print }' "$tmp/patch" >"$patch"
refuses "a patch that does not fit is named" "$patch does not fit" \
	scripts/compose
hunk=$(sed -n "\\,^diff --git a/$core,,\$p" "$patch" | grep -m 1 '^@@')
grep -qF "hunk of $core: $hunk" "$tmp/out"
result $? "the hunk that does not fit is shown"
cp "$tmp/patch" "$patch"

cp -r "$tmp/kernel" "$tmp/old"
echo "/* another */" >"$tmp/old/$core"
! KERNEL=$tmp/old run scripts/compose && grep -qF "hunk of $core: " "$tmp/out"
result $? "KERNEL= that the patches do not fit: the hunk is shown"
run scripts/compose
same "after it the former KERNEL= gives the same commit" \
	"$head" "$(in_tree rev-parse HEAD)"

mv "$whole" "$tmp/whole"
refuses "a missing whole file is named" "names $whole" scripts/compose
mv "$tmp/whole" "$whole"
echo missing.patch >>patches/series
refuses "a missing patch is named" "names missing.patch" scripts/compose
sed -i '$d' patches/series

# Work that is in one of the two places only.
for script in compose refresh; do
	echo >>"$t/$core"
	refuses "$script stops at an edit" "uncommitted changes" scripts/$script
	in_tree checkout -q .
	touch $t/new
	refuses "$script stops at a new file" "uncommitted changes" \
		scripts/$script
	undo
	in_tree checkout -q --detach
	refuses "$script stops in a rebase" "not on its branch" scripts/$script
	in_tree checkout -q series
done
in_tree commit -q --allow-empty -m new
refuses "compose stops at new commits" "make refresh" scripts/compose
undo
in_tree branch other
KERNEL=$tmp/old refuses "another base stops at another branch" \
	refs/heads/other scripts/compose
in_tree branch -q -D other
sed -i '2a A line.' "$patch"
refuses "refresh stops at a changed patch" "have changed" scripts/refresh
cp "$tmp/patch" "$patch"
chmod +x "$whole"
refuses "refresh stops at a changed whole file" "have changed" scripts/refresh
chmod -x "$whole"

# Edit, amend, refresh, compose.
for file in "$whole" "$core"; do
	sed -i '1a /* edited */' "$t/$file"
	in_tree commit -q -a --fixup="$(of "$file")"
done
run in_tree -c sequence.editor=: rebase -q -i --autosquash base
passes "refresh takes amended commits" scripts/refresh
grep -qF '/* edited */' "$whole" && grep -qF '+/* edited */' "$patch"
result $? "an edit arrives in the whole file and the patch"
before=$(commits)
run anew
same "compose gives back the amended commits" "$before" "$(commits)"

# A new commit, and one that goes.
sed -i '0,/^[^#].*/s//&\n# mailing: the rest/' patches/series
run scripts/compose
series=$(cat patches/series)
before=$(state)
head=$(in_tree rev-parse HEAD)
mkdir -p $t/new
echo '#!/bin/sh' >$t/new/file
chmod +x $t/new/file
commit "new: a file" new/file
passes "refresh takes a new commit" scripts/refresh
same "the series keeps its order and comments" \
	"$series"$'\n'"new-a-file.patch" "$(cat patches/series)"
same "the new patch names its whole file" \
	"$(printf 'Subject: new: a file\n---\nLands: new/file\n\n.')" \
	"$(cat patches/new-a-file.patch && echo .)"
[ -x new/file ]
result $? "the executable bit arrives"
before_new=$(commits)
run anew
same "the executable bit goes back" "$before_new" "$(commits)"
in_tree commit -q --amend -m "new: another name"
run scripts/refresh
same "a renamed commit drops its former patch" \
	new-another-name.patch "$(cd patches && echo new-a*)"
in_tree reset -q --hard "$head"
run scripts/refresh
same "a dropped commit drops its patch and file" "$before" "$(state)"

# Commits that cannot be written back.
in_tree mv "$whole" new
in_tree commit -q -m moved
refuses "a whole file that a commit removes" "removes $whole" scripts/refresh
undo
echo >>"$t/$whole"
commit again "$whole"
refuses "a whole file in two commits" "lands in two commits" scripts/refresh
undo
for i in 1 2; do
	touch $t/net/new$i
	commit twice net/new$i
done
refuses "two commits of one subject" "have the subject 'twice'" scripts/refresh
undo
touch $t/README.new
commit root README.new
refuses "a whole file at the top" "among our own" scripts/refresh
undo
mkdir -p $t/scripts
touch $t/scripts/deps
commit ours scripts/deps
refuses "a whole file where one of ours is" "of its own" scripts/refresh
undo
touch $t/net/new
commit $'cut\n\n---\nlost' net/new
refuses "a message that mail would cut" "'---'" scripts/refresh
undo
in_tree checkout -q -b other base
in_tree commit -q --allow-empty -m other
in_tree checkout -q series
in_tree merge -q -m both other
refuses "a merge" "'both' is a merge" scripts/refresh
undo
in_tree branch -q -D other

# Stopped at any point, the same command does it all.
for name in git mv; do
	program $name <<-END
		#!/bin/bash
		$(command -v $name) "\$@"
		status=\$?
		[[ ! \$TEST_AT || " \$* " != *" \$TEST_AT "* ]] || kill -TERM 0
		exit \$status
	END
done
path=$PATH
export PATH=$tmp/bin:$path TEST_AT=
before=$(state)
cp "$patch" "$tmp/patch"
for at in apply commit-tree checkout; do
	sed -i "2a Not stopped at $at." "$patch"
	TEST_AT=$at run setsid -w scripts/compose
	run scripts/compose
	result $? "compose stopped at git $at, then again"
done
same "all that was in the files arrived" 3 \
	"$(in_tree log --format=%B | grep -c '^Not stopped at ')"
cp "$tmp/patch" "$patch"
run scripts/compose
same "and nothing else did" "$before" "$(state)"
for at in diff-tree "$whole"; do
	sed -i "1a /* ${at##*/} */" "$t/$whole"
	in_tree commit -q -a --fixup="$(of "$whole")"
	run in_tree -c sequence.editor=: rebase -q -i --autosquash base
	TEST_AT=$at run setsid -w scripts/refresh
	run scripts/refresh
	result $? "refresh stopped at $at, then again"
done
commits=$(commits)
run anew
same "all that was in the tree arrived" "$commits" "$(commits)"
PATH=$path

# Files that cannot be written are not the fault of the disk, or are.
limited() {
	trap '' XFSZ
	ulimit -f "$1"
	"${@:2}"
}
cp "$whole" "$tmp/whole"
head -c 20000 /dev/urandom | base64 >>"$whole"
# What git looks at again, it would write to its index
touch "$t/$core"
refuses "compose under a limit: the reason" "File too large" \
	eval "(limited 4 scripts/compose)"
cp "$tmp/whole" "$whole"
sed -i 's,^+/\* edited \*/,+/* changed */,' "$patch"
refuses "apply under a limit: the reason" "File too large" \
	eval "(limited 4 scripts/compose)"
grep -qF "cannot write to $t, see above" "$tmp/out"
result $? "apply under a limit: the disk is not full"
if unshare -rm true 2>/dev/null; then
	mkdir "$tmp/disk"
	run unshare -rm bash -c "mount -t tmpfs -o size=16m none $tmp/disk &&
		cp -r . $tmp/disk && cd $tmp/disk &&
		{ cat /dev/zero >build/fill; scripts/compose; }"
	grep -qF "cannot write to $t: the disk is full" "$tmp/out"
	result $? "compose on a full disk: the reason"
else
	skip "compose on a full disk: the reason" "no user namespaces"
fi
passes "compose with space again" scripts/compose
sed -i "2r $patch" "$t/$core"
in_tree commit -q -a --fixup="$(of $core)"
run in_tree -c sequence.editor=: rebase -q -i --autosquash base
refuses "refresh under a limit: the reason" "File too large" \
	eval "(limited 16 scripts/refresh)"
passes "refresh with space again" scripts/refresh

# MAINTAINERS
entry() {
	in_tree show series:MAINTAINERS | awk -v title="$(head -n 1 MAINTAINERS)" '
		$0 == title { on = 1 }
		/^$/ { on = 0 }
		on'
}
titles() {
	in_tree show series:MAINTAINERS | sed '1,/^Maintainers List/d' |
		grep -A 1 '^$' | grep '^[A-Z0-9].*[^:]' |
		grep -C 1 -xF "$(head -n 1 MAINTAINERS)"
}
same "our MAINTAINERS entry is composed, with no M: of nobody" \
	"$(cat MAINTAINERS)" "$(entry)"
same "it is at its place" "$(titles | sort) 3" "$(titles) $(titles | wc -l)"
same "it is all that changes there" "$(($(wc -l <MAINTAINERS) + 1))	0" \
	"$(in_tree diff --numstat base series -- MAINTAINERS | cut -f 1,2)"
git config --global user.name "${me% <*}"
git config --global user.email "${me##*<}"
git config --global user.email "author@example.org"
before=$(files)
run scripts/compose
same "M: is who composes" "$(sed "1a M:\t$me" MAINTAINERS)" "$(entry)"
same "the commits are of who composes" "$me" \
	"$(in_tree log --format='%an <%ae>' base..series | sort -u)"
run scripts/refresh
same "refresh takes M: out" "$before" "$(files)"

# Clones: shallow, without the files of the past, and with the newer hash.
base_commit() {
	in_tree rev-parse base
}
rm "$tmp/kernel/.gitignore"
cp -r "$tmp/kernel" "$tmp/sha256"
for clone in kernel sha256; do
	git -C "$tmp/$clone" init -q --object-format="${clone/kernel/sha1}"
	git -C "$tmp/$clone" add -f .
	git -C "$tmp/$clone" commit -q -m one
	git -C "$tmp/$clone" commit -q --allow-empty -m two
done
git -C "$tmp/kernel" config uploadpack.allowFilter true
git clone -q --depth 1 "file://$tmp/kernel" "$tmp/shallow"
git clone -q --filter=blob:none "file://$tmp/kernel" "$tmp/partial"
for KERNEL in "$tmp"/{sha256,shallow,partial,kernel}; do
	passes "a clone is composed (${KERNEL##*/})" scripts/compose
	same "its HEAD is the base" "$(git -C "$KERNEL" rev-parse HEAD)" \
		"$(base_commit)"
	[ "$KERNEL" = "$tmp/partial" ] ||
		in_tree fsck --connectivity-only >"$tmp/out" 2>&1
	result $? "no object is missing"
done

# The base stays, until KERNEL names another.
clone=$tmp/kernel
export KERNEL=
before=$(base_commit)
run anew
grep -qF "patches on ${before:0:12} of $clone" "$tmp/out"
result $? "compose says which base it takes"
same "without KERNEL the clone stays the base" "$before" "$(base_commit)"
git -C "$clone" commit -q --allow-empty -m three
run scripts/compose
same "a clone that has moved on: one line says so" \
	"$clone has moved on; make tree KERNEL=$clone takes its HEAD" \
	"$(cut -c17- "$tmp/out")"
same "the base stays" "$before" "$(base_commit)"
KERNEL=$clone run scripts/compose
same "KERNEL takes the new HEAD" "$(git -C "$clone" rev-parse HEAD)" \
	"$(base_commit)"
before=$(base_commit)
commits=$(commits)
rm -rf "$clone"
run anew
same "the clone is gone: the base stays" "$before" "$(base_commit)"
same "the clone is gone: the commits, too" "$commits" "$(commits)"
passes "the clone is gone: refresh passes" scripts/refresh
in_tree fsck --connectivity-only >"$tmp/out" 2>&1
result $? "the clone is gone: no object is missing"
printf '#!/bin/sh\necho no package >&2\nexit 1' >scripts/fetch
KERNEL=package refuses "KERNEL=package goes back to Debian's" "no package" \
	scripts/compose
cp -r "$tmp/old" "$tmp/dir"
in_tree show "base:$core" >"$tmp/dir/$core"
KERNEL=$tmp/dir run scripts/compose
echo "# more" >>"$tmp/dir/Makefile"
before=$(base_commit)
run scripts/compose
same "without KERNEL a directory that changed stays the base" "$before" \
	"$(base_commit)"
KERNEL=$tmp/dir run scripts/compose
same "KERNEL takes it as it is" "# more" "$(in_tree show base:Makefile | tail -n 1)"

done_testing
