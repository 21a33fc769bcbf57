#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""vxlan.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of vxlan's per-netns state. MODULES is the
INSTALL_MOD_PATH; the modules of guest/ko are beside it. Each step prints one
line. The first failure ends the
program with status 1.
"""

import os
import socket
import struct

import lib
from lib import (IDLE, attempt, attr, delete_nets, expect, hold, insmod, ip,
                 load, make_nets, must, netns, off, refused, renew, rmmod,
                 step, told, u32, until, works)

VX = "type vxlan dstport 4789"
TO = "remote 192.0.2.1"
NEXTHOPS = ("nexthop add id 1 via 192.0.2.9 fdb",
            "nexthop add id 2 group 1 fdb")
MAC = "02:00:00:00:00:01"
IFLA_VXLAN_ID, IFLA_VXLAN_GROUP, IFLA_VXLAN_LINK, IFLA_VXLAN_PORT = 1, 2, 3, 15


def device(name, vni, dev=None, *, up=False):
    """Add "NAME VX id VNI TO [dev DEV]" without the allocations of ip(8)."""
    link = [u32(IFLA_VXLAN_LINK, socket.if_nametoindex(dev))] if dev else []
    lib.new_link("vxlan", name, u32(IFLA_VXLAN_ID, vni),
                 attr(IFLA_VXLAN_GROUP, bytes([192, 0, 2, 1])), *link,
                 attr(IFLA_VXLAN_PORT, struct.pack(">H", 4789)), up=up)


def nexthops(net):
    """Make nexthops that a vxlan fdb entry can point to."""
    ip(net, *NEXTHOPS)


def flushes(net, dev, devnet=None):
    """Expect that deleting a nexthop of NET deletes the fdb entry of DEV.

    NET is the vxlan->net of DEV, and DEVNET its own netns.
    """
    devnet = devnet or net
    must(f"bridge -n {devnet} fdb add {MAC} dev {dev} nhid 2")
    ip(net, "nexthop del id 2")
    if MAC in must(f"bridge -n {devnet} fdb show dev {dev}"):
        off(f"the fdb of {dev} keeps a nexthop that {net} has deleted")
    ip(net, NEXTHOPS[1])


@step
def idle():
    """Devices, nexthops, a netns and module loads need no state"""
    make_nets(*IDLE)
    load("dummy", "veth", "vxlan")
    nexthops("n1")
    ip("n1",
       "link add d0 up type dummy",
       "link set d0 down",
       "link del d0",
       "link add v0 up type veth peer name v1 netns n2",
       "nexthop del id 2",
       "nexthop del id 1")
    ip("n1", "-d link show")
    renew("n2")
    rmmod("vxlan")
    load("vxlan")
    hold(0, "where no vxlan device was")


@step
def step_refused():
    """A refused first request leaves no state"""
    refused("does not support this combination", "ip -n n1 link add vx0 "
            f"type vxlan id 1 dstport 4790 {TO} gpe")
    hold(0, "after a request that was refused")


@step
def first():
    """A first device allocates the state, and is told of deleted nexthops"""
    nexthops("n1")
    ip("n1", f"link add vx0 up {VX} id 1 {TO}")
    hold(1, "after a first device")
    lib.charged("kmalloc-cg-4k", "vxlan")
    flushes("n1", "vx0")
    flushes("n1", "vx0")
    refused("already exists", f"ip -n n1 link add vx1 {VX} id 1 "
            "remote 192.0.2.2")
    ip("n1", f"link add vx1 up {VX} id 2 {TO}", "link del vx0", "link del vx1")
    hold(1, "after the last device")
    delete_nets("n1")
    hold(0, "after its netns")
    make_nets("n1")


@step
def link_net():
    """The state belongs to the netns of a device's sockets"""
    # vx0 is made in n3 for n4, vx1 moves there
    ip("n3", f"link add vx0 up link-netns n4 {VX} id 1 {TO}")
    ip("n4", f"link add vx1 up {VX} id 2 {TO}", "link set vx1 netns n3")
    ip("n3", "link set vx1 up")
    nexthops("n4")
    flushes("n4", "vx0", "n3")
    hold(1, "for the devices of n3 that live on n4")
    delete_nets("n4")
    hold(0, "after n4")
    refused("does not exist", "ip -n n3 link show vx0")
    refused("does not exist", "ip -n n3 link show vx1")
    ip("n3", f"link add vx0 {VX} id 1 {TO}")
    hold(1, "for the first device of n3's own")
    delete_nets("n3")
    make_nets("n3", "n4")


@step
def one_vni():
    """Different devices share a VNI, and exit with the lower device"""
    ip("n1",
       "link add d0 up type dummy",
       "link add d1 up type dummy",
       f"link add vx0 {VX} id 1 {TO}",
       "link set vx0 type vxlan id 1 ageing 100",
       f"link add vx1 type vxlan dstport 4790 id 1 {TO}",
       f"link add vx2 {VX} id 1 remote 2001:db8::1",
       f"link add vx3 {VX} id 2 local fe80::9 remote fe80::1 dev d0",
       f"link add vx4 {VX} id 2 local fe80::9 remote fe80::1 dev d1",
       f"link add vx5 {VX} external vnifilter",
       f"link add vx6 {VX} external vnifilter")
    must("bridge -n n1 vni add vni 10 dev vx5")
    must("bridge -n n1 vni add vni 11 dev vx6")
    refused("already exists", f"ip -n n1 link add vx7 {VX} id 2 "
            "local fe80::9 remote fe80::2 dev d1")
    refused("", "bridge -n n1 vni add vni 10 dev vx6")
    ip("n1", "link del d1")
    refused("does not exist", "ip -n n1 link show vx4")
    renew("n1")


@step
def lower():
    """A device that fails after the first use releases its lower device"""
    def low(nth):
        with netns("n1"):
            return attempt(nth, device, "low", 99, "d0")

    ip("n1", "link add d0 up type dummy",
       f"link add vx0 {VX} id 1 {TO} dev d0",
       *(f"link add vx{level} {VX} id {level + 1} {TO} dev vx{level - 1}"
         for level in range(1, 7)))
    refused("Too many links", f"ip -n n1 link add vx7 {VX} id 9 {TO} dev vx6")
    hold(1, "below seven devices in a pile")
    lib.allow_failures()
    left, said = low(100000)
    ip("n1", "link del low")
    # The last allocation whose failure refuses the device is the fdb entry
    for nth in range(100000 - left, 0, -1):
        _, said = low(nth)
        if not works("ip -n n1 link del low"):
            break
    expect(said != "", True)
    renew("n1")


def ports(table, port):
    """Expect that a table of netdevsim has this UDP tunnel port only."""
    text = lib.read("/sys/kernel/debug/netdevsim/netdevsim1/ports/0/udp_ports/"
                    f"table{table}")
    if set(text.split()) - {"0"} != {str(port)} - {"0"}:
        off(f"netdevsim's table {table} has {text}, expected {port}")


@step
def offload():
    """An offloading device learns of added and deleted UDP tunnel ports"""
    load("netdevsim")
    lib.write("/sys/bus/netdevsim/new_device", "1 1")
    dev, = os.listdir("/sys/bus/netdevsim/devices/netdevsim1/net")
    ip(None, f"link set {dev} up", f"link add vx0 up {VX} id 1 {TO}",
       "link add vx1 up type vxlan dstport 4790 gpe external")
    ports(0, 4789 << 16 | 1)
    ports(1, 4790 << 16 | 4)
    must(f"ethtool -K {dev} rx-udp_tunnel-port-offload off")
    ports(0, 0)
    must(f"ethtool -K {dev} rx-udp_tunnel-port-offload on")
    ports(0, 4789 << 16 | 1)
    ports(1, 4790 << 16 | 4)
    ip(None, "link del vx0")
    ports(0, 0)
    rmmod("vxlan")
    ports(1, 0)
    rmmod("netdevsim")
    load("vxlan")
    hold(0, "after netdevsim")


def make_tunnel():
    """Make a tunnel over veth between n5 and n6, with devices in both."""
    ip("n5", "link add veth type veth peer name veth netns n6")
    for net, other, here, there in ("n5", "n6", 1, 2), ("n6", "n5", 2, 1):
        ip(net,
           f"addr add 192.0.2.{here}/24 dev veth",
           "link set veth up",
           f"link add vx0 up {VX} id 42 local 192.0.2.{here} "
           f"remote 192.0.2.{there}",
           f"addr add 203.0.113.{here}/24 dev vx0",
           f"link add vx1 up link-netns {other} {VX} id 43 "
           f"remote 192.0.2.{there}")
    with netns("n5"):
        until(lambda: works("ping -q -c 1 -W 1 203.0.113.2"),
              "a ping through the tunnel")
    hold(2, "for the two ends of a tunnel")


@step
def tunnel():
    """Two namespaces with a tunnel exit, each with a device of the other"""
    make_tunnel()
    delete_nets("n5", "n6")
    hold(0, "after both ends")
    make_nets("n5", "n6")


@step
def unload():
    """The module is unloaded while a tunnel exists"""
    make_tunnel()
    rmmod("vxlan")
    nexthops("n5")
    ip("n5", "nexthop del id 1")
    load("vxlan")
    hold(0, "after unloading")
    ip("n5", "link del veth")
    make_tunnel()
    rmmod("vxlan")
    renew("n5", "n6")
    load("vxlan")
    return f"among {lib.nets()} namespaces"


@step
def rival():
    """vxlan refuses its device after another first user has won"""
    # Only a module can have net_assign_generic() refuse vxlan's state
    parameters = "/sys/module/rival/parameters"
    nexthops("n7")
    with netns("n7"):
        wait = lib.background(insmod, "rival",
                              f"id_at={lib.symbol('vxlan_net_id')}")
    until(lambda: os.path.exists(f"{parameters}/ready") and
          lib.read(f"{parameters}/ready") == "Y\n", "rival.ko")
    replayed = lib.read(f"{parameters}/replayed").strip()
    if replayed != "2":
        off(f"{replayed} nexthops replayed, expected 2")
    refused("File exists", f"ip -n n7 link add vx0 {VX} id 1 {TO}")
    wait()
    hold(0, "after another first user won")
    ip("n7", "nexthop del id 2")
    delete_nets("n7")
    rmmod("rival")
    make_nets("n7")


@step
def failures():
    """Each allocation of a first use fails in turn"""
    def use():
        device("vx0", 7)

    # The Nth of all allocations may never be the state
    with lib.new_nets("f", 1) as nets, netns("f1"), \
            lib.of_cache("kmalloc-cg-4k"):
        nexthops(*nets)
        lib.allow_failures()
        expect(attempt(1, use)[1], "ENOMEM")
        hold(0, "without memory for the state")
        use()
    return lib.fail_each(use, prepare=nexthops, keeps=True,
                         check=lambda net: flushes(net, "vx0"))


@step
def no_load():
    """Failed loads leave nothing behind, the next load works"""
    rmmod("vxlan")
    insmod("kind")
    refused("resource busy", f"modprobe -d {lib.MODULES} vxlan")
    rmmod("kind")
    failed = lib.fail_loads("vxlan", 60)
    load("vxlan")
    return f"{failed + 1} of them"


@step
def cycles():
    """The module is unloaded 20 times while a device exists"""
    def use(number):
        with netns("n1"):
            device("vx0", number, up=True)

    lib.cycles("vxlan", use, lambda: rmmod("vxlan"), lambda: load("vxlan"))


lib.last_steps("vxlan")


@step
def misuse():
    """The kernel warns once of each misuse, and handles an atomic caller"""
    # This must be the last step, because it uses up one-time warnings
    insmod("misuse")
    told(1, "per-net id 0 is not open for modules")
    told(1, "assigned NULL")
    told(2, "WARNING: ")
    told(1, "BUG: ")
    told(1, "BUG: sleeping function called from invalid context")
    rmmod("misuse")
    lib.clear_dmesg()


lib.watch(r"\[vxlan\] func:vxlan_init_net ")
lib.run()
