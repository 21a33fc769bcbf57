#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""selftests.py BASE.log SERIES.log RESULTS.csv

Compares the logs of the upstream selftests on base and series, test by test:
the results that each script prints, its exit status, its errors, and the
kernel's warnings. Prints differences and failures, and writes all results to
RESULTS.csv.
Exit status: 1 if the series is worse.
"""
import collections
import csv
import re
import sys

# The formats in which scripts print the result of one test
RESULTS = (
    re.compile(r" *(?:TEST: )?(?P<name>.*)"
               r"\[ *(?P<result>OK|PASS|FAIL|SKIP|XFAIL|PYLIB|NOMOD) *\] *$"),
    re.compile(r" *(?P<result>PASS|FAIL|SKIP|XFAIL): (?P<name>.*)"),
    re.compile(r"(?=.*# *(?P<result>SKIP|XFAIL))(?:not )?ok \d+ (?:- )?"
               r"(?P<name>[^#]*)"),
    re.compile(r"(?P<result>ok|not ok) \d+ (?:- )?(?P<name>[^#]*)"))
ALIASES = {"PASS": "OK", "ok": "OK", "not ok": "FAIL", "PYLIB": "SKIP",
           "NOMOD": "SKIP"}
ERROR = re.compile("error|fail|invalid|cannot|denied|permitted|supported"
                   "|no such|not found|traceback|unable|refused|timed out"
                   "|segmentation|does not exist", re.IGNORECASE)
STATUS = {"0": "OK", "4": "SKIP", "124": "TIMEOUT", "137": "TIMEOUT",
          "crash": "CRASH"}
TEXTS = ("TEXT", "SPLAT")
COUNTED = ("OK", "FAIL", "SKIP", "XFAIL", "TIMEOUT", "CRASH", "SPLAT")
# From good to bad; other results rank between SKIP and CRASH
RANKS = {"": 0, "OK": 1, "XFAIL": 2, "SKIP": 3, "CRASH": 5}


def add(test, name, result):
    """Adds a result. Numbers results of the same name; adds a text once."""
    key = name = " ".join(name.split())
    number = 1
    while key in test and result not in TEXTS:
        number += 1
        key = f"{name} ({number})"
    test.setdefault(key, result)


def plain(text):
    """Replaces numbers, addresses and mktemp's suffixes, which vary."""
    return re.sub("(?<=-)[A-Za-z0-9]{6}|0x[0-9a-f]+|[0-9]+", "#", text)


def add_line(test, line):
    """Adds the result or the error in one line of output, if there is one."""
    match = next(filter(None, (form.match(line) for form in RESULTS)), None)
    if "[START]" in line:
        return
    if match:
        add(test, match["name"], ALIASES.get(match["result"], match["result"]))
    elif ERROR.search(line):
        add(test, plain(line), "TEXT")


def read(path):
    """Returns the results of each test in a log, by name, and its seconds."""
    tests, seconds = {}, {}
    with open(path, encoding="utf-8", errors="replace", newline="\n") as log:
        for line in log:
            line = re.sub(r"\033\[[0-9;]*m|\r", "", line.rstrip("\n"))
            what, _, rest = line.partition(" ")
            if what == "begin":
                name = rest.partition(" ")[2]
                test = tests[name] = {}
            elif what == "splat":
                add(test, plain(re.sub(r"^\[ *[0-9.]+\] ", "", rest)), "SPLAT")
            elif what == "end":
                status, seconds[name] = rest.split()
                status = STATUS.get(status, "FAIL")
                if status not in ("OK", "SKIP") or set(TEXTS).issuperset(
                        test.values()):
                    add(test, "", status)
            elif what == "|":
                add_line(test, rest)
    return tests, seconds


def judge(base, series):
    """Returns the verdict on one test; its result is "" if it did not run."""
    if not series:
        return "worse" if base in ("OK", "XFAIL") else "better"
    rank = RANKS.get(series, 4)
    if rank > max(1, RANKS.get(base, 4)):
        return "not run" if (base, series) == ("", "SKIP") else "worse"
    if series in ("OK", "XFAIL"):
        return "passed"
    return "not run" if series == "SKIP" else "same"


def counts(test):
    """Returns the number of tests with each result."""
    number = collections.Counter(test.values())
    return ", ".join(f"{number[kind]} {kind.lower()}" for kind in COUNTED
                     if number[kind]) or "-"


def main():
    """Prints the table and writes the CSV."""
    (base, took), (series, took_series) = map(read, sys.argv[1:3])
    rows = [("test", "subtest", "base", "series", "verdict")]
    line = "{:58.58} {:26} {:26} {:>4} {:>4}".format
    print(line("", "base", "series", "s", "s"))
    for test in base | series:
        old, new = base.get(test, {}), series.get(test, {})
        print(line(test, counts(old), counts(new), took.get(test, ""),
                   took_series.get(test, "")))
        for name in old | new:
            said = old.get(name, ""), new.get(name, "")
            verdict = judge(*said)
            rows.append((test, name, *said, verdict))
            if verdict == "worse" or (verdict in ("same", "not run") and
                                      said[1] != "TEXT"):
                print(f"    {verdict:7}  {name or 'the script'}: "
                      f"base {said[0] or '-'}, series {said[1] or '-'}")
    with open(sys.argv[3], "w", encoding="utf-8", newline="") as table:
        csv.writer(table, lineterminator="\n").writerows(rows)
    total = collections.Counter(row[4] for row in rows)
    print(f"\n{total['same']} failed on both or print the same error on both; "
          "skipped are the tests\nthat did not run on either\n"
          f"{total['passed']} passed, {total['worse']} failed, "
          f"{total['not run']} skipped")
    return total["worse"] > 0


if __name__ == "__main__":
    sys.exit(main())
