#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ila.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of ila's per-netns state.
"""

import contextlib
import os
import re
import socket
import struct
import time
from functools import partial

import lib
from lib import IDLE, attr, expect, hold, ip, netns, renew, says, step

ADD, DEL, GET, FLUSH = 1, 2, 3, 4
LOCATOR, LOCATOR_MATCH, IFINDEX, CSUM_MODE = 1, 3, 4, 7
UDP6 = socket.AF_INET6, socket.SOCK_DGRAM

# The first hashed key holds a module reference until a work item has run
unload = partial(lib.rmmod, "ila", within=20)


def ila(cmd, number, *attrs):
    """Make a request for the mapping of 2001:db8:NUMBER::/64."""
    match = struct.pack(">4H", 0x2001, 0xdb8, number, 0)
    return lib.genl("ila", 1, cmd, attr(LOCATOR_MATCH, match), *attrs)


def add(number=1):
    """Add a mapping to 2001:db8:2::/64."""
    ila(ADD, number, attr(LOCATOR, bytes.fromhex("20010db800020000")),
        attr(CSUM_MODE, b"\0"))


def mappings(count):
    """Expect that a dump has COUNT mappings."""
    dumped = []

    def works():
        # While the table is resized, a dump fails with EAGAIN.
        with contextlib.suppress(BlockingIOError):
            dumped.append(lib.genl_dump("ila", 1, GET))
        return dumped

    lib.until(works, "a dump of the mappings")
    expect(len(dumped[0]), count)


def load():
    """Load ila, and look up its family id, which changes with each load."""
    lib.load("ila")
    lib.genl_message("ila", 1, GET, [])


def path():
    """Let n5 send to 2001:db8:1::1, which n6 translates to 2001:db8:2::1.

    Gives a socket that is bound to the latter.
    """
    ip("n5", "link add veth type veth peer name veth netns n6",
       "link set veth up", "addr add 2001:db8::1/64 dev veth nodad",
       "route add 2001:db8:1::/64 via 2001:db8::2")
    ip("n6", "link set lo up", "link set veth up",
       "addr add 2001:db8::2/64 dev veth nodad",
       "addr add 2001:db8:2::1/64 dev lo nodad")
    with netns("n6"):
        inbox = socket.socket(*UDP6)
        inbox.bind(("2001:db8:2::1", 4242))
    return inbox


def arrive(count, inbox):
    """Expect that COUNT of 5 packets arrive."""
    with netns("n5"), socket.socket(*UDP6) as out:
        for _ in range(5):
            out.sendto(b"?", ("2001:db8:1::1", 4242))
    inbox.settimeout(10 if count else 1)
    arrived = 0
    with contextlib.suppress(TimeoutError):
        while arrived < 5:
            arrived += len(inbox.recv(9))
    expect(arrived, count)


@contextlib.contextmanager
def flooded():
    """Flood the path while the block runs."""
    with lib.running("ip netns exec n5 ping -6 -q -f 2001:db8:1::1"):
        time.sleep(1)
        yield


def delivered():
    """Return the number of packets that n6 has received."""
    with netns("n6"):
        text = lib.read("/proc/thread-self/net/snmp6")
    return int(re.search(r"Ip6InDelivers\s+(\d+)", text)[1])


@step
def idle():
    """Requests, deleting a netns and unloading leave no state"""
    lib.make_nets(*IDLE)
    lib.load("veth")
    load()
    hold(0, "in namespaces that were there first")
    with netns("n1"):
        says("ESRCH", ila, GET, 1)
        ila(DEL, 1)
        lib.genl("ila", 1, FLUSH)
        mappings(0)
        with lib.netlink(lib.NETLINK_GENERIC) as far, netns("n2"):
            kind, payload = lib.genl_message("ila", 1, GET, [])
            far.send(lib.message(kind, lib.NLM_F_DUMP, payload))
            expect(list(lib.answers(far)), [])
    renew("n2")
    unload()
    load()
    hold(0, "where no mapping was")


@step
def refused():
    """A first request that is refused leaves no state"""
    with netns("n1"):
        says("ERANGE", ila, ADD, 1, attr(LOCATOR, b"1"))
        os.seteuid(65534)
        says("EPERM", add)
        os.seteuid(0)
    hold(0, "after requests that were refused")


@step
def first():
    """Mappings are added, deleted, flushed, and freed with the netns"""
    with netns("n1"):
        add()
        hold(1, "after a first mapping")
        lib.charged("kmalloc-cg-512", "ila")
        says("EEXIST", add)
        ila(ADD, 1, lib.u32(IFINDEX, 1))
        add(2)
        expect(bool(ila(GET, 1)), True)
        mappings(3)
        with netns("n2"):
            says("ESRCH", ila, GET, 1)
        ila(DEL, 2)
        says("ESRCH", ila, GET, 2)
        lib.genl("ila", 1, FLUSH)
        mappings(0)
        hold(1, "after the last mapping")
        for number in range(300):
            add(number)
    renew("n1", left=0)


@step
def traffic():
    """Packets are translated until the netns is deleted under traffic"""
    with path() as inbox:
        arrive(0, inbox)
        hold(0, "after packets that nothing translates")
        with netns("n6"):
            add()
            arrive(5, inbox)
            hold(1, "for a path with one mapping")
            ila(DEL, 1)
            arrive(0, inbox)
            add()
    with flooded():
        before = delivered()
        time.sleep(1)
        count = delivered() - before
        if count <= 0:
            lib.off("n6 is not flooded")
        lib.delete_nets("n6")
    hold(0, "after a netns under traffic")
    lib.make_nets("n6")
    return f"{count} in a second"


@step
def step_unload():
    """The module is unloaded under traffic"""
    with path() as inbox, netns("n6"):
        add()
        with flooded():
            unload()
            load()
            hold(0, "after unloading")
            arrive(0, inbox)
            add()
            arrive(5, inbox)
            unload()
    renew("n5", "n6")
    load()
    return f"among {lib.nets()} namespaces"


@step
def race():
    """Two first users at once share one state, and both are served"""
    with lib.new_nets("r", 60) as names:
        lib.at_once(names, lambda: partial(add, 0), lambda: partial(add, 1))
        hold(60, "for two first users in each of as many nets")
        with netns("r1"):
            mappings(2)
    hold(0, "after them")


@step
def race_unload():
    """First uses are made while the module is unloaded and loaded"""
    def turn():
        unload()
        load()

    turns = lib.race_unload("ila", 80, add, ["ENOENT"], turn=turn,
                            unload=unload, reload=load)
    return f"80 uses, {turns} unloads"


@step
def failures():
    """Each allocation of a first use fails"""
    return lib.fail_each(add, keeps=True)


@step
def cycles():
    """The module is unloaded and loaded 20 times, with a mapping"""
    lib.cycles("ila", lambda _: lib.in_net("n1", add), unload, load)


# The limit is for the struct: the hash table can have many pages
lib.watch(r"\[ila\] func:ila_xlat_init_net ", below=4096)
lib.last_steps(unload)
lib.run()
