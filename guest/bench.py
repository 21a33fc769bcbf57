#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench.py MODULES [NETNS]

Runs in the guest of scripts/boot, on the series' kernel or on the base, among
NETNS (1000) namespaces. It measures how long each converted module takes to
load and to unload; what vxlan and can cost an idle namespace, and what a first
and a second use takes in each; how long a namespace takes to make and to
delete beside all these modules; and how long 64 ids take, as arrays grow and
as they have room. Lines on fd 3, for scripts/bench: MODULE WHAT VALUE, in
bytes a namespace or in microseconds.
"""

import glob
import os
import resource
import socket
import struct
import sys
import time
from functools import partial

import lib
from lib import attr, nets, ok, tell

NAMES = [f"n{number}" for number in range(int((sys.argv + [1000])[2]))]
FEW = len(NAMES) // 5
CONVERTED = ("vxlan", "can", "ila", "rxrpc", "openvswitch", "xfrm6_tunnel",
             "xfrm_interface", "ip_set", "phonet")
sockets = []


def use_vxlan(number):
    """Add a vxlan device, with the id NUMBER, to 192.0.2.1:4789."""
    lib.new_link("vxlan", f"v{number}", lib.u32(1, number),
                 attr(2, bytes([192, 0, 2, 1])),
                 attr(15, struct.pack(">H", 4789)))


def use_can():
    """Bind a raw CAN socket, which stays open."""
    sock = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    sock.bind(("vcan0",))
    sockets.append(sock)


def timed(function, *args):
    """Return the duration of a function call in microseconds."""
    begin = time.perf_counter_ns()
    function(*args)
    return (time.perf_counter_ns() - begin) / 1000


def loads(module, content):
    """Load and unload a module 5 times, without its dependencies."""
    for _ in range(5):
        tell(module, "load", timed(lib.init_module, content))
        tell(module, "unload", timed(lib.delete_module, module))


def state_bytes(module):
    """Return the bytes of a module's state, wherever it was allocated."""
    return lib.core_bytes() + lib.sites(rf"\[{module}\]")[0]


def uses(module, what, use):
    """Use a module once per netns."""
    times = []
    for name in NAMES:
        with lib.netns(name):
            times.append(timed(use))
    for value in times:
        tell(module, what, value)


def measure(module, load, first, second):
    """Load a module, and use it twice in each netns."""
    before = state_bytes(module)
    lib.load(load)
    # RCU still frees objects of sockets of an earlier module
    time.sleep(1)
    idle = state_bytes(module)
    uses(module, "first", first)
    tell(module, "idle", (idle - before) // len(NAMES))
    tell(module, "used", (state_bytes(module) - idle) // len(NAMES))
    uses(module, "second", second)
    ok(f"{module}: {len(NAMES)} first uses and as many second ones")


lib.load("vcan")
lib.make_nets(*NAMES)
lib.ip(None, *(f"link add vcan0 netns {name} up type vcan" for name in NAMES))
# Two sockets of each netns stay open
resource.setrlimit(resource.RLIMIT_NOFILE, (3 * len(NAMES) + 100,) * 2)
for converted in CONVERTED:
    lib.load(converted)
    lib.rmmod(converted)
    loads(converted, lib.image(converted))
ok(f"9 modules loaded and unloaded beside {nets()} namespaces, 5 times each")

measure("vxlan", "vxlan", partial(use_vxlan, 1), partial(use_vxlan, 2))
measure("can", "can-raw", use_can, use_can)

lib.load(*CONVERTED)
# Arrays that grew meanwhile are not namespaces that nets() should count. The
# base has kfree_rcu() free them, of which the slab keeps the last few.
for cache in glob.glob("/sys/kernel/slab/kmalloc-*"):
    lib.write(f"{cache}/shrink", 1)
lib.wait_for(60, "the old arrays freed", lambda: nets() == len(NAMES) + 1)
for _ in range(3):
    new = [f"new{count}" for count in range(FEW)]
    tell("netns create", 1000 * lib.make_nets(*new) // FEW)
    tell("netns delete", 1000 * lib.delete_nets(*new) // FEW)
ok(f"3 times {FEW} namespaces made and deleted beside these")

ids = lib.image(f"{os.path.dirname(lib.MODULES)}/benchmark/ids.ko")
tell("ids grow", timed(lib.init_module, ids))
lib.rmmod("ids")
loads("ids", ids)
ok("64 ids registered and given back, 5 times")
lib.step_dmesg()
ok("dmesg: no warning")
