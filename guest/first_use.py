#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""first_use.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the series' kernel: the selftest that
the series adds, netns_first_use.sh. Each step is a module.
"""

import os
from functools import partial
from subprocess import PIPE, STDOUT, run

import lib


def selftest(module):
    """Expect that all tests of a module pass and none is skipped."""
    done = run("./netns_first_use.sh", stdout=PIPE, stderr=STDOUT, text=True,
               cwd="build/linux/tools/testing/selftests/net", check=False,
               env=os.environ | {"TESTS": f"test_{module}"})
    lines = done.stdout.splitlines()
    others = [line for line in lines if "[ OK ]" not in line]
    if done.returncode or "[SKIP]" in done.stdout or others == lines:
        lib.off("\n".join(others) or f"{module}: no test")
    return f"{len(lines) - len(others)} tests passed"


for name in "can", "ila", "vxlan", "xfrm_interface":
    test = partial(selftest, name)
    test.__name__ = test.__doc__ = name
    lib.step(test)
lib.step(lib.leaks)
lib.step(lib.step_dmesg)
lib.autoload()
lib.run()
