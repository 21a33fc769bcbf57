#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ip_set.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of ip_set's per-netns state. MODULES is the
INSTALL_MOD_PATH. Each step prints one line. The first failure ends the
program with status 1.
"""

import contextlib
import ctypes
import errno
import os
import re
import socket
import struct
import time

import lib
from lib import (IDLE, attr, child, expect, hold, ip, load, make_nets, must,
                 netns, off, refused, renew, rmmod, says, step, string, until,
                 works)

NETFILTER, IPSET = 12, 6 << 8
(PROTOCOL, CREATE, DESTROY, FLUSH, RENAME, SWAP, LIST, SAVE, ADD, DEL, TEST,
 HEADER, TYPE, BYNAME, BYINDEX) = range(1, 16)
# In the order in which they can be unloaded
MODS = "xt_set", "ip_set_bitmap_port", "ip_set_hash_ip", "ip_set"
RULE = "iptables-legacy -A INPUT -m set --match-set s src"
ALLOCATES = r"\[ip_set\] func:ip_set_net_create "


def payload(*names, more=b""):
    """Return the payload of a request, after the netlink header."""
    return b"".join([struct.pack("BBH", socket.AF_INET, 0, 0), attr(1, b"\7"),
                     *map(string, (2, 3), names), more])


def ipset(cmd, *names, more=b""):
    """Make a request, without ipset(8)."""
    return lib.request(NETFILTER, IPSET | cmd, 0, payload(*names, more=more))


def create(name, kind="hash:ip", revision=4, data=b""):
    """Create a set."""
    ipset(CREATE, name, kind, more=attr(4, bytes([revision])) +
          attr(5, b"\2") + attr(0x8007, data))


def create_and_destroy():
    """Make the simplest first use, and leave no set."""
    create("s")
    ipset(DESTROY)


def sets():
    """Return the names of the sets in this netns."""
    return {body[16:body.index(0, 16)].decode() for body in
            lib.dump(NETFILTER, IPSET | LIST, payload())}


def find(operation, key):
    """Look up a set as iptables does: command 6 by name, 7 by index."""
    buffer = ctypes.create_string_buffer(
        struct.pack("=II32s", operation, 7, key), 40)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 255) as sock:
        lib.checked(lib.libc.getsockopt(sock.fileno(), 0, 83, buffer,
                                        ctypes.byref(ctypes.c_uint(40))))
    return buffer.raw[8:]


@step
def idle():
    """Requests, rules, deleting a netns and a reload allocate no state."""
    make_nets(*IDLE)
    # Exits run in reverse order: the rules still hold sets in ip_set's exit
    load("iptable_filter")
    load(*MODS, "veth")
    with netns("n1"):
        for command in "list", "save", "flush", "destroy":
            must(f"ipset {command}")
        refused("does not exist", "ipset list s")
        refused("does not exist", "ipset test s 192.0.2.1")
        refused("doesn't exist", RULE)
        expect(ipset(LIST) + ipset(SAVE), [])
        expect(len(ipset(PROTOCOL)), 1)
        expect(len(ipset(TYPE, more=string(3, "hash:ip") + attr(5, b"\2"))), 1)
        ipset(FLUSH)
        ipset(DESTROY)
        for cmd in LIST, SAVE, FLUSH, HEADER, BYNAME:
            says("ENOENT", ipset, cmd, "s")
        for cmd in RENAME, SWAP:
            says("ENOENT", ipset, cmd, "s", "t")
        for cmd in ADD, DEL, TEST:
            says("ENOENT", ipset, cmd, "s", more=attr(
                0x8007, attr(0x8001, attr(0x4001, bytes(4)))))
        says("ENOENT", ipset, BYINDEX, more=attr(0x400b, b"\0\0"))
        expect(find(6, b"s"), b"\xff\xff" + bytes(30))
        expect(find(7, b""), bytes(32))
    renew("n2")
    rmmod(*MODS)
    load(*MODS)
    hold(0, "where no set was made")


@step
def step_refused():
    """A first set that is refused leaves no state."""
    with netns("n1"):
        for args in (("s", "hash:nosuch"), ("s", "hash:ip", 99),
                     ("s", "hash:ip", 4, attr(18)), ("s", "bitmap:port", 3)):
            with contextlib.suppress(OSError):
                create(*args)
                off(f"create{args} was not refused")
    hold(0, "after requests that were refused")


@step
def first():
    """A first set counts packets, and its state is freed with the netns."""
    with netns("n1"):
        must("ipset create s hash:ip counters")
        hold(1, "after a first set")
        lib.charged("kmalloc-cg-16", "ip_set")
        lib.charged("kmalloc-cg-2k", "ip_set")
        must("ipset add s 127.0.0.1")
        must("ipset create p bitmap:port range 1-1024 counters")
        ip(None, "link set lo up")
        must(f"{RULE} -p udp -j SET --add-set p dst")
        refused("in use", "ipset destroy s")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in 9, 9, 9, 9, 10:
                sock.sendto(b"x", ("127.0.0.1", port))
        expect(sets(), {"s", "p"})
        expect(re.findall(r"packets (\d+)", must("ipset list s")), ["5"])
        must("ipset test p 9")
        must("ipset test p 10")
    with netns("n2"):
        expect(sets(), set())
    with netns("n1"):
        must("iptables-legacy -F")
        must("ipset destroy")
        expect(sets(), set())
    hold(1, "after the last set")
    renew("n1", left=0)
    if lib.sites(ALLOCATES) != (0, 0):
        off("the list of sets is left")


@step
def dump():
    """A dump from before the first set releases that set when it is closed."""
    with netns("n1"):
        with lib.netlink(NETFILTER) as late:
            # The first reply fills the socket, so that the dump must wait
            late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            for cmd, flags in (PROTOCOL, 0), (LIST, lib.NLM_F_DUMP):
                late.send(lib.message(IPSET | cmd, flags, payload()))
            hold(0, "after a dump that waits for room")
            must("ipset create s hash:ip")
            must("ipset add s 192.0.2.0/22")
            kinds = []
            while LIST not in kinds:
                try:
                    said = late.recv(1 << 12)
                except OSError as error:
                    expect(error.errno, errno.ENOBUFS)
                    continue
                kinds.append(said[4])
                expect(said[5] == 6 or said[16:20] == struct.pack(
                    "=i", -errno.ENOBUFS), True)
            expect(len(kinds) > 2, True)
            refused("in use", "ipset destroy s")
        must("ipset destroy s")
    renew("n1")


@step
def step_type():
    """Another set overtakes a first set that waits for its type."""
    # ip_set does not hold the nfnl mutex while it loads a type
    rmmod("ip_set_hash_ip")
    lib.write("/tmp/modprobe", f"""#!/bin/sh
        touch /tmp/asked
        until [ -e /tmp/go ]; do sleep 0.1; done
        exec modprobe -d {lib.MODULES} "$@"
        """)
    os.chmod("/tmp/modprobe", 0o755)
    lib.write("/proc/sys/kernel/modprobe", "/tmp/modprobe")
    with netns("n1"):
        wait = child(create, "s")
        until(lambda: os.path.exists("/tmp/asked"), "the type")
        must("ipset create p bitmap:port range 1-9")
        lib.write("/tmp/go", "")
        wait()
        expect(sets(), {"p", "s"})
        ipset(DESTROY)
    hold(1, "after first sets of two types")
    renew("n1")


@step
def traffic():
    """A netns is deleted under traffic, with a rule that holds a set."""
    ip("n5", "link add veth type veth peer name veth netns n6")
    for number, net in enumerate(("n5", "n6"), 1):
        ip(net, f"addr add 192.0.2.{number}/24 dev veth", "link set veth up")
    with netns("n5"):
        must("ipset create s hash:ip counters")
        must("ipset add s 192.0.2.2")
        must(RULE)
    with netns("n6"):
        until(lambda: works("ping -q -c 1 -W 1 192.0.2.1"), "a ping")
        with lib.running("ping -q -f 192.0.2.1"):
            time.sleep(0.5)
            renew("n5", left=0)


@step
def failures():
    """Each allocation of a first use fails in turn."""
    def again():
        create("s")
        expect(sets(), {"s"})

    create_and_destroy()
    rmmod(*MODS)
    load(*MODS)
    detail = lib.fail_each(lambda: create("s"), again=again, keeps=True)
    if lib.sites(ALLOCATES) != (0, 0):
        off("the list of sets is left")
    return detail


@step
def race():
    """Two processes make 200 first sets each during unloads."""
    def user():
        for name in IDLE * 10:
            lib.enter(name)
            with contextlib.suppress(OSError):
                create_and_destroy()

    unloads = 0
    waits = [child(user), child(user)]
    for _ in range(10):
        unloads += all(map(lib.gone, MODS))
        load(*MODS)
    for wait in waits:
        wait()
    rmmod(*MODS)
    lib.keeps_nothing(*MODS)
    load(*MODS)
    return f"{unloads} of 10 times all modules were unloaded"


@step
def cycles():
    """The modules are reloaded 20 times, each time after creating a set."""
    def use(number):
        with netns(f"n{number}"):
            create_and_destroy()
        hold(1, "after a first set")

    lib.cycles("ip_set", use, lambda: rmmod(*MODS), lambda: load(*MODS),
               keeps=lib.sites(r"\[ip_set\]"))


lib.last_steps(*MODS, keeps=MODS)
# The array of sets is larger than the state
lib.watch(ALLOCATES, below=1000)
lib.run()
