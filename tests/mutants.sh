#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# mutants.py, with stand-ins for the suite, the guest and the kernel tree.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

unset ONLY KEEP
copy "$tmp/a"
cd "$tmp/a" || exit
rm mutations/*.patch
touch guest/state/fake.py
mkdir -p build/linux/net
echo none | tee build/linux/net/a.c >build/linux/net/b.c
git -C build/linux init -q
git -C build/linux add .
git -C build/linux -c user.name=a -c user.email=a commit -q -m base
echo uncommitted >build/linux/net/b.c

# The word in net/a.c says what happens. The cell lockdep always fails.
tee scripts/guest >scripts/suite <<'EOS'
#!/bin/bash
. scripts/lib/stage.sh
while getopts t:o:x:f:l:b: option; do declare "$option=$OPTARG"; done
shift $((OPTIND - 1))
word=$(cat "$t/net/a.c")
echo "$word -b $b $*${f+ -f $f}" >>build/calls
install -D /dev/null "$o/$1/net/a.o"
grep -q uncommitted "$t/net/b.c" || exit
case $1,$word in
lockdep,*) echo "WARNING: in the base" >"build/log/$1$x-console.log" ;;
*,none | *,harmless) exit 0 ;;
fake,decided) echo "fake: failed: OFF in $3" ;;
fake,*) exit 3 ;;
*,late) echo "boot: no end after 240 seconds" >"build/log/$1$x-run.log" ;;
*)
	[ "$word" = slow ] || printf >"build/log/$1$x-console.log" \
		'    # a: EXPECTATION FAILED at net/a.c:7\n\tA == B\n'
	stage fake . 0 sh -c 'sleep 100 & echo $! >>build/pids; wait' ;;
esac
exit 1
EOS
# shellcheck disable=SC2016
printf '#!/bin/sh\ncp "$2" build' >scripts/keep

# mutation NAME WORD LINE...
mutation() {
	printf '%s\n' "${@:3}" '' '--- a/net/a.c' '+++ b/net/a.c' \
		'@@ -1 +1 @@' -none "+$2" >"mutations/$1.patch"
}
mutation base decided 'Cell: lockdep'
mutation guest decided 'Guest: fake' 'Steps: idle race'
mutation guest-late late 'Guest: fake' 'Steps: end'
mutation hangs late 'Cell: x86_64' 'Hang: yes'
mutation killed decided 'What: a' ' b' 'Cell: x86_64'
mutation late late 'Cell: x86_64'
mutation misfit decided 'Cell: x86_64'
sed -i s/-none/-gone/ mutations/misfit.patch
mutation survives harmless 'Cell: x86_64' 'Slow: yes' 'Args: a=1 b=2'

KEEP=1 GIT_DIR=/none MAKEFLAGS=e scripts/mutants.py >build/out 2>&1
same "exit status" 1 $?
same "the last lines" "3 killed, 1 survived, 4 without a verdict,
3 passed, 5 failed, 0 skipped" "$(tail -n 2 build/out | sed 's/ [0-9]* s$//')"
same "the verdicts" "base lockdep failed fails without the mutation
guest guest/fake killed OFF in race
guest-late guest/fake failed no verdict, see build/log/guest-N-*.log
hangs x86_64 killed hangs, as it must
killed x86_64 killed a: a.c:7 A == B
late x86_64 failed no verdict, see build/log/x86_64-N-*.log
misfit x86_64 failed does not apply: error: patch failed: net/a.c:1
survives x86_64 survived " "$(sed 's/  */ /g; s/-[12]-\*/-N-*/' build/table)"
same "build/linux is as it was" " M net/b.c" \
	"$(git -C build/linux status --porcelain)"
rm build/calls
ONLY="kill* guest*" run scripts/mutants.py
same "what runs, and what is built" "decided -b make fake idle race
decided -b net/a.o x86_64 -f speed>slow
late -b make fake end
none -b configure fake end idle race
none -b configure x86_64 -f speed>slow" "$(sort build/calls)"
passes "exit status if all are killed" scripts/mutants.py killed.patch
gone() {
	! xargs -a build/pids kill -0
} 2>/dev/null
await gone
result $? "a run that its console has decided leaves nothing"

mutation slow slow 'Cell: x86_64'
for signal in INT TERM HUP; do
	rm build/pids
	scripts/mutants.py slow.patch >"$tmp/out" 2>&1 &
	await [ -s build/pids ]
	kill -$signal $!
	wait $!
	same "$signal: exit status" 130 $?
	await gone
	result $? "$signal: nothing goes on"
done

# refused TEXT WORDS NAME [LINE]...
refused() {
	rm -f build/calls
	[ $# = 3 ] || mutation "$3" decided "${@:4}"
	run scripts/mutants.py killed "$3"
	[ $? = 1 ] && grep -qF "$2" "$tmp/out" && [ ! -e build/calls ]
	result $? "$1"
}
refused "a wrong name" "no mutation 'none'" none
refused "no Cell: and no Guest:" "a.patch must" a 'Steps: idle'
refused "an unknown header line" "a.patch must" a 'Cell: x86_64' 'Stepz: idle'
refused "an unknown program" "no 'none' in guest/" a 'Guest: none'

done_testing
