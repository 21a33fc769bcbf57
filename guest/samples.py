#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""samples.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the series' kernel: loads the modules of
samples/netns_generic, whose code Documentation/networking/netns-generic.rst
shows, and uses each of them in namespaces.
"""

import os
import time
from functools import partial

import lib
from lib import IDLE, hold, netns, nets, says, step

EACH, SIZE, LAZY = "/proc/net/netns_each", "/dev/netns_size", "/dev/netns_lazy"


def put(file, number):
    """Write a number to a device of this netns, which must exist."""
    with open(file, "r+b", buffering=0) as device:
        device.write(str(number).encode())


def shows(net, number, file):
    """Expect a number in a file of a netns."""
    with netns(net):
        lib.expect(lib.read(file), f"{number}\n")


def sums(file, used=lambda: None):
    """Expect that n1 has its own sum, until n1 is unused for a second.

    USED() checks the state after the first numbers.
    """
    with netns("n1"):
        put(file, 5)
        put(file, -2)
        shows("n1", 3, file)
        used()
        shows("n2", 0, file)
        says("EINVAL", put, file, "many")
        time.sleep(1.2)
        shows("n1", 0, file)


def reload(module):
    """Unload a module, load and unload it 20 times, and expect no trace."""
    content = lib.image(module)
    lib.rmmod(module)
    lib.cycles(module, lambda number: lib.init_module(content),
               partial(lib.rmmod, module), lambda: None)


@step
def idle():
    """20 namespaces are made."""
    lib.make_nets(*IDLE)
    lib.load("dummy")


@step
def each():
    """netns_each: each netns has data, which is freed with the netns."""
    lib.watch(r"\[netns_each\] func:netns_each_init ")
    lib.load("netns_each")
    hold(nets(), f"in {nets()} namespaces")
    shows("n1", 1, EACH)
    lib.ip("n1", "link add d0 type dummy", "link add d1 type dummy",
           "link del d0")
    shows("n1", 3, EACH)
    lib.ip("n1", "link set d1 netns n2")
    shows("n1", 3, EACH)
    shows("n2", 2, EACH)
    lib.make_nets("new")
    hold(nets(), "with one namespace more")
    shows("new", 1, EACH)
    lib.delete_nets("new", "n1")
    hold(nets(), "with two namespaces less")
    lib.make_nets("n1")
    reload("netns_each")
    says("ENOENT", shows, "n1", 1, EACH)
    return f"{nets()} namespaces"


@step
def no_init():
    """netns_each: init fails in a netns, nothing is left."""
    # The last allocations of a load are those of init in the last namespaces
    count = lib.fail_loads("netns_each", 20,
                           partial(says, "ENOENT", shows, "n1", 1, EACH))
    return f"{count} times"


@step
def size():
    """netns_size (netns_lazy before conversion): each netns has data."""
    before = lib.core_bytes()
    lib.load("netns_size")
    held = (lib.core_bytes() - before) // nets()
    sums(SIZE)
    with netns("n1"):
        put(SIZE, 1)
    lib.renew("n1")
    reload("netns_size")
    return f"{held} bytes in each of {nets()}"


@step
def lazy():
    """netns_lazy: data exists from the first number to the netns exit."""
    lib.watch(r"\[netns_lazy\] func:netns_lazy_get ")
    lib.load("netns_lazy")
    shows("n1", 0, LAZY)
    with netns("n1"):
        says("EINVAL", put, LAZY, "many")
    lib.renew("n3")
    hold(0, "before a first use")
    sums(LAZY, lambda: hold(1, "after a first use"))
    hold(1, "in a netns that is quiet")
    lib.charged("kmalloc-cg-*", "netns_lazy")
    with netns("n1"):
        put(LAZY, 1)
    lib.renew("n1", left=0)


@step
def race():
    """8 concurrent first users in each of 20 namespaces: one wins."""
    def user():
        return partial(os.write, os.open(LAZY, os.O_WRONLY), b"1")

    lib.at_once(IDLE, *[user] * 8)
    hold(len(IDLE), "after 8 first users at a time in each netns")
    lib.renew(*IDLE, left=0)


@step
def failures():
    """netns_lazy: allocations of a first use fail, the next use works."""
    return lib.fail_each(partial(put, LAZY, 1))


@step
def unload():
    """netns_lazy: unloaded among namespaces with data and timers, 20 more."""
    for name in IDLE:
        with netns(name):
            put(LAZY, 1)
    hold(len(IDLE), "before the module goes")
    reload("netns_lazy")
    with netns("n1"):
        says("ENOENT", put, LAZY, 1)


lib.last_steps("dummy")
lib.run()
