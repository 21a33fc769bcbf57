#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""tour.py MODULES [NETNS [ROUNDS]]

Runs in the guest of scripts/boot, on the series' kernel or on the base: takes
vxlan through the life of a module with per-netns state, among NETNS
namespaces (20), with ROUNDS unloads under traffic (3). Numbers also go to
fd 3, as "what=value".
"""

import contextlib
import os
import re
import sys

import lib
from lib import (core_bytes, delete_nets, ip, load, make_nets, must, netns,
                 nets, now, off, ok, read, rmmod, running, sites, tell,
                 wait_for)

NETNS, ROUNDS = map(int, sys.argv[2:] + ["20", "3"][len(sys.argv) - 2:])
SERIES = " register_pernet_gen_device\n" in read("/proc/kallsyms")
IDLE = [f"n{number}" for number in range(1, NETNS + 1)]
PING = "ping -q -i 0.2 -W 1 203.0.113.2"


def link():
    """Make left, mid and right: a tunnel from left to mid, bridged to right.

    The tunnel goes over veth, from dummy to dummy. Nothing runs in mid, so
    that it can be deleted. n1, which makes no device, has one of left's.
    """
    make_nets("left", "mid", "right")
    ip("left", "link add v0 type veth peer name v0 netns mid")
    for net, here, there in ("left", 1, 2), ("mid", 2, 1):
        ip(net, "link set v0 up", "link add d0 up type dummy",
           f"addr add 198.51.100.{here}/32 dev d0",
           f"addr add 192.0.2.{here}/30 dev v0",
           f"route add 198.51.100.{there}/32 via 192.0.2.{there}",
           "link add vx0 up type vxlan id 42 dstport 4789 "
           f"local 198.51.100.{here} remote 198.51.100.{there}")
    ip("left", "addr add 203.0.113.1/24 dev vx0",
       "link add vx1 type vxlan id 43 dstport 4789 local 198.51.100.1 "
       "remote 198.51.100.2", "link set vx1 up netns n1")
    ip("mid", "link add br0 up type bridge", "link set vx0 master br0",
       "link add m1 up master br0 type veth peer name r0 netns right")
    ip("right", "addr add 203.0.113.2/24 dev r0", "link set r0 up")
    with netns("left"):
        wait_for(20, "a first ping through vxlan",
                 lambda: lib.works(f"{PING} -c 1"))


def tunnelled():
    """Return the bytes that mid's vxlan device has received."""
    with netns("mid"):
        return int(re.search(r"vx0: *([0-9]+)",
                             read("/proc/thread-self/net/dev"))[1])


@contextlib.contextmanager
def flood():
    """Send pings from left to right while the block runs.

    A TCP connection would keep namespaces alive for minutes.
    """
    with netns("left"), running("ping -f -q -l 50 -s 1400 203.0.113.2"):
        wait_for(30, "a flood of pings", lambda: tunnelled() > 1000000)
        yield


def step_load():
    """Load vxlan, and return the bytes that an unused netns holds for it."""
    load("udp_tunnel", "ip6_udp_tunnel", "veth", "dummy", "bridge")
    took = make_nets(*IDLE)
    ok(f"{NETNS} namespaces made in {took} ms")
    tell(f"{NETNS} netns made, vxlan not loaded, ms={took}")
    before, start = core_bytes(), now()
    load("vxlan")
    took = now() - start
    idle = (core_bytes() - before) // nets()
    ok(f"vxlan loaded beside {nets()} namespaces in {took} ms; "
       f"each now holds {idle} bytes for it")
    lib.keeps_nothing("vxlan")
    if SERIES and idle:
        off("not NULL in an idle netns")
    tell(f"vxlan loaded beside them, ms={took}")
    tell(f"vxlan state in an idle netns, bytes={idle}")
    more = [f"m{net}" for net in IDLE]
    tell(f"{NETNS} netns made, vxlan loaded, ms={make_nets(*more)}")
    tell(f"{NETNS} netns deleted, vxlan loaded, ms={delete_nets(*more)}")
    return idle


def step_traffic():
    """Send pings and TCP through the tunnel."""
    link()
    with netns("left"):
        loss = re.search("[0-9]*% packet loss", must(f"{PING} -c 5"))[0]
    ok("left and mid joined by vxlan over veth, mid bridged to right: "
       f"{loss} in 5 pings")
    with netns("right"), running("iperf3 -s -1") as server:
        # Port 5201 in state LISTEN
        wait_for(20, "iperf3", lambda: re.search(
            ":1451 .* 0A ", read("/proc/thread-self/net/tcp6")))
        with netns("left"):
            said = must("iperf3 -c 203.0.113.2 -f m -t 4")
        server.wait()
    rate = re.search("([0-9.]+) Mbits/sec +receiver", said)[1]
    ok(f"iperf3 through it: {rate} Mbit/s; "
       f"mid's vxlan received {tunnelled() // 1000000} MB")
    tell(f"iperf3 through vxlan, Mbit/s={rate}")


def step_state(idle):
    """Look at the state: on the series only left and mid have one."""
    held, users = sites(r"\[vxlan\] func:vxlan_init_net ")
    if SERIES and users != 2:
        off(f"{users} namespaces hold vxlan state, not left and mid")
    using = held // users if SERIES else idle
    ok(f"vxlan state: {using} bytes in left and in mid, "
       f"{idle} in each of the other {nets() - 2} namespaces")
    tell(f"vxlan state in a netns that uses it, bytes={using}")
    tell(f"vxlan state in all {nets()} netns, bytes={idle * nets() + held}")


def step_unload():
    """Unload vxlan under traffic, with devices in left, mid and n1."""
    total = 0
    for _ in range(ROUNDS):
        link()
        with flood():
            start = now()
            rmmod("vxlan")
            total += now() - start
        delete_nets("left", "mid", "right")
        load("vxlan")
    ok(f"vxlan unloaded under traffic and loaded again, {ROUNDS} times")
    tell(f"vxlan unloaded under traffic, ms={total // ROUNDS}")


def main():
    """Run all steps."""
    print(f"Linux {os.uname().release}, {NETNS} namespaces, "
          f"{os.cpu_count()} CPUs", flush=True)
    idle = step_load()
    step_traffic()
    step_state(idle)
    with flood():
        took = delete_nets("mid")
    ok(f"mid, with its vxlan and bridge, deleted under traffic in {took} ms")
    tell(f"netns deleted under traffic, ms={took}")
    # Deleting left also deletes its device in n1.
    delete_nets("left", "right")
    step_unload()
    # An id lost in each cycle would make the arrays grow.
    held, arrays = sites(" func:net_alloc_generic ")
    slots = held // arrays // 8
    lib.cycles("vxlan", lambda number: None, lambda: rmmod("vxlan"),
               lambda: load("vxlan"), count=slots)
    ok(f"vxlan reloaded {slots} times more: the id reused, no array grew")
    rmmod("vxlan")
    took = delete_nets(*IDLE)
    ok(f"vxlan unloaded, all {NETNS} namespaces deleted in {took} ms")
    lib.leaks()
    ok("kmemleak: two scans, nothing found")
    lib.step_dmesg()
    ok("dmesg: no warning")


main()
