# SPDX-License-Identifier: GPL-2.0
# gnuplot -c memory.gnuplot CHART.csv IMAGE.svg|IMAGE.png
#
# Draws lines "OWNER,BASE,SERIES" of bytes. The first line is the whole
# namespace. The others are the modules, on a separate scale.
set terminal pngcairo size 760,500 noenhanced font 'sans,11'
if (ARG2[strlen(ARG2)-3:] eq '.svg') \
	set terminal svg size 760,500 noenhanced background 'white' font 'sans,14'
set output ARG2
set datafile separator ','
stats ARG1 using 2 nooutput

set multiplot
set border 3
set tics nomirror
set ytics scale 0
set grid x lc '#dddddd'
set style fill solid border lc 'black'
set lmargin at screen 0.2
set rmargin at screen 0.92
set key at screen 0.92,0.92 right horizontal reverse Left
kb(column) = column(column) > 0 ? column(column) / 1e3 : 0
text(kb) = kb < 0.05 ? '0' : sprintf(kb < 100 ? '%.1f' : '%.0f', kb)
name(owner) = owner eq 'total' ? 'whole netns' : owner[2:strlen(owner)-1]
panel = "plot [0:*] [last-first+0.6:-0.6] \
	for [k=2:3] ARG1 every ::first::last using \
	(0):0:(0):(kb(k)):($0+0.4*(k-3)):($0+0.4*(k-2)):ytic(name(strcol(1))) \
	with boxxy lc rgb word('#bbbbbb black', k-1) \
	title word('base series', k-1), \
	for [k=2:3] ARG1 every ::first::last using \
	(kb(k)):($0+0.4*(k-2.5)):(text(kb(k))) \
	with labels left offset 0.5,0 notitle"

set title 'Memory cost of one more unused network namespace, in KB' offset 0,1
set tmargin at screen 0.88
set bmargin at screen 0.74
first = 0
last = 0
@panel
unset title
unset key
set tmargin at screen 0.63
set bmargin at screen 0.06
first = 1
last = STATS_records - 1
@panel
