#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""coverage.py: runs the suite, and guest/state/vxlan.py, on kernels with gcov.

For each function that the series adds or changes, it prints how many lines and
branches ran, and lists those that did not run. configs/not-covered must give a
reason for each of these. build/coverage/index.html shows the whole files. With
KEEP=1 it writes the report to results/coverage.txt. The last line counts lines
of code. A line passed if it and all its branches ran, was skipped if it has a
reason, and failed otherwise. A reason for a line that ran is a failure too.
Exit status: 1 if anything failed.
"""
import base64
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

TREE = pathlib.Path("build/linux").absolute()
PAGE = pathlib.Path("build/coverage")
CORE, NEXTHOP = "net/core/net_namespace.c", "net/ipv4/nexthop.c"
VXLAN = "drivers/net/vxlan/vxlan_core.c"
FILES = CORE, "include/net/netns/generic.h", NEXTHOP, VXLAN


def output(*command):
    """Returns the stdout of a command. Its stderr goes to a log."""
    with open("build/log/coverage-gcov.log", "a", encoding="utf-8") as log:
        return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                              stderr=log, text=True).stdout


def run(command, out, log, *sources):
    """Runs the kernel in OUT. Returns the counts of SOURCES by FILES."""
    subprocess.run(command.split(), check=True)
    result = pathlib.Path(f"build/log/{log}-console.log.result").read_text(
        encoding="utf-8")
    counts = {}
    for source in sources:
        # gcov and gcovr look for the counts here
        file = pathlib.Path(out, source).with_suffix(".gcda")
        data = re.search(rf"^gcda=.*/{file.name} (\S+)$", result, re.M)
        if not data:
            sys.exit(f"coverage: no counts of {source} in build/log/{log}-*")
        file.write_bytes(base64.b64decode(data[1]))
        text = output("gcov", "-j", "-t", "-b", "-o", file.parent, file)
        counts |= {file: entry for entry in json.loads(text)["files"]
                   for file in FILES if entry["file"].endswith(file)}
    return counts


def changed(file):
    """Returns the numbers of changed lines, and of lines next to removals."""
    diff = output("git", "-C", TREE, "diff", "-U0", "base", "HEAD", "--", file)
    return {int(first) + i for first, count in
            re.findall(r"^@@ \S+ \+(\d+)(?:,(\d+))?", diff, re.M)
            for i in range(max(int(count or 1), 1))}


def measure(file, counts):
    """Yields each line of code of the functions that have a changed line.

    A line is its function, its text, its count and the counts of its branches.
    """
    source = (TREE / file).read_text(encoding="utf-8").splitlines()
    lines = changed(file)
    for function in sorted(counts["functions"], key=lambda f: f["start_line"]):
        body = range(function["start_line"], function["end_line"] + 1)
        for line in counts["lines"]:
            number, ways = line["line_number"], line["branches"]
            if number in body and not lines.isdisjoint(body):
                yield (function["name"], source[number - 1].strip(),
                       line["count"], [way["count"] for way in ways])


def table(lines):
    """Yields the covered lines and branches of each function."""
    functions = collections.defaultdict(list)
    for name, _, count, ways in lines:
        functions[name].append((count, ways))
    functions["all"] = sum(functions.values(), [])
    yield f"{'function':36} {'lines':>9} {'branches':>9}"
    for name, part in functions.items():
        ways = sum((ways for _, ways in part), [])
        yield (f"{name:36} {sum(count > 0 for count, _ in part):4}/"
               f"{len(part):<4} {len(ways) - ways.count(0):4}/{len(ways):<4}")


def judge(lines):
    """Yields each line that did not run and the reason, then the counts."""
    text = pathlib.Path("configs/not-covered").read_text(encoding="utf-8")
    why = {key: " ".join(reason.split()) for key, reason in
           re.findall(r"^([^#\t\n].*)\n((?:\t.*\n)*)", text, re.M)}
    unused, total = set(why), collections.Counter()
    for function, line, count, ways in lines:
        key = f"{function}: {line}"
        if count and 0 not in ways:
            total["passed"] += 1
            continue
        unused.discard(key)
        total["skipped" if key in why else "failed"] += 1
        what = (f"{ways.count(0)} of {len(ways)} branches not taken" if count
                else "not run")
        yield f"{key}\n\t{what}: {why.get(key, 'NO REASON')}"
    for key in sorted(unused):
        total["failed"] += 1
        yield f"{key}\n\tran, but has a reason why it does not"
    yield ", ".join(f"{total[what]} {what}"
                    for what in ("passed", "failed", "skipped"))


def main():
    """The suite must be last: its counts of the header are the ones used."""
    PAGE.mkdir(parents=True, exist_ok=True)
    counts = run("scripts/guest -c coverage -o build/coverage-run vxlan",
                 "build/coverage-run", "coverage-run-vxlan", NEXTHOP, VXLAN)
    counts |= run("scripts/suite coverage", "build/cells/coverage", "coverage",
                  CORE, "net/core/net_namespace_kunit.c")
    output("gcovr", "--root", TREE, "--gcov-ignore-parse-errors",
           *(f"--filter={TREE / file}" for file in FILES),
           "--html-details", PAGE / "index.html",
           "build/coverage-run/net/ipv4",
           "build/coverage-run/drivers/net/vxlan",
           "build/cells/coverage/net/core")
    lines = [line for file in FILES for line in measure(file, counts[file])]
    text = "\n".join((*table(lines), "", *judge(lines), ""))
    print(text, end="")
    (PAGE / "coverage.txt").write_text(text, encoding="utf-8")
    if os.environ.get("KEEP"):
        output("scripts/keep", "coverage.txt", PAGE / "coverage.txt")
    return " 0 failed, " not in text


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"coverage: {error}")
