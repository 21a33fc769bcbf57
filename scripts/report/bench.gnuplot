# SPDX-License-Identifier: GPL-2.0
# gnuplot -c bench.gnuplot BENCH.csv IMAGE.svg|IMAGE.png
#
# Draws the times of bench.py's table, median and quartiles, as multiples of the
# median on the base. BENCH.csv has only the lines of times, without the head.
set datafile separator ','
stats ARG1 using 3 nooutput
height = 130 + 27 * STATS_records
set terminal pngcairo size 760,height noenhanced font 'sans,11'
if (ARG2[strlen(ARG2)-3:] eq '.svg') \
	set terminal svg size 760,height noenhanced background 'white' font 'sans,14'
set output ARG2
set title 'Time as a multiple of the median on the base, with quartiles'
set border 3
set tics nomirror
set ytics scale 0
set grid x lc '#dddddd'
set key below
set lmargin at screen 0.33
amount(us) = us < 1e3 ? sprintf('%.0f us', us) : sprintf('%.1f ms', us / 1e3)
plot [0:*] [STATS_records-0.4:-0.6] \
	for [k=1:3] ARG1 using (column(3*k)/$3):($0+0.25*(k-2)): \
	(column(3*k+1)/$3):(column(3*k+2)/$3) with xerrorbars \
	lc 'black' ps 0.9 pt 0+word('6 8 7', k) \
	title word('base today series', k), \
	ARG1 using (NaN):0:ytic(sprintf('%s %s, %s', \
	strcol(1), strcol(2), amount($3))) notitle
