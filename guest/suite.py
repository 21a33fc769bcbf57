#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""suite.py MODULES

Runs in the guest of scripts/boot: the KUnit suite, in the kernel (which was
booted with kunit.autorun=0) or in the modules below MODULES. Its KTAP is in
the console's log. Two scans of kmemleak follow, where the kernel has it. Exit
status 1 if the suite could not run, or if memory leaked.
"""

import os

import lib

RUN = "/sys/kernel/debug/kunit/net_namespace/run"


def suite():
    """Run the suite."""
    if os.path.exists(RUN):
        # The kernel prints these lines for a built-in suite
        for line in "KTAP version 1", "1..1":
            lib.write("/dev/kmsg", line)
        lib.write(RUN, 1)
    else:
        # After the 0 that modprobe takes from the kernel's command line
        lib.load("kunit autorun=1")
        # This fails where the module cannot load, not where a case fails
        lib.load("net_namespace_kunit")
        lib.must(f"modprobe -d {lib.MODULES} -r net_namespace_kunit")
    lib.ok("the suite")


def leaks():
    """Scan for leaks, and report them."""
    if os.path.exists(lib.LEAKS):
        try:
            lib.leaks()
        except lib.Off:
            print(lib.read(lib.LEAKS))
            raise
        lib.ok("kmemleak: two scans, nothing found")
    elif " kmemleak_scan\n" in lib.read("/proc/kallsyms"):
        lib.off(f"kmemleak is built in and has ended: no {lib.LEAKS}")


suite()
lib.give_counts()
leaks()
