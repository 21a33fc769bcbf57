#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""figures.py COVER-LETTER...: are the figures of the tables those of results/?

Such a table has a head that names its unit, bytes if it names none, and its
columns, and below it rows up to an empty line:

    us             before    after
    netns create     1665     1335    a remark

Prints each figure that differs from the result, rounded to the digits that the
table has. Exit status: 1 if one does, or a line looks like a row but is not
below a head, or there is no figure at all.
"""
import csv
import functools
import itertools
import pathlib
import re
import sys

# The task whose result has a figure with this unit, and the unit of the result
UNITS = {"bytes": ("memory", 1), "KB": ("memory", 1e3),
         "KiB": ("memory", 1024), "us": ("bench", 1), "ms": ("bench", 1e3)}
COLUMNS = {"before": "base", "base": "base", "today": "today",
           "after": "series", "series": "series"}
NAMES = {"whole netns": "total"}


@functools.cache
def result(task):
    """The rows of a table of results/, by module, or module and what."""
    path = pathlib.Path("results", task + ".csv")
    if not path.exists():
        sys.exit(f"figures: no {path}: make {task} KEEP=1 writes it")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#")]
    return {(row["owner"].strip("[]") if "owner" in row
             else f"{row['module']} {row['what']}"): row
            for row in csv.DictReader(lines)}


def check(name, column, unit, figure):
    """What is wrong with a figure, or nothing."""
    task, scale = UNITS[unit]
    value = result(task).get(NAMES.get(name, name), {}).get(column)
    if not value:
        return f"results/{task}.csv has no such value"
    if not re.fullmatch(r"-?\d+(\.\d+)?", figure):
        return f"'{figure}' is not a number"
    digits = len(figure.partition(".")[2])
    if abs(float(value) / scale - float(figure)) > 0.501 * 10 ** -digits:
        return f"{figure}, but results/{task}.csv has {value}"
    return ""


def figures(text):
    """Yields number of the line, row, column, unit and figure.

    For a row without a head it yields no column.
    """
    columns = []
    for number, line in enumerate(text.splitlines(), 1):
        name, *cells = re.split(r"\s{2,}", line.strip())
        head = [name, *cells] if name in COLUMNS else cells
        if not name:
            columns = []
        elif (len(head) > 1 and set(head) <= COLUMNS.keys() and
              (name in UNITS or name in COLUMNS)):
            columns = head
            unit = name if name in UNITS else "bytes"
        elif columns:
            for column, figure in itertools.zip_longest(
                    columns, cells[:len(columns)], fillvalue=""):
                yield number, name, COLUMNS[column], unit, figure
        elif re.search(r"\S\s{2,}-?\d", line):
            yield number, line.strip(), "", "", ""


def main():
    """Checks each figure of each file."""
    total = wrong = 0
    for path in sys.argv[1:]:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        for number, name, column, unit, figure in figures(text):
            total += 1
            fault = (check(name, column, unit, figure) if column
                     else "no head above this row names its columns")
            if fault:
                wrong += 1
                print(f"{path}:{number}: {name}, {column}: {fault}")
    print(f"{total} figures, {wrong} of them wrong")
    return wrong > 0 or not total


if __name__ == "__main__":
    sys.exit(main())
