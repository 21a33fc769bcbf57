#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench.py RESULTS BENCH.csv

Prints the medians of lines "MODULE KERNEL WHAT VALUE", with the quartiles of
times, and writes both to BENCH.csv.
"""
import collections
import csv
import statistics
import sys

KERNELS = ("base", "today", "series")
# These are bytes and lines; the rest are microseconds.
UNTIMED = ("idle", "used", "lines")


def cells(what, values):
    """Returns the median, and for times the lower and upper quartile."""
    if not values:
        return "", "", ""
    if what == "lines":
        return values[0], "", ""
    values = [float(value) for value in values]
    if what in UNTIMED:
        return round(statistics.median(values)), "", ""
    cuts = statistics.quantiles(values if values[1:] else values * 2,
                                method="inclusive")
    return round(cuts[1]), round(cuts[0]), round(cuts[2])


def main():
    """Prints and writes a line for each module and value."""
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(sys.argv[1], encoding="utf-8") as results:
        for module, kernel, what, value in map(str.split, results):
            rows[module, what][kernel].append(value)
    line = "{:22}{:>27}{:>27}{:>27}".format
    print(line("", *KERNELS))
    with open(sys.argv[2], "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["module", "what"] + [
            kernel + column for kernel in KERNELS
            for column in ("", " lower quartile", " upper quartile")])
        for (module, what), values in sorted(rows.items()):
            row = [cells(what, values[kernel]) for kernel in KERNELS]
            table.writerow([module, what, *sum(row, ())])
            print(line(f"{module} {what}", *(
                f"{median} ({low} to {high})" if low != "" else f"{median}"
                for median, low, high in row)))


if __name__ == "__main__":
    main()
