#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""selftests.py MODULES DIR FIRST

Runs in the guest of scripts/boot, on the series' kernel or on the base: takes
the tests of DIR/list, from the one with number FIRST on, with modules from
MODULES. The output of a test follows its "begin" line, each line after a bar,
and "splat" lines have what the kernel says against it. scripts/selftests
judges. Exit status 1 if the kernel cannot go on.
"""

import contextlib
import os
import re
import shutil
import sys
import time
from functools import partial
from importlib import metadata
from subprocess import DEVNULL, STDOUT, run

import lib

FOLDER, FIRST = sys.argv[2], int(sys.argv[3])
TESTS = "/tmp/selftests"
# Debian 12's pyroute2 lacks the version number that ovs-dpctl.py checks
VERSION = """import sys, types
sys.modules["pyroute2.config.version"] = types.SimpleNamespace(
    __version__="{}")
"""
# In a namespace of its own, as upstream's runner does, and as PID 1: some move
# devices to the namespace of that, and nothing survives it. ip netns exec
# covers /sys, and debugfs with it.
ISOLATED = [*"ip netns exec selftest unshare --pid --mount-proc --fork"
            " --kill-child sh -c".split(),
            'mount -t debugfs debugfs /sys/kernel/debug;'
            ' cd "$0" && exec "$@"']
say = partial(print, flush=True)


def setup():
    """Prepare the guest for all tests."""
    programs = os.path.abspath(f"{FOLDER}/iproute2")
    os.environ["PATH"] = f"{programs}/bin:{programs}/sbin:{os.environ['PATH']}"
    lib.autoload()
    os.environ.update(KSFT_MACHINE_SLOW="yes", PYTHONPATH="/run/python")
    os.mkdir("/run/python")
    with contextlib.suppress(metadata.PackageNotFoundError):
        lib.write("/run/python/sitecustomize.py",
                  VERSION.format(metadata.version("pyroute2")))
    # The namespaces that a test makes inherit from that of the test, as they
    # do where it is the first
    lib.write("/proc/sys/net/core/devconf_inherit_init_net", 3)
    # For xfrm_policy.sh
    os.symlink("fd/0", "/dev/stdin")
    shutil.copytree(f"{FOLDER}/tests/tools/testing/selftests", TESTS,
                    symlinks=True)
    lib.write(lib.LEAKS, "scan=off")
    lib.clear_dmesg()


def unload():
    """Unload the modules that nothing uses, and say whether there were any."""
    modules = map(str.split, lib.read("/proc/modules").splitlines())
    return [name for name, _, uses, *_ in modules
            if uses == "0" and lib.gone(name)]


def sweep():
    """Clean up after a test, and wait until the kernel has done the same."""
    for name in os.listdir("/run/netns"):
        lib.works(f"ip netns del {name}")
    while unload():
        pass
    try:
        lib.wait_for(30, "other namespaces gone", lambda: lib.nets() == 1)
    except lib.Off:
        say(f"splat {lib.nets()} namespaces are left, 30 s after the test")


def run_test(limit, path, *args):
    """Run a test, and report on it."""
    if not lib.works("timeout -s KILL 60 ip netns add selftest"):
        sys.exit(1)
    folder, name = os.path.split(path)
    begin = lib.now()
    with open("/tmp/out", "wb") as out:
        status = run(["timeout", "-k", "10", limit, *ISOLATED,
                      f"{TESTS}/{folder}", f"./{name}", *args],
                     stdin=DEVNULL, stdout=out, stderr=STDOUT,
                     check=False).returncode
    seconds = (lib.now() - begin) // 1000
    with open("/tmp/out", encoding="utf-8", errors="replace",
              newline="\n") as out:
        for line in out:
            print("|", line.rstrip("\n"))
    sweep()
    for line in lib.splats(lib.dmesg()):
        print("splat", line)
    lib.clear_dmesg()
    # 137 for SIGKILL, as in a shell
    say("end", status if status >= 0 else 128 - status, seconds)


def find_leaks():
    """Report the call chain of each leak in one line."""
    lib.write(lib.LEAKS, "scan")
    time.sleep(6)
    lib.write(lib.LEAKS, "scan")
    call = re.compile(
        r"^ *(?:\[<.*?>\] *)?(\S+)\+0x[0-9a-f]*/0x[0-9a-f]*(.*)", re.MULTILINE)
    for chain in sorted({" ".join(map("".join, call.findall(leak))) for leak
                         in lib.read(lib.LEAKS).split("unreferenced")[1:]}):
        print("splat leak:", chain)


setup()
tests = lib.read(f"{FOLDER}/list").splitlines()
for number, test in enumerate(tests[FIRST - 1:], FIRST):
    at_most, _, words = test.split(maxsplit=2)
    say("begin", number, words)
    run_test(at_most, *words.split())
say("begin", len(tests) + 1, "kmemleak")
find_leaks()
say("end 0 0")
