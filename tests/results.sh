#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# The figures in the tables of the cover letters match results/, and
# scripts/keep writes results/.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

text="the figures of the cover letters are in results/"
if [ -e results/memory.csv ]; then
	passes "$text" scripts/report/figures.py patches/cover-letter*
else
	skip "$text" "make memory KEEP=1 has not run"
fi

copy "$tmp/a"
cd "$tmp/a" || exit
rm -rf results
mkdir results
figures() {
	scripts/report/figures.py "$tmp/letter"
}

cat >"$tmp/letter" <<-END
	It takes 5  words.

	                   before   after
	  can               34656    1728   files
	  xfrm6_tunnel       8192       5

	  KB               before   after
	  whole netns         796   682.1

	  ms                 base   today   series
	  netns create        1.7     2.1     1.34
END
refuses "figures: results/ without the table" \
	"no results/memory.csv: make memory KEEP=1" figures
cat >results/memory.csv <<-END
	# date: 2026-12-01
	owner,base,base pernet,series
	total,796444,1,682092
	[can],34656,1,1728
	[xfrm6_tunnel],8192,1,5
END
refuses "figures: results/ without the times" \
	"no results/bench.csv: make bench KEEP=1" figures
cat >results/bench.csv <<-END
	module,what,base,base lower quartile,today,series
	netns,create,1665,1540,2090,1335
END
passes "figures: rounded as in the letter" figures
same "figures: all are checked" "9 figures, 0 of them wrong" "$(cat "$tmp/out")"
sed -i s/34656/34655/ "$tmp/letter"
refuses "figures: a wrong one" \
	":4: can, base: 34655, but results/memory.csv has 34656" figures
sed -i 's/34655/34656/; s/1\.34/1.35/' "$tmp/letter"
refuses "figures: a wrong last digit" "1.35, but results/bench.csv has 1335" \
	figures
sed -i 's/1\.35/1.34/; s/ can/ ban/' "$tmp/letter"
refuses "figures: a row that no result has" "ban, base: results/memory.csv has" \
	figures
sed -i 's/ ban/ can/; s/ 5$//' "$tmp/letter"
refuses "figures: a row without a figure" "'' is not a number" figures
printf '  can    34656    1728\n' >"$tmp/letter"
refuses "figures: a row without a head" "no head above this row" figures
echo "no table" >"$tmp/letter"
refuses "figures: none at all" "0 figures" figures

# commit DIR MESSAGE: what is in DIR, as a repository of its own
commit() {
	[ -d "$1/.git" ] || git init -q "$1"
	git -C "$1" add -A
	git -C "$1" -c user.name=a -c user.email=a@example.org \
		commit -q --allow-empty -m "$2"
}

# kept NAME: a result, without the name of the CPU
kept() {
	sed 's/^\(# machine: [0-9]* x \).*,/\1CPU,/' "results/$1"
}

# head COMMIT
head() {
	printf '%s\n' "# date: $(date -u +%F)" "# base: linux 7.3.4" \
		"# commit: $1" "# machine: $(nproc) x CPU, TCG"
}

mkdir -p "$tmp/a/build/linux"
echo tcg >build/accel
commit "$tmp/a/build/linux" "linux 7.3.4"
git -C "$tmp/a/build/linux" tag base
commit "$tmp/a" one
id=$(git -C "$tmp/a" rev-parse --short=12 HEAD)
printf '<?xml version="1.0"?>\n<svg>\n</svg>\n' >"$tmp/a.svg"
passes "keep: a chart" scripts/keep a.svg "$tmp/a.svg"
same "keep: the head is a comment of the chart" "<?xml version=\"1.0\"?>
<!--
$(head "$id")
-->
<svg>
</svg>" "$(kept a.svg)"
run scripts/keep a.txt <<<"text"
same "keep: results alone are no change of the checkout" "$(head "$id")
text" "$(kept a.txt)"
echo >>README.md
run scripts/keep a.txt <<<"text"
same "keep: a changed checkout has a +" "$(head "$id+")
text" "$(kept a.txt)"
refuses "keep: a result that is not there" "No such file" \
	scripts/keep a.txt "$tmp/none"

done_testing
