#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""memory.py BASE.result SERIES.result MEMORY.csv

Computes the cost of one more unused network namespace, by owner, from the
counts of guest/memory.py on base and series. Prints the table and writes it to
MEMORY.csv. The owner with the highest cost on the base comes first.
"""
import collections
import csv
import re
import sys

COLUMNS = ("", " pernet", " ->init", " threads", " workqueues", " sockets",
           " timers", " works", " idle")
# Each call of one of these functions adds to its column.
CALLS = {"func:set_kthread_struct": (" threads", 1),
         "func:alloc_worker": (" threads", -1),
         "func:alloc_and_link_pwqs": (" workqueues", 1),
         "func:sk_prot_alloc": (" sockets", 1)}
# Trees, tables and arrays that all namespaces share, and that grow in steps.
SHARED_FILES = ("lib/radix-tree.c", "lib/xarray.c", "lib/idr.c")
SHARED = ("func:net_alloc_generic", "func:netlink_proto_init",
          "func:pidfs_init")


def costs(sites):
    """Yields file, column and value of the cost of a step per namespace."""
    for file, function, count, size, calls in sites:
        if file in SHARED_FILES or function in SHARED:
            continue
        if re.match(r"fs/[a-z_]*\.c|mm", file):
            file = "its name in /run/netns"
        # All namespaces make the same calls: a remainder has another cause.
        times = int(calls / count + (0.5 if calls > 0 else -0.5))
        size = size / calls * times if calls else size / count
        yield file, "", size
        if function == "func:ops_init":
            yield file, " pernet", size
        if function in CALLS:
            column, sign = CALLS[function]
            yield file, column, sign * times


def read(path, table):
    """Returns the sites of each step. Adds timers and works to the table."""
    steps = collections.defaultdict(list)
    with open(path, encoding="utf-8") as result:
        for what, *fields in map(str.split, result):
            if what == "bytes":
                step, *numbers, place = fields[:5]
                file = place.partition(":")[0]
                # Caches of packets and page tables belong to no namespace.
                if ("pgtable" not in file and
                        fields[-1] != "func:napi_skb_cache_get"):
                    steps[step].append((file, fields[-1], *map(int, numbers)))
            else:
                count, objects, hits = map(int, fields[:3])
                owner = (fields[4:] or ["built-in code"])[0]
                table[owner][" idle" if what == "idle" else f" {what}s"] += (
                    hits if what == "idle" else objects) / count
    return steps


def steps_costs(steps, table):
    """Adds the extra cost of each module over the modules before it."""
    before = collections.Counter()
    for step, sites in steps.items():
        now = collections.Counter()
        for file, column, value in costs(sites):
            now[column] += value
            if step == "built-in":
                table[file][column] += value
        more = {column: now[column] - before[column] for column in now}
        before.update(more)
        if step != "built-in":
            table[f"[{step}]"].update(more)


def owners(path):
    """Returns the columns by owner, for one kernel."""
    table = collections.defaultdict(collections.Counter)
    steps = read(path, table)
    # The share of one namespace in shared data is the average over many.
    rest = 0
    for file, function, count, size, _ in steps.pop("all"):
        rest += size / count
        if function == "func:net_alloc_generic":
            table["array of pointers"][""] += size / count
        elif file in SHARED_FILES or function in SHARED:
            table[file][""] += size / count
    steps_costs(steps, table)
    table["not attributed"][""] = rest - sum(row[""] for row in table.values())
    total = collections.Counter()
    for row in table.values():
        row[" ->init"] = row[""] - row[" pernet"]
        total.update(row)
    table["total"] = total
    return table


def main():
    """Prints and writes the table, with two decimals except for bytes."""
    base, series = map(owners, sys.argv[1:3])
    rows = [[owner] + [round(row[column]) if i < 3 else f"{row[column]:.2f}"
                       for row in (base[owner], series[owner])
                       for i, column in enumerate(COLUMNS)]
            for owner in set(base) | set(series)]
    rows.sort(key=lambda row: (-row[1], row[0]))
    with open(sys.argv[3], "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["owner"] + [kernel + column
                                    for kernel in ("base", "series")
                                    for column in COLUMNS])
        table.writerows(rows)
    line = ("{:30.30}" + " {:>8}" * 6 + " {:>5} {:>4} {:>5} {:>6} {:>6} {:>5}"
            ).format
    print(line("bytes a namespace", "base", "pernet", "->init", "series",
               "pernet", "->init", "threa", "wq", "sock", "timers", "works",
               "idle"))
    for row in rows:
        print(line(*row[:4], *row[10:13],
                   *(re.sub(r"^-?0\.00$", "", cell) for cell in row[13:])))


if __name__ == "__main__":
    main()
