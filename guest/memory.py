#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""memory.py MODULES [NETNS [EACH]]

Runs in the guest of scripts/boot, on the series' kernel or on the base: loads
each module of MODULES, one after the other, and makes EACH (5) idle namespaces
beside each that has pernet operations, then NETNS (500) beside all of them.
Lines on fd 3 say what these took, for scripts/memory:

    bytes OWNER COUNT BYTES CALLS FILE:LINE [MODULE] func:FUNCTION
    timer|work|idle COUNT OBJECTS HITS FUNCTION [MODULE]

OWNER is the module loaded last, "built-in" before any, "all" in the end. A
module's call sites do not show what lib/, proc or sysctl allocate for it, and
those of the core not for which module. The namespaces beside it show both.
"""

import os
import re
import sys
import time
from collections import Counter
from glob import glob
from graphlib import TopologicalSorter

import lib
from lib import ok, read, tell

NETNS, EACH = map(int, sys.argv[2:] + ["500", "5"][len(sys.argv) - 2:])
TRACING = "/sys/kernel/tracing"
EVENTS = (("timer/timer_start", "timer"), ("timer/hrtimer_start", "hrtimer"),
          ("workqueue/workqueue_queue_work", "work"))
made = []


def sample():
    """Return the lines of /proc/allocinfo."""
    time.sleep(0.3)
    return Counter(read("/proc/allocinfo").splitlines())


def growth(before, after):
    """Return the bytes and calls by which each call site has grown.

    Slabs and per-cpu chunks are counted where objects come from them. The
    rest of mm/, and maple trees, are user space.
    """
    grown = {}
    after.subtract(before)
    for line, sign in after.items():
        if sign:
            held, calls, path, *rest = line.split()[:5]
            # As the compiler saw it
            path = re.sub(r"^(\.\./)+[^/]*/", "", path)
            if not re.match("mm/(?!vmalloc|util)|lib/maple", path):
                counts = grown.setdefault(" ".join([path, *rest]), [0, 0])
                counts[0] += sign * int(held)
                counts[1] += sign * int(calls)
    return grown


def noisy(grown):
    """Return whether processes or workers came or went in the meantime.

    The threads that namespaces start are no noise.
    """
    workers, threads, tasks = (
        sum(calls for site, (_, calls) in grown.items()
            if site.endswith(f" func:{function}"))
        for function in ("alloc_worker", "set_kthread_struct",
                         "alloc_task_struct_node"))
    return workers or tasks != threads


def make_nets(owner, count):
    """Make namespaces, and return their growth and the milliseconds."""
    for _ in range(4):
        before = sample()
        names = [f"n{len(made) + number}" for number in range(count)]
        made.extend(names)
        took = lib.make_nets(*names)
        grown = growth(before, sample())
        if not noisy(grown):
            break
    else:
        print("processes came or went beside", owner)
    if owner != "warm-up":
        for site, counts in grown.items():
            if any(counts):
                tell("bytes", owner, count, *counts, site)
    return took


def trace():
    """Count timers and works, by function, from now on."""
    for event, key in EVENTS:
        lib.write(f"{TRACING}/events/{event}/trigger",
                  f"hist:keys=function.sym,{key}:size=65536")


def traced(*whats):
    """Tell the distinct objects and the hits of each function."""
    for (event, _), what in zip(EVENTS, whats):
        objects, hits = Counter(), Counter()
        for function, count in re.findall(
                r"^{ function: \[\w+\] (\S+(?: \[\w+\])?) *,.* (\d+)$",
                read(f"{TRACING}/events/{event}/hist"), re.MULTILINE):
            objects[function] += 1
            hits[function] += int(count)
        for function, count in objects.items():
            tell(what, len(made) + 1, count, hits[function], function)


def images():
    """Return path and content of each module, after those that it needs."""
    os.chdir(*glob(f"{lib.MODULES}/lib/modules/*"))
    needs = dict(line.split(":") for line in read("modules.dep").splitlines())
    for path in TopologicalSorter(
            {path: needs[path].split() for path in needs}).static_order():
        with open(path, "rb") as file:
            yield path, file.read()


lib.must(f"mount -t tracefs tracefs {TRACING}")
modules = dict(images())
pernet = {path for path, image in modules.items()
          if re.search(b"register_pernet_|tcf_register_action", image)}
print(f"Linux {os.uname().release}, {len(modules)} modules, {len(pernet)} of"
      f" them with pernet operations, {os.cpu_count()} CPUs", flush=True)
trace()
make_nets("warm-up", 3)
make_nets("built-in", 20)
failed = []
for ko, image in modules.items():
    name = os.path.basename(ko)[:-3].replace("-", "_")
    try:
        lib.init_module(image)
    except OSError:
        failed.append(name)
    else:
        if ko in pernet:
            make_nets(name, EACH)
ok(f"{len(modules) - len(failed)} modules loaded; not: {' '.join(failed)}")
last = make_nets("all", NETNS)
ok(f"{len(made)} namespaces made, the last {NETNS} in {last} ms")

# Delayed works show when they are due
time.sleep(10)
traced("timer", "timer", "work")
trace()
time.sleep(10)
traced("idle", "idle", "idle")
print(*re.findall("^(?:TCP|UDP|RAW|sockets).*", read("/proc/net/sockstat"),
                  re.MULTILINE), sep="\n")
ok("10 idle seconds")
lib.step_dmesg()
ok("dmesg: no warning")
