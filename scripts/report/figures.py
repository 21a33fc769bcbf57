#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""figures.py COVER-LETTER...: checks the figures of the tables with results/.

The head of a table names its unit (default: bytes) and its columns. Rows
follow up to an empty line:

    us             before    after
    netns create     1665     1335    a remark

Prints each figure that differs from the result, rounded to the digits of the
figure. Exit status: 1 if a figure differs, if a line looks like a row but has
no head above it, or if there is no figure at all.
"""
import csv
import functools
import itertools
import pathlib
import re
import sys

# For each unit: the task whose result has it, and its size in that result
UNITS = {"bytes": ("memory", 1), "KB": ("memory", 1e3),
         "KiB": ("memory", 1024), "us": ("bench", 1), "ms": ("bench", 1e3)}
COLUMNS = {"before": "base", "base": "base", "today": "today",
           "after": "series", "series": "series"}
NAMES = {"whole netns": "total"}


@functools.cache
def result(task):
    """Returns the rows of results/TASK.csv, by module, or module and what."""
    path = pathlib.Path("results", task + ".csv")
    if not path.exists():
        sys.exit(f"figures: no {path}: make {task} KEEP=1 writes it")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#")]
    return {(row["owner"].strip("[]") if "owner" in row
             else f"{row['module']} {row['what']}"): row
            for row in csv.DictReader(lines)}


def check(name, column, unit, figure):
    """Returns the fault of a figure, or ""."""
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
    """Yields line number, row, column, unit and figure.

    For a row without a head, the column is "".
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
