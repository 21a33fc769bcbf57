#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# compose, refresh and series give the same commits, files and mails whatever
# the user's git configuration, hooks, attributes, environment and shell are.
#
# Each line of the table is one thing that a user may have. The lines between two
# empty ones are tried together. Where these give other bytes, each half of them
# is tried, down to the lines that do. TEST_LINES=REGEX tries the lines that
# match, each alone.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

name='Å U Thor'
mail=author@example.org
t=build/linux

# A kernel and a series that show all that settings may change: white space, line
# ends, blank lines, hunks close to each other, moved lines, a rename, keywords of
# git, names and subjects that are long or not of ASCII.
lines() {
	seq -f "$1 %g;" "$2" "$3"
}
function_() {
	printf 'void f%d(void)\n{\n\tint i;\n\n\tfor (i = 0; i < 9; i++)\n' "$1"
	printf '\t\tf%d(i);\n\n\treturn;\n}\n\n' "$1"
}
make_kernel() {
	mkdir -p "$1/net/core" "$1/lib"
	printf 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n' >"$1/Makefile"
	printf '*.[ch] diff=cpp\n' >"$1/.gitattributes"
	printf '%s\n\n' "Maintainers List" $'9P\nL:\tx' $'ZZ\nL:\tx' \
		>"$1/MAINTAINERS"
	for i in {1..9}; do function_ "$i"; done >"$1/net/core/net_namespace.c"
	lines old 1 40 >"$1/lib/old.c"
	printf 'one\r\ntwo\nthree \n' >"$1/lib/ends.c"
	echo lower >"$1/lib/case.h"
	echo upper >"$1/lib/CASE.h"
	touch -d 2026-01-01 "$1/Makefile"
}
make_series() {
	local core=net/core/net_namespace.c
	cd build/linux || return
	{
		function_ 3
		sed -e 's/f2(i)/f2(i + 1)/' -e '/f3(void)/,/^}/d' \
			-e '45,46s/f/g/' -e '52s/^/\t/' -e '60,61d' $core
		function_ 5
	} >"$core.new"
	mv $core.new $core
	git add -A
	git commit -q -m $'net: a change \xc3\xa9 of the core, in a subject that has more than the 64 characters that a file name takes\n\nIt is\n\ta message.\n\nFixes: x ("y")'
	git mv lib/old.c lib/renamed.c
	sed -i 's/old 20/new 20/' lib/renamed.c
	printf 'one\r\ntwo\r\nthree\t\n\n' >lib/ends.c
	echo 'more' >>lib/CASE.h
	git add -A
	git commit -q -m 'lib: a rename'
	mkdir new
	printf '/* $%s$ */\r\n \tx \n\n\n' Id >new/ü.c
	printf '#!/bin/sh\n# \xc3\xa9\n' >new/run.sh
	chmod +x new/run.sh
	git add -A
	git commit -q -m 'new: files'
	sed -i 's/^ZZ/NEW ENTRY\nL:\tx\n\nZZ/' MAINTAINERS
	git commit -q -a -m 'MAINTAINERS: an entry'
	cd ../..
}

# All that came out
outcome() {
	git -C build/linux rev-list series
	find . build/linux build/mail \( -path ./build -o -name .git \) -prune \
		-o -type f -printf '%p\0' | sort -z | xargs -0 sha256sum
}

# What a line of the table does, in the directory of a trial

# config FILE SECTION.[SUBSECTION.]KEY VALUE
config() {
	local section=${2%.*} value=${3//\\/\\\\}
	[[ $section != *.* ]] || section="${section%%.*} \"${section#*.}\""
	printf '[%s]\n\t%s = "%s"\n' "$section" "${2##*.}" \
		"${value//\"/\\\"}" >>"$1"
}
setting() {
	config home/.gitconfig "$@"
}
# In the repository build/linux
tree() {
	config tree.config "$@"
}
variable() {
	variables+=("$@")
}
attribute() {
	mkdir -p home/.config/git
	echo "$*" >>home/.config/git/attributes
	echo "$*" >>home/attributes
	setting core.attributesFile "$PWD/home/attributes"
}
# hook NAME TEXT: in core.hooksPath, and in the template of repositories
hook() {
	mkdir -p home/template/hooks
	printf '#!/bin/sh\n%s\n' "$2" >"home/template/hooks/$1"
	chmod +x "home/template/hooks/$1"
	setting core.hooksPath "$PWD/home/template/hooks"
	setting init.templateDir "$PWD/home/template"
}
# template FILE TEXT
template() {
	mkdir -p "home/template/$(dirname "$1")"
	printf '%s\n' "$2" >"home/template/$1"
	setting init.templateDir "$PWD/home/template"
}
function_of() {
	variables+=("BASH_FUNC_$1%%=() { echo broken; }")
}
below() {
	below+=("$@")
}

table=$(
	cat <<'END'
setting add.ignoreErrors true
setting advice.detachedHead true
setting alias.log "!false"
setting apply.ignoreWhitespace change
setting apply.whitespace fix
setting author.email other@example.org
setting author.name Other
setting blame.date iso
setting branch.autoSetupMerge always
setting branch.sort -refname
setting checkout.guess false
setting checkout.workers 4
setting color.diff always
setting color.ui always
setting commit.cleanup scissors
setting commit.gpgSign true
setting commit.status false
setting commit.template /none
setting commit.verbose 2
setting core.abbrev 5
setting core.alternateRefsCommand false
setting core.autocrlf true
setting core.bigFileThreshold 1
setting core.checkStat minimal
setting core.commentChar s
setting core.compression 0
setting core.deltaBaseCacheLimit 1
setting core.editor false
setting core.eol crlf
setting core.fileMode false
setting core.fsmonitor /bin/false
setting core.ignoreCase true
setting core.logAllRefUpdates false
setting core.notesRef refs/notes/x
setting core.pager false
setting core.precomposeUnicode true
setting core.quotePath true
setting core.safecrlf true
setting core.sharedRepository 0666
setting core.sparseCheckout true
setting core.splitIndex true
setting core.symlinks false
setting core.trustctime false
setting core.untrackedCache keep
setting core.whitespace tab-in-indent,cr-at-eol
setting diff.algorithm patience
setting diff.autoRefreshIndex false
setting diff.colorMoved zebra
setting diff.context 1
setting diff.cpp.xfuncname ".*i.*"
setting diff.dirstat files
setting diff.dstPrefix y/
setting diff.external false
setting diff.ignoreSubmodules all
setting diff.indentHeuristic false
setting diff.interHunkContext 9
setting diff.mnemonicPrefix true
setting diff.noprefix true
setting diff.orderFile "$PWD/order"
setting diff.relative true
setting diff.renameLimit 1
setting diff.renames copies
setting diff.srcPrefix x/
setting diff.statGraphWidth 3
setting diff.statNameWidth 5
setting diff.submodule log
setting diff.suppressBlankEmpty true
setting diff.wordRegex .
setting diff.wsErrorHighlight all
setting extensions.objectFormat sha256
setting extensions.worktreeConfig true
setting feature.experimental true
setting feature.manyFiles true
setting fetch.fsckObjects true
setting format.attach border
setting format.cc c@example.org
setting format.commitListFormat modern
setting format.coverFromDescription none
setting format.coverLetter false
setting format.encodeEmailHeaders false
setting format.filenameMaxLength 20
setting format.forceInBodyFrom true
setting format.from "F <f@example.org>"
setting format.headers "X-A: b"
setting format.mboxrd true
setting format.noprefix true
setting format.notes true
setting format.numbered false
setting format.outputDirectory elsewhere
setting format.pretty oneline
setting format.signOff false
setting format.signature mine
setting format.signatureFile /etc/hostname
setting format.subjectPrefix RFC
setting format.suffix .txt
setting format.thread deep
setting format.to t@example.org
setting format.useAutoBase whenAble
setting gc.auto 1
setting gc.autoDetach false
setting gpg.format ssh
setting gpg.program false
setting help.autoCorrect 1
setting i18n.commitEncoding latin1
setting i18n.logOutputEncoding latin1
setting index.skipHash true
setting index.threads 4
setting index.version 4
setting init.defaultBranch trunk
setting init.defaultObjectFormat sha256
setting init.defaultRefFormat reftable
setting interactive.diffFilter false
setting log.abbrevCommit true
setting log.date iso
setting log.decorate full
setting log.diffMerges off
setting log.follow true
setting log.mailmap true
setting log.showRoot false
setting log.showSignature true
setting maintenance.auto true
setting maintenance.strategy incremental
setting merge.conflictStyle diff3
setting notes.displayRef "*"
setting pack.packSizeLimit 1m
setting pack.window 0
setting pager.log false
setting protocol.allow never
setting rebase.autoSquash true
setting rerere.enabled true
setting safe.bareRepository explicit
setting sequence.editor false
setting stash.showPatch true
setting status.branch true
setting status.renames copies
setting status.short true
setting status.showUntrackedFiles no
setting submodule.recurse true
setting tag.forceSignAnnotated true
setting tag.gpgSign true
setting tag.sort -refname
setting trailer.separators "=%"
setting trailer.x.key "Signed-off-by"
setting transfer.fsckObjects true
setting uploadpack.packObjectsHook false
setting url.x.insteadOf /
setting user.signingKey x
setting user.useConfigOnly true
setting versionsort.suffix -

setting core.abbrev no
setting core.autocrlf input
setting core.bare true
setting core.excludesFile /etc/passwd
setting core.quotePath false
setting diff.algorithm histogram
setting diff.context 9
setting diff.renames false
setting format.attach ""
setting format.notes x
setting include.path more.config
setting log.showRoot true
setting merge.renames false
variable EMAIL=e@example.org
setting core.worktree /

variable GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=diff.noprefix GIT_CONFIG_VALUE_0=1
variable GIT_CONFIG_PARAMETERS="'diff.context=1'"
variable GIT_CONFIG_SYSTEM=more.config
attribute "* -diff"

tree apply.whitespace fix
tree color.diff always
tree color.ui always
tree core.abbrev 5
tree core.attributesFile "$PWD/attributes"
tree core.autocrlf true
tree core.bigFileThreshold 1
tree core.eol crlf
tree core.fsmonitor /bin/false
tree core.hooksPath "$PWD/hooks"
tree core.ignoreCase true
tree core.quotePath true
tree core.safecrlf true
tree diff.algorithm patience
tree diff.colorMoved zebra
tree diff.context 1
tree diff.dstPrefix y/
tree diff.external false
tree diff.indentHeuristic false
tree diff.interHunkContext 9
tree diff.mnemonicPrefix true
tree diff.noprefix true
tree diff.orderFile "$PWD/order"
tree diff.relative true
tree diff.renames false
tree diff.srcPrefix x/
tree diff.statGraphWidth 3
tree diff.suppressBlankEmpty true
tree format.attach border
tree format.cc c@example.org
tree format.coverFromDescription none
tree format.encodeEmailHeaders false
tree format.filenameMaxLength 20
tree format.forceInBodyFrom true
tree format.from "F <f@example.org>"
tree format.headers "X-A: b"
tree format.notes true
tree format.numbered false
tree format.signature mine
tree format.subjectPrefix RFC
tree format.suffix .txt
tree format.thread deep
tree format.to t@example.org
tree format.useAutoBase whenAble
tree gc.auto 1
tree i18n.commitEncoding latin1
tree i18n.logOutputEncoding latin1
tree log.showSignature true
tree trailer.separators "=%"
tree user.email other@example.org
tree user.name Other

attribute "*.c ident"
attribute "* text=auto eol=crlf"
attribute "* diff=none"
attribute "* export-ignore export-subst"
attribute "*.sh working-tree-encoding=UTF-16"
attribute "lib/* filter=f"
setting filter.f.clean "sed s/o/0/"
setting filter.f.smudge "sed s/o/0/"
setting diff.none.binary true
setting core.autocrlf true
umask 000
trap "" PIPE
ulimit -c 0
exec <&-
below git -c alias.run=!env -c diff.noprefix=true run

hook post-checkout "exit 1"
hook post-commit "exit 1"
hook post-index-change "exit 1"
hook pre-commit "exit 1"
hook prepare-commit-msg 'echo more >>"$1"'
hook commit-msg 'echo more >>"$1"'
hook fsmonitor-watchman "exit 1"
template config "[diff]	noprefix = true"
template info/attributes "*.c text eol=crlf ident"
template info/exclude "*"
template objects/info/alternates /none
hook reference-transaction "exit 1"

variable ARCH=arm64 CROSS_COMPILE=x- CC=false CFLAGS=-x KCFLAGS=-x
variable AWKPATH=/none
variable BASHOPTS=failglob:nocasematch:nocaseglob:extglob:dotglob
variable BASH_COMPAT=3.1
variable BASH_ENV=bash.env ENV=bash.env
variable BLOCK_SIZE=human-readable DF_BLOCK_SIZE=1 LS_BLOCK_SIZE=1
variable CDPATH=/:/usr
variable COLUMNS=10 LINES=2
variable FUNCNEST=1
variable GIT_ADVICE=0
variable GIT_ALLOW_PROTOCOL=none
variable GIT_ALTERNATE_OBJECT_DIRECTORIES=/none
variable GIT_ATTR_SOURCE=HEAD
variable GIT_AUTHOR_DATE=now GIT_COMMITTER_DATE=nonsense
variable GIT_AUTHOR_NAME=Other GIT_AUTHOR_EMAIL=other@example.org
variable GIT_CEILING_DIRECTORIES=/
variable GIT_COMMON_DIR=/none
variable GIT_CONFIG=more.config
variable GIT_DEFAULT_HASH=sha256
variable GIT_DEFAULT_REF_FORMAT=reftable
variable GIT_DIFF_OPTS=-u1
variable GIT_DIR=/none GIT_WORK_TREE=/
variable GIT_EDITOR=false GIT_SEQUENCE_EDITOR=false
variable GIT_EXEC_PATH=/none
variable GIT_EXTERNAL_DIFF=false
variable GIT_GLOB_PATHSPECS=1
variable GIT_GRAFT_FILE=/none
variable GIT_INDEX_FILE=/none
variable GIT_INDEX_VERSION=4
variable GIT_LITERAL_PATHSPECS=1
variable GIT_NAMESPACE=x
variable GIT_NOTES_DISPLAY_REF=*
variable GIT_OBJECT_DIRECTORY=/none
variable GIT_OPTIONAL_LOCKS=0
variable GIT_PAGER=false PAGER=false LESS=x
variable GIT_PREFIX=scripts/
variable GIT_QUARANTINE_PATH=/none
variable GIT_REFLOG_ACTION=x
variable GIT_REPLACE_REF_BASE=refs/heads/
variable GIT_SHALLOW_FILE=/none
variable GIT_TEMPLATE_DIR=/none
variable GIT_TRACE=1 GIT_TRACE_SETUP=1
variable GLOBIGNORE=*
variable GREP_OPTIONS=-v GREP_COLOR=1 GREP_COLORS=mt=1
variable GZIP=-v XZ_OPT=--x XZ_DEFAULTS=--x
variable IFS=/
variable LANG=tr_TR.UTF-8 LANGUAGE=de
variable LC_ALL=tr_TR.UTF-8
variable LS_COLORS=x QUOTING_STYLE=c TIME_STYLE=+x
variable MAKEFLAGS=-n GNUMAKEFLAGS=-n MAKEFILES=more.config MFLAGS=-n
variable PERL5OPT=-Mnone
variable POSIXLY_CORRECT=1
variable PWD=/none OLDPWD=/none
variable PYTHONPATH=/none PYTHONOPTIMIZE=2 PYTHONINSPECT=1
variable SHELL=/bin/false
variable SHELLOPTS=braceexpand:noglob:noclobber:posix
variable TAR_OPTIONS=--none
variable TERM=none
variable TMOUT=1
variable TMPDIR=/none
variable TZ=Pacific/Auckland

function_of awk
function_of cat
function_of cd
function_of command
function_of cut
function_of echo
function_of env
function_of exec
function_of export
function_of fail
function_of find
function_of git
function_of grep
function_of head
function_of in_tree
function_of mkdir
function_of mv
function_of printf
function_of read
function_of rm
function_of sed
function_of set
function_of sha256sum
function_of sort
function_of unset
umask 077

below in_rebase
below in_hook
END
)

program in_hook <<'END'
#!/bin/sh
printf '#!/bin/sh\nexec %s\n' "$*" >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
exec git commit -q --allow-empty -a -m "more"
END
program in_rebase <<'END'
#!/bin/sh
exec git rebase -q --exec "$*" HEAD~1
END

# trial DIR LINE...: says what came out
trial() (
	variables=(PATH="$tmp/bin:$PATH")
	below=()
	cp -r "$tmp/template" "$1" && cd "$1" || return
	unset "${!GIT_@}"
	HOME=$PWD/home
	for line in "${@:2}"; do
		eval "$line" || return
	done
	if [ -f tree.config ]; then
		env -u GIT_CONFIG_GLOBAL scripts/compose || return
		cat tree.config >>build/linux/.git/config
		rm build/linux/.git/composed
	fi
	if [ ${#below[@]} != 0 ]; then
		git init -q
		git add -A
		git commit -q -m one
		git commit -q --allow-empty -m two
	fi
	for script in compose refresh series; do
		env "${variables[@]}" "${below[@]}" "$PWD/scripts/$script" ||
			return
	done
	rm -rf home tree.config .git
	KERNEL='' HOME=/none outcome >"$1.outcome"
) >"$1.out" 2>&1

# same_bytes DIR LINE...: tries the lines; prints "STATUS DIR LINE" for each
same_bytes() {
	local half=$((($# - 1) / 2)) line status=0
	trial "$@" && diff "$tmp/expected.outcome" "$1.outcome" >>"$1.out" ||
		status=1
	rm -rf "$1"
	if [ $status = 0 ] || [ $# = 2 ]; then
		for line in "${@:2}"; do
			echo "$status $1 $line"
		done
	else
		same_bytes "$1.a" "${@:2:half}"
		same_bytes "$1.b" "${@:2+half}"
	fi
}

make_kernel "$tmp/kernel"
mkdir -p "$tmp/template/home" "$tmp/template/patches"
cd "$tmp/template" || exit
cp -r "$repo/scripts" "$repo/configs" .
printf 'NEW ENTRY\nL:\tx\n' >MAINTAINERS
printf 'A cover letter\n\nIt has \xc3\xa9.\n' >patches/cover-letter
printf 'Subject: first\n---\nLands: first/file\n\n' >patches/first.patch
mkdir first
echo file >first/file
echo first.patch >patches/series
printf '[diff]\n\tnoprefix = true\n\talgorithm = patience\n' >more.config
cp more.config home
printf '*.c text eol=crlf ident\n' >attributes
mkdir hooks
for hook in post-checkout post-index-change reference-transaction; do
	printf '#!/bin/sh\nexit 1\n' >hooks/$hook
	chmod +x hooks/$hook
done
printf 'echo broken\nexit 1\n' >bash.env
printf 'lib/*\n' >order
setting user.name "$name"
setting user.email "$mail"
export GIT_CONFIG_GLOBAL=$PWD/home/.gitconfig
export KERNEL=$tmp/kernel
run scripts/compose && make_series &&
	run scripts/refresh
result $? "a series is made"
rm -rf build
unset GIT_CONFIG_GLOBAL
cd "$repo" || exit

trial "$tmp/expected"
cp "$tmp/expected.out" "$tmp/out"
result $? "its commits, files and mails without any of the table"

# Two at a time
mkdir "$tmp/groups"
groups=()
[ -z "${TEST_LINES-}" ] ||
	table=$(grep -E "$TEST_LINES" <<<"$table" | sed G)
mapfile -t all <<<"$table"
group=()
for line in "${all[@]}" ""; do
	if [ -n "$line" ]; then
		group+=("$line")
	elif [ ${#group[@]} != 0 ]; then
		dir=$tmp/groups/${#groups[@]}
		groups+=("$dir")
		same_bytes "$dir" "${group[@]}" >"$dir.results" &
		group=()
		[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
	fi
done
wait
for dir in "${groups[@]}"; do
	while read -r status trial line; do
		cp "$trial.out" "$tmp/out"
		result "$status" "$line"
	done <"$dir.results"
done

# What is the user's stays the user's.
cp -r "$tmp/template" "$tmp/own"
cd "$tmp/own" || exit
unset "${!GIT_@}"
HOME=$PWD/home
setting core.autocrlf true
# shellcheck disable=SC2016
hook prepare-commit-msg 'sed -i "1s/^/[ABC-1] /" "$1"'
run scripts/compose
rm $t/new/run.sh $t/lib/ends.c
git -C $t checkout -q .
touch $t/lib/more.c
git -C $t add .
git -C $t commit -q -m "lib: one more"
same "the user's hooks run in build/linux" "[ABC-1] lib: one more" \
	"$(git -C $t log -1 --format=%s)"
passes "refresh takes that commit" scripts/refresh
same "no line end was converted, core.autocrlf or not" \
	"$(sha256sum <"$tmp/template/new/run.sh")" "$(sha256sum <$t/new/run.sh)"

# author LINE...: whose commits and mails come out
author() (
	for line in "$@"; do
		eval "$line"
	done
	rm -rf build/mail
	if run eval "scripts/compose && scripts/series"; then
		git -C "$t" log -1 --format='%an <%ae>, %cn <%ce>'
		sed -n 's/^Signed-off-by: //p' build/mail/0001-*
	else
		cat "$tmp/out"
	fi
)
same "the identity: user.name" "$name <$mail>, $name <$mail>
$name <$mail>" "$(author)"
same "the identity: committer.name" "C <c@example.org>, C <c@example.org>
C <c@example.org>" \
	"$(author "setting committer.name C" "setting committer.email c@example.org")"
same "the identity: the environment" "D <d@example.org>, D <d@example.org>
D <d@example.org>" \
	"$(author "export GIT_COMMITTER_NAME=D GIT_COMMITTER_EMAIL=d@example.org")"
rm home/.gitconfig
grep -q "mails need your name" <<<"$(author "export EMAIL=$mail")"
result $? "no identity: EMAIL alone is none"
mkdir "$tmp/broken"
echo "[broken" >"$tmp/broken/.gitconfig"
refuses "a broken configuration is shown" "bad config line" \
	env HOME="$tmp/broken" scripts/compose

# A kernel of somebody else: git's own advice, and git's own remedy
cp -r "$tmp/kernel" "$tmp/other"
git -C "$tmp/other" init -q
if chown -R 65534 "$tmp/other" 2>/dev/null; then
	KERNEL=$tmp/other refuses "a clone of another user" \
		"git config --global --add safe.directory $tmp/other" scripts/compose
	setting safe.directory "$tmp/other"
	git -C "$tmp/other" add -A
	git -C "$tmp/other" -c user.name=x -c user.email=x commit -q -m x
	KERNEL=$tmp/other passes "safe.directory lets it pass" scripts/compose
else
	skip "a clone of another user" "not root"
fi

# This repository itself
copy "$tmp/this"
git -C "$tmp/this" init -q
git -C "$tmp/this" add -A
git -C "$tmp/this" -c user.name=x -c user.email=x commit -q -m x
git -c core.autocrlf=true -c core.eol=crlf clone -q "$tmp/this" "$tmp/clone"
passes "a clone of this repository with core.autocrlf" \
	diff -r -x .git "$tmp/this" "$tmp/clone"

done_testing
