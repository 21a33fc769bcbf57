#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# The tables of make memory, bench and coverage, from results of a few lines.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

# memory: 2 namespaces beside each module, 4 in the end. The array is shared.
cat >"$tmp/base" <<-END
	bytes built-in 2 2000 2 net/core/a.c:5 func:setup_net
	bytes built-in 2 400 1 fs/namespace.c:9 func:alloc_mnt
	bytes built-in 2 96 1 net/core/net_namespace.c:7 func:net_alloc_generic
	bytes can 2 2000 2 net/core/a.c:5 func:setup_net
	bytes can 2 400 1 fs/namespace.c:9 func:alloc_mnt
	bytes can 2 600 2 net/core/net_namespace.c:9 func:ops_init
	bytes can 2 100 2 net/can/af_can.c:9 [can] func:can_init
	bytes can 2 0 2 kernel/kthread.c:1 func:set_kthread_struct
	bytes all 4 8000 8 net/core/a.c:5 func:setup_net
	bytes all 4 160 4 net/core/net_namespace.c:7 func:net_alloc_generic
	timer 7 7 70 can_stat_update [can]
	idle 7 7 70 can_stat_update [can]
	work 7 14 20 cleanup
END
sed '/ops_init\|can_init\|can_stat/d' "$tmp/base" >"$tmp/series"
passes "memory: the table" scripts/report/memory.py "$tmp/base" "$tmp/series" \
	"$tmp/memory.csv"
same "memory: the columns of base and series" \
	"total,2040,300,1740,1.00,0.00,0.00,1.00,2.00,10.00
its name in /run/netns,400,0,400,0.00,0.00,0.00,0.00,0.00,0.00
[can],350,300,50,1.00,0.00,0.00,1.00,0.00,10.00
[can],0,0,0,1.00,0.00,0.00,0.00,0.00,0.00" \
	"$(
		sed 1d "$tmp/memory.csv" | grep -E 'total|can|netns' |
			cut -d, -f-10
		sed -n 's/^\[can\],\([^,]*,\)\{9\}/[can],/p' \
			"$tmp/memory.csv"
	)"
same "memory: the array's share is the average" "array of pointers,40,0,40" \
	"$(grep ^array "$tmp/memory.csv" | cut -d, -f-4)"

# bench
cat >"$tmp/times" <<-END
	can base first 10
	can base first 20
	can base first 60
	can series first 7
	can base idle 32960
	can series idle 0
	can series lines +9/-8
END
passes "bench: the table" scripts/report/bench.py "$tmp/times" "$tmp/bench.csv"
same "bench: medians, and quartiles of times" "can,first,20,15,40,,,,7,7,7
can,idle,32960,,,,,,0,,
can,lines,,,,,,,+9/-8,," "$(sed 1d "$tmp/bench.csv")"

# coverage, of a program with the names of the kernel's sources
copy "$tmp/a"
cd "$tmp/a" || exit
mkdir -p build/log build/linux/{net/{core,ipv4},include/net/netns} \
	build/linux/drivers/net/vxlan
cd build/linux || exit
header=include/net/netns/generic.h
sources=(net/core/net_namespace.c net/core/net_namespace_kunit.c
	net/ipv4/nexthop.c drivers/net/vxlan/vxlan_core.c)
for file in "${sources[@]}" "$header"; do
	name=$(basename "${file%.?}")
	printf 'int %s(int x)\n{\n\treturn x;\n}\n' "$name" >"$file"
done
echo 'int main(void) { return net_namespace(1) + nexthop(2) - 3; }' \
	>>net/core/net_namespace_kunit.c
git init -q
git add .
git -c user.name=a -c user.email=a@example.org commit -qm base
git tag base
cat >>net/core/net_namespace.c <<-END
	int added(int x)
	{
		if (x > 5)
			return x;
		return 2 * x;
	}
END
sed -i 's/net_namespace(1)/added(1) + net_namespace(1)/' \
	net/core/net_namespace_kunit.c
echo 'int never(void) { return 1; }' >>"$header"
echo '#include "../../include/net/netns/generic.h"' >>net/core/net_namespace.c
git -c user.name=a -c user.email=a@example.org commit -qam series
cd "$tmp/a" || exit
# Builds and runs the program in the last argument, its counts as the guest's
cat >"$tmp/run" <<-END
	#!/bin/bash
	set -e
	out=$tmp/a/OUT
	mkdir -p \$out
	cd build/linux
	for file in ${sources[@]}; do
		mkdir -p \$out/\${file%/*}
		gcc -w --coverage -c \$file -o \$out/\${file%.c}.o
	done
	gcc --coverage \$(find \$out -name '*.o') -o \$out/program
	\$out/program || :
	find \$out -name '*.gcda' | while read -r file; do
		echo "gcda=\$file \$(base64 -w0 \$file)"
	done >$tmp/a/build/log/LOG-console.log.result
END
sed 's,OUT,build/coverage-run,; s/LOG/coverage-run-vxlan/' "$tmp/run" \
	>scripts/guest
sed 's,OUT,build/cells/coverage,; s/LOG/coverage/' "$tmp/run" >scripts/suite
chmod +x scripts/guest scripts/suite
program gcovr <<<"#!/bin/sh"
covered() {
	cat >configs/not-covered
	PATH=$tmp/bin:$PATH run scripts/coverage.py
}

covered <<"END"
# Of the program
added: return x;
	too small
END
same "coverage: functions, what did not run, and status 1" \
	"1 function                                 lines  branches
added                                   3/4       1/2   
never                                   0/1       0/0   
all                                     3/5       1/2   

added: if (x > 5)
	1 of 2 branches not taken: NO REASON
added: return x;
	not run: too small
never: int never(void) { return 1; }
	not run: NO REASON
2 passed, 2 failed, 1 skipped" "$? $(cat "$tmp/out")"
covered <<"END"
added: if (x > 5)
	too small
	for that
added: return x;
	too small
never: int never(void) { return 1; }
	nobody calls it
END
same "coverage: all have a reason" "0 2 passed, 0 failed, 3 skipped" \
	"$? $(tail -n 1 "$tmp/out")"
printf '\nadded: return 2 * x;\n\tno\n' | cat configs/not-covered - >"$tmp/more"
covered <"$tmp/more"
same "coverage: a reason too many fails" "1 2 passed, 1 failed, 3 skipped" \
	"$? $(tail -n 1 "$tmp/out")"

done_testing
