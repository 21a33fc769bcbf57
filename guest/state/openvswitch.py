#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""openvswitch.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of openvswitch's per-netns state. A first datapath
or a first conntrack limit allocates it. MODULES is the INSTALL_MOD_PATH. Each
step prints one line. The first failure ends the
program with status 1.
"""

import contextlib
import glob
import os
import socket
import struct
import time
from functools import partial

import lib
from lib import (IDLE, attr, background, delete_nets, expect, fail_each, hold,
                 ip, load, make_nets, netns, off, parse, read, refused,
                 renew, rmmod, says, step, string, u32, until, wait_for, works,
                 write)

NEW, DEL, GET, SET = range(1, 5)
EXECUTE, METER_FEATURES, METER_GET = 3, 1, 4
RTM_SETLINK, IFLA_NET_NS_FD = 19, 28
NETDEV, INTERNAL = 1, 2
HELD = "/sys/module/hold_rtnl/parameters/held"
BR0 = string(1, "br0")
br0 = partial(socket.if_nametoindex, "br0")
COMMIT = attr(12, attr(1))
ARP, IPV4 = 0x806, 0x800
HEADERS = {IPV4: attr(7, bytes(12)), ARP: attr(13, bytes(24))}


def ovs(family, cmd, number, *attrs, ask=lib.genl):
    """Make a request; NUMBER is the ifindex of the datapath's local device."""
    return ask(f"ovs_{family}", 1 + (family == "datapath"), cmd,
               struct.pack("=i", number), *attrs)


def listed(family, number):
    """Dump the objects of a family, and return the attributes of each."""
    return [parse(body[8:]) for body in
            ovs(family, GET, number, ask=lib.genl_dump)]


def new(name="br0", more=b""):
    """Make a datapath."""
    ovs("datapath", NEW, 0, string(1, name), u32(2, 0), more)


def end(name="br0"):
    """Delete a datapath."""
    ovs("datapath", DEL, 0, string(1, name))


def port(name, number, kind=NETDEV):
    """Make a port of br0."""
    ovs("vport", NEW, br0(), u32(1, number), u32(2, kind), string(3, name),
        u32(5, 0))


def ports():
    """Return the packets that each port of br0 has received, by name."""
    return dict(sorted(
        (found[3][:-1].decode(), struct.unpack_from("=Q", found[6])[0])
        for found in listed("vport", br0())))


def key(number, kind):
    """Return the key of packets of a protocol from a port."""
    return (u32(3, number) + attr(4, bytes(12)) +
            attr(6, struct.pack("!H", kind)) + HEADERS[kind])


def flow(number, kind, *actions, mask=b""):
    """Make a flow of br0: actions on packets of a protocol from a port."""
    ovs("flow", NEW, br0(), attr(1, key(number, kind)), attr(2, *actions),
        attr(7, u32(3, 0xffffffff), attr(6, b"\xff\xff"), mask))


def flood(action=b""):
    """Let br0 send each packet to the other ports, IPv4 after an action."""
    for number in 1, 2, 3:
        others = [u32(1, other) for other in {1, 2, 3} - {number}]
        flow(number, IPV4, action, *others)
        flow(number, ARP, *others)


def packets():
    """Return the number of packets that matched a flow of br0."""
    return sum(struct.unpack_from("=Q", found[3])[0]
               for found in listed("flow", br0()) if 3 in found)


def limit(zones, cmd=NEW):
    """Set conntrack limits by zone, -1 is the default; or delete, get them."""
    attrs = [struct.pack("=iII", *item, 0) for item in zones.items()]
    return ovs("ct_limit", cmd, 0, attr(1, *attrs) if attrs else b"")


def limits(*of):
    """Return (zone, limit, connections) of zones, or of those with a limit."""
    body, = limit(dict.fromkeys(of, 0), GET)
    return list(struct.iter_unpack("=iII", parse(body[8:])[1]))


def use_both():
    """Make both kinds of first use in n1."""
    with netns("n1"):
        new()
        limit({0: 1})


def holds(states, limited, when):
    """Expect states and limits to be allocated in this many namespaces."""
    hold(states, when)
    objects = lib.sites(" func:(nf_conncount_init|ovs_ct_limit_init) ")[1]
    if objects != 3 * limited:
        off(f"{objects} objects for limits {when}, expected {3 * limited}")


def nothing(net):
    """Expect each reply to match that of an unused netns."""
    with netns(net):
        expect(listed("datapath", 0), [])
        expect(limits(), [(-1, 0, 0)])
        expect(limits(-1, 7), [(-1, 0, 0), (7, 0, 0)])
        limit({-1: 0, 7: 0}, DEL)
        for family in "vport", "flow":
            says("ENODEV", listed, family, 1)
        for request in (
                ("datapath", DEL, 0, BR0), ("datapath", GET, 0, BR0),
                ("datapath", SET, 0, BR0), ("vport", GET, 0, string(3, "br0")),
                ("vport", NEW, 1, u32(2, 2), string(3, "p"), u32(5, 0)),
                ("vport", DEL, 0, string(3, "p")),
                ("flow", GET, 1, attr(1, key(1, IPV4))), ("flow", DEL, 1),
                ("flow", NEW, 1, attr(1, key(1, IPV4)), attr(2, COMMIT)),
                ("packet", EXECUTE, 1, attr(1, bytes(64)),
                 attr(2, key(1, ARP)), attr(3, u32(1, 1))),
                ("meter", METER_FEATURES, 1),
                ("meter", METER_GET, 1, u32(1, 1))):
            says("ENODEV", ovs, *request)


@step
def idle():
    """Requests, devices, deleting a netns and a reload allocate no state."""
    make_nets(*IDLE)
    load("veth", "dummy", "openvswitch")
    nothing("n1")
    ip("n1", "link add d0 up type dummy", "link set d0 netns n2",
       "link add v0 up type veth peer name v1 netns n2")
    renew("n2")
    rmmod("openvswitch")
    load("openvswitch")
    hold(0, "where no datapath was")


@step
def step_refused():
    """Datapaths and limits that are refused leave no state."""
    with netns("n1"):
        says("EEXIST", new, "lo")
        says("EINVAL", new, "a/b")
        says("ENOTSUP", new, "br0", u32(5, 1 << 31))
        says("EINVAL", ovs, "datapath", NEW, 0, BR0)
        says("EINVAL", ovs, "ct_limit", NEW, 0)
    holds(0, 0, "after requests that were refused")


@step
def first():
    """A first datapath or limit allocates the state; the netns keeps it."""
    with netns("n1"):
        new()
        holds(1, 0, "after a first datapath")
        lib.charged("kmalloc-cg-512", "openvswitch")
        says("EEXIST", new)
        expect(limits(5), [(5, 0, 0)])
        limit({5: 3, -1: 9})
        expect(limits(), [(-1, 9, 0), (5, 3, 0)])
        expect(limits(6, 5), [(6, 9, 0), (5, 3, 0)])
        limit({5: 0, -1: 0}, DEL)
        expect(limits(), [(-1, 0, 0)])
        new("br1")
        expect([path[1] for path in listed("datapath", 0)],
               [b"br0\0", b"br1\0"])
        end()
        end("br1")
        expect(listed("datapath", 0), [])
    holds(1, 1, "after a first limit")
    lib.charged("kmalloc-cg-4k", "openvswitch")
    with netns("n2"):
        limit({0: 1})
        holds(2, 2, "after a first limit without a datapath")
        says("EEXIST", new, "lo")
        new()
        expect(limits(), [(-1, 0, 0), (0, 1, 0)])
    nothing("n7")
    holds(2, 2, "after a limit, then a datapath")
    renew("n1", "n2", left=0)
    holds(0, 0, "after their netns")


def wire():
    """Connect p1 and p2 of n3 to n5 and n6."""
    for number, net in (1, "n5"), (2, "n6"):
        ip("n3", f"link add p{number} up type veth peer name eth0 netns {net}")
        ip(net, f"addr add 203.0.113.{number}/24 dev eth0", "link set eth0 up")


def reaches(*numbers, ping="ping -q -c 1 -W 1"):
    """Return whether a ping from n5 reaches each of some addresses."""
    with netns("n5"):
        return all(works(f"{ping} 203.0.113.{number}") for number in numbers)


def switch(action=b""):
    """Join n5, n6 and n4 by a datapath in n3, whose internal port is in n4."""
    wire()
    with netns("n3"):
        new()
        port("p1", 1)
        port("p2", 2)
        port("p3", 3, INTERNAL)
        flood(action)
    ip("n3", "link set p3 netns n4")
    ip("n4", "addr add 203.0.113.3/24 dev p3", "link set p3 up")
    wait_for(20, "a ping through the datapath", lambda: reaches(2, 3))


@step
def traffic():
    """A datapath forwards 200 packets, and loses ports of a deleted netns."""
    switch()
    holds(1, 0, "for a datapath with a port in another netns")
    expect(reaches(2, 3, ping="ping -q -i 0.02 -c 50"), True)
    with netns("n3"):
        expect(list(ports()), ["br0", "p1", "p2", "p3"])
        for name, received in ("p1", 100), ("p2", 50), ("p3", 50):
            expect((name, ports()[name] >= received), (name, True))
        expect(packets() >= 200, True)
        nothing("n4")
        hold(1, "after the netns with the port was asked")
        renew("n4")
        expect(list(ports()), ["br0", "p1", "p2"])
        ip("n6", "link del eth0")
        wait_for(10, "the end of a port whose device is deleted",
                 lambda: list(ports()) == ["br0", "p1"])
        end()
    ip("n5", "link del eth0")


def waits_in(function):
    """Wait until a thread of this process is in a function of the kernel."""
    until(lambda: any(function in read(stack) for stack in
                      glob.glob("/proc/self/task/*/stack")), function)


def move(name, net):
    """Move a device to another netns."""
    with open(f"/run/netns/{net}", "rb") as target:
        lib.request(socket.NETLINK_ROUTE, RTM_SETLINK, 0,
                    struct.pack("=4xi8x", socket.if_nametoindex(name)) +
                    u32(IFLA_NET_NS_FD, target.fileno()))


@step
def moved():
    """A port whose device is in a netns without state is freed with it."""
    # The device moves while it becomes a port. The move gets RTNL first, but
    # only after the port has looked up the device.
    with netns("n3"):
        new()
        for delete_it in (partial(ip, "n4", "link del p1"),
                          partial(delete_nets, "n4")):
            ip("n3", "link add p1 type veth peer name eth0 netns n5")
            holder = background(lib.insmod, "hold_rtnl")
            until(lambda: os.path.exists(HELD) and read(HELD) == "Y\n",
                  "hold_rtnl.ko")
            mover = background(move, "p1", "n4")
            waits_in("rtnl_setlink")
            adder = background(port, "p1", 1)
            waits_in("netdev_create")
            write(HELD, "N")
            for wait in holder, mover, adder:
                wait()
            expect(list(ports()), ["br0", "p1"])
            rmmod("hold_rtnl")
            ip("n4", "link show p1")
            hold(1, "for a port whose device moved")
            delete_it()
            wait_for(10, "the end of a port whose device is gone",
                     lambda: list(ports()) == ["br0"])
        make_nets("n4")
        end()


@step
def step_limits():
    """A conntrack limit holds in the netns where it is set."""
    with netns("n1"):
        limit({0: 1})
    switch(COMMIT)
    with netns("n3"):
        expect(limits(0), [(0, 0, 0)])
        limit({0: 2})
        # Two connections pass a limit of two, a third does not
        expect([reaches(2) for _ in range(3)], [True, True, False])
        (zone, most, connections), = limits(0)
        expect((zone, most, connections >= 2), (0, 2, True))
        limit({0: 0}, DEL)
        expect(reaches(2), True)


@contextlib.contextmanager
def flood_of_pings():
    """Let n5 flood n6 with pings while the block runs."""
    with netns("n5"), lib.running("ping -f -q -l 20 203.0.113.2"):
        with netns("n3"):
            until(lambda: packets() > 3000, "a flood of pings")
        yield


@step
def delete():
    """A datapath's netns is deleted under traffic with conntrack."""
    with flood_of_pings():
        delete_nets("n3")
    holds(1, 1, "after the netns of the datapath, but n1's")
    ip("n4", "link show lo")
    refused("does not exist", "ip -n n4 link show p3")
    make_nets("n3")


def stats():
    """Return the packets of the datapath, and the masks tried for them."""
    path, = listed("datapath", 0)
    return struct.unpack("=QQ", path[3][:8] + path[4][:8])


def sorted_masks(when):
    """Expect a new datapath to sort its masks: the first matches no packet."""
    def in_order():
        before = stats()
        reaches(2)
        found, tried = map(int.__sub__, stats(), before)
        return found and tried == found

    with netns("n3"):
        new("br0", u32(7, 0))
        port("p1", 1)
        port("p2", 2)
        flow(9, IPV4, u32(1, 1), mask=attr(7, bytes(10) + b"\xff\0"))
        flood()
        wait_for(20, f"a ping {when}", lambda: reaches(2))
        wait_for(12, f"masks in order {when}", in_order)
        end()


@step
def masks():
    """The work sorts masks of a first datapath, and again after a pause."""
    wire()
    sorted_masks("of a first datapath")
    time.sleep(5)
    sorted_masks("of a datapath after a time without one")
    renew("n3")


@step
def unload():
    """The module is unloaded while a datapath exists, also under traffic."""
    switch(COMMIT)
    with netns("n3"):
        limit({0: 1000000})
    with flood_of_pings():
        rmmod("openvswitch")
    refused("does not exist", "ip -n n4 link show p3")
    load("openvswitch")
    hold(0, "after unloading")
    for net in "n5", "n6":
        ip(net, "link del eth0")
    switch()
    rmmod("openvswitch")
    renew("n3", "n5", "n6")
    load("openvswitch")
    return f"among {lib.nets()} namespaces"


@step
def race():
    """5 concurrent first users allocate one state, in each of 8 namespaces."""
    nets = IDLE[7:15]
    lib.at_once(nets, lambda: new, lambda: partial(limit, {0: 1}),
                lambda: partial(limit, {1: 2}), lambda: partial(new, "br1"),
                lambda: partial(new, "br2"))
    for net in nets:
        with netns(net):
            expect(len(listed("datapath", 0)), 3)
            expect(limits(), [(-1, 0, 0), (0, 1, 0), (1, 2, 0)])
    holds(8, 8, "in 8 namespaces with 5 first users at once")
    renew(*nets, left=0)


@step
def gone():
    """The module is unloaded 5 times during first uses."""
    def use():
        lib.families.clear()
        limit({0: 1})
        new()
        end()

    with lib.beside_uses(["n8"], use) as used:
        for tenths in range(1, 6):
            time.sleep(tenths / 10)
            rmmod("openvswitch")
            load("openvswitch")
        expect(used() > 0, True)
    rmmod("openvswitch")
    load("openvswitch")
    hold(0, "after first users beside unloading")


@step
def failures():
    """Each allocation of a first limit, state or datapath fails in turn."""
    use_both()
    rmmod("openvswitch")
    load("openvswitch")
    said = fail_each(partial(limit, {0: 1}), also=lambda number: holds(
        number, number, f"after allocation {number} failed"))
    lib.ok(f"First limit: {said}")
    holds(0, 0, "after failures")
    datapath_fails = partial(fail_each, new, check=lambda _: holds(
        lib.states(), 0, "after datapaths"))
    # The number of allocations varies, so the Nth may never be the state.
    # First, fail only allocations from the slab cache of the state
    with lib.of_cache("kmalloc-cg-512"):
        lib.ok(f"State of a first datapath: {datapath_fails()}")
    return datapath_fails(last=100)


@step
def cycles():
    """The module is reloaded 20 times, each time while a datapath exists."""
    lib.cycles("openvswitch", lambda _: use_both(),
               partial(rmmod, "openvswitch"), partial(load, "openvswitch"),
               keeps=lib.sites(r"\[openvswitch\]"))


lib.last_steps("openvswitch", partial(holds, 0, 0, "after unloading"),
               keeps=["openvswitch"])
lib.watch(r"\[openvswitch\] func:ovs_init_net ")
lib.run()
